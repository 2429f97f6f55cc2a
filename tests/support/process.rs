//! One running process.

use rustix::process::{Pid, kill_process, kill_process_group};
use sluice_runtime::{Clock, SystemClock};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub use rustix::process::Signal;

/// How often something is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How much of what a process said a panic shows: enough to see why, and the assertion stays in sight.
const SHOWN_LINES: usize = 60;

/// The last lines of an output, after the number of those before them.
fn last_lines(output: &str) -> String {
    let before = output.lines().count().saturating_sub(SHOWN_LINES);
    match before {
        0 => output.to_owned(),
        _ => {
            let shown: Vec<&str> = output.lines().skip(before).collect();
            format!("… {before} lines before\n{}\n", shown.join("\n"))
        }
    }
}

/// Waits until `probe` gives something. Panics after `within`, naming `what`.
pub fn wait_for<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = SystemClock.monotonic() + within;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(SystemClock.monotonic() < deadline, "waited {within:?} in vain for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A process with its output in files. Dropped, it is killed with all its children.
#[derive(Debug)]
pub struct Process {
    child: Child,
    shown: String,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
}

/// How a process ended and what it said.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The command line.
    pub shown: String,
    /// The exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

impl Process {
    /// Starts `command` in a process group of its own; output goes to `<output>.out` and `<output>.err`.
    pub fn start(mut command: Command, output: PathBuf) -> Self {
        let (stdout, stderr) = (output.with_extension("out"), output.with_extension("err"));
        let shown = format!("{command:?}");
        command.stdin(Stdio::null()).process_group(0);
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        Self { child, shown, stdout, stderr, ended: None }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stdout).unwrap()).into_owned()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned()
    }

    /// Sends a signal to it alone. One that is gone already is no error.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            kill_process(self.pid(), signal).unwrap_or_default();
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended.is_some()
    }

    /// The exit code, once [`Process::has_ended`] said so; `None` before, and where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.ended.and_then(|status| status.code())
    }

    /// Waits until `probe` gives something or the process has ended (`None`). Panics after `within`, with what the
    /// process said.
    pub fn until<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut probe: impl FnMut(&Self) -> Option<T>,
    ) -> Option<T> {
        let deadline = SystemClock.monotonic() + within;
        loop {
            if let Some(found) = probe(self) {
                return Some(found);
            }
            if self.has_ended() {
                return None;
            }
            assert!(
                SystemClock.monotonic() < deadline,
                "waited {within:?} in vain for {what}; {} said:\n{}{}",
                self.shown,
                last_lines(&self.stdout()),
                last_lines(&self.stderr())
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until stderr holds `text`. Panics if the process ends before, or after `within`.
    pub fn until_it_says(&mut self, text: &str, within: Duration) {
        let heard =
            self.until(&format!("`{text}`"), within, |process| process.stderr().contains(text).then_some(()));
        assert!(
            heard.is_some(),
            "it ended without saying `{text}`:\n{}{}",
            last_lines(&self.stdout()),
            last_lines(&self.stderr())
        );
    }

    /// Waits for its end.
    pub fn wait(mut self, within: Duration) -> Ended {
        self.until::<()>("its end", within, |_| None);
        self.end()
    }

    /// Kills it, with no time to do anything.
    pub fn kill(mut self) -> Ended {
        self.signal(Signal::KILL);
        self.ended = Some(self.child.wait().unwrap());
        self.end()
    }

    /// Asks it to end, and waits.
    pub fn stop(self, signal: Signal, within: Duration) -> Ended {
        self.signal(signal);
        self.wait(within)
    }

    fn end(&mut self) -> Ended {
        let status = self.ended.unwrap();
        Ended {
            shown: self.shown.clone(),
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            kill_process_group(self.pid(), Signal::KILL).unwrap_or_default();
            drop(self.child.wait());
        }
    }
}

impl Ended {
    /// Panics with the end of its output unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(
            self.code == Some(code),
            "{} ended with {:?} (signal {:?}), expected {code}\nstdout: {}\nstderr: {}",
            self.shown,
            self.code,
            self.signal,
            last_lines(&self.stdout),
            last_lines(&self.stderr)
        );
        self
    }

    /// Panics unless stderr holds every one of these.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            let heard = self.stderr.contains(part);
            assert!(heard, "{} does not say `{part}`:\n{}", self.shown, last_lines(&self.stderr));
        }
        self
    }

    /// Stdout as JSON: its last line.
    pub fn json(&self) -> serde_json::Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| {
            panic!("{}: `{line}` is not JSON ({error})\n{}", self.shown, last_lines(&self.stderr))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_shows_the_end_of_a_long_output_and_all_of_a_short_one() {
        let lines = |count: usize| (1..=count).map(|number| format!("line {number}\n")).collect::<String>();
        assert_eq!(last_lines(&lines(SHOWN_LINES)), lines(SHOWN_LINES));
        let shown = last_lines(&lines(SHOWN_LINES + 2));
        assert!(shown.starts_with("… 2 lines before\nline 3\n") && shown.ends_with("line 62\n"), "{shown}");
        assert_eq!(last_lines(""), "");
    }
}
