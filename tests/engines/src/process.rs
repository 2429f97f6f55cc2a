//! One engine process that can be killed, stopped, frozen, and that never outlives the test.
//!
//! Between the test and the engine stands a shell for a moment: it leaves a watcher behind that
//! waits at a pipe whose other end only the test process holds, then it becomes the engine. When
//! the test process ends, however it ends, the system closes the pipe, and the watcher kills the
//! engine and removes its directory. The watcher is a member of the engine's process group, so the
//! group's number cannot be given to anybody else while the watcher lives: no stranger is killed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{EngineError, wait};

/// `$0` is the directory to remove, the arguments are the engine's command line. A background job
/// of a shell reads from /dev/null unless it is told otherwise, hence the detour over descriptor 3.
///
/// The engine's timers may be late by 2 ms (`timerslack_ns` of proc(5), where the system has it; threads inherit it):
/// Cassandra's workers that have nothing to do sleep for 10 µs at a time, so a handful of them woke up 17,000 times a
/// second as soon as there were a few requests, a quarter of a core. Where engines have machines of their own nobody
/// minds; here they share them with what is tested and measured. A worker that gets work is woken at once as before.
const GUARD: &str = r#"exec 3<&0
(read -r _ <&3; kill -KILL $$; sleep 1; rm -rf -- "$0") >/dev/null 2>&1 &
{ echo 2000000 >/proc/self/timerslack_ns; } 2>/dev/null
exec "$@" </dev/null 3<&-"#;

/// How long an engine may take to answer after its start. Long, because many may start at once.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How long an engine may take to stop by itself before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How long the threads of an engine may take to stand still.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);
/// How many lines of a log an error shows.
const TAIL_LINES: usize = 30;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The engine, with its node where there are several: for errors.
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// Where its output goes; later starts add to it.
    pub(crate) log: PathBuf,
    /// What is removed when the test process dies without cleaning up.
    pub(crate) remove: PathBuf,
}

/// A process of an engine; it can be started several times.
#[derive(Debug)]
pub(crate) struct Process {
    launch: Launch,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    pid: Pid,
    /// The watcher sees its end when this process ends.
    _alive: Option<ChildStdin>,
}

impl Process {
    /// Starts the process and waits until `answers` says so.
    pub(crate) fn start(launch: Launch, answers: impl FnMut() -> bool) -> Result<Self, EngineError> {
        let mut process = Self::launch(launch)?;
        process.await_answer(answers)?;
        Ok(process)
    }

    /// Starts the process and does not wait.
    pub(crate) fn launch(launch: Launch) -> Result<Self, EngineError> {
        let running = Some(launch.spawn()?);
        Ok(Self { launch, running })
    }

    /// Waits until `answers` says so; an error shows the log's end.
    pub(crate) fn await_answer(&mut self, mut answers: impl FnMut() -> bool) -> Result<(), EngineError> {
        let outcome = wait::until(START_LIMIT, || match self.ended() {
            Ok(Some(status)) => Some(Err(self.launch.ended(status))),
            Ok(None) => answers().then_some(Ok(())),
            Err(error) => Some(Err(error)),
        });
        outcome.unwrap_or_else(|| {
            self.kill();
            Err(self.launch.silent())
        })
    }

    /// Starts the process again with the same command line.
    pub(crate) fn relaunch(&mut self) -> Result<(), EngineError> {
        if self.running.is_some() && self.ended()?.is_none() {
            return Err(self.launch.state("is still running"));
        }
        self.running = Some(self.launch.spawn()?);
        Ok(())
    }

    /// Kills the process on the spot (SIGKILL) and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The group is there as long as its watcher is: this cannot miss. Should it, all the
            // same, there is nothing left to kill.
            let _gone = kill_process_group(running.pid, Signal::KILL);
            let _status = running.child.wait();
        }
    }

    /// Asks the process to stop (SIGTERM) and waits; one that does not is killed.
    pub(crate) fn stop(&mut self) -> Result<(), EngineError> {
        self.signal(Signal::TERM)?;
        let stopped = wait::until(STOP_LIMIT, || match self.ended() {
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => Some(()),
        });
        self.kill();
        stopped.ok_or_else(|| self.launch.state("did not stop when asked to, so it was killed"))
    }

    /// Suspends the process (SIGSTOP) and waits until it stands: its connections stay open, and nothing answers.
    pub(crate) fn freeze(&mut self) -> Result<(), EngineError> {
        self.signal(Signal::STOP)?;
        let Some(pid) = self.running.as_ref().map(|running| running.pid) else { return Ok(()) };
        // Its threads end what they are doing: one of them may still answer.
        let stands = wait::until(FREEZE_LIMIT, || stands(pid).then_some(()));
        stands.ok_or_else(|| self.launch.state("did not stand still when told to"))
    }

    /// Lets a suspended process go on (SIGCONT).
    pub(crate) fn thaw(&mut self) -> Result<(), EngineError> {
        self.signal(Signal::CONT)
    }

    /// The file with the process's output.
    pub(crate) fn log(&self) -> &Path {
        &self.launch.log
    }

    fn signal(&mut self, signal: Signal) -> Result<(), EngineError> {
        let gone = self.ended()?.is_some();
        match &self.running {
            Some(running) if !gone => kill_process(running.pid, signal)
                .map_err(|error| EngineError::io(format!("signal {}", self.launch.name))(error.into())),
            _ => Err(self.launch.state("is not running")),
        }
    }

    /// How the process ended, if it has; its watcher goes with it.
    fn ended(&mut self) -> Result<Option<ExitStatus>, EngineError> {
        let Some(running) = &mut self.running else {
            return Ok(None);
        };
        let status =
            running.child.try_wait().map_err(EngineError::io(format!("wait for {}", self.launch.name)))?;
        if status.is_some() {
            self.kill();
        }
        Ok(status)
    }
}

/// Whether all threads of a process are stopped, as `/proc` has it; where there is none, nobody can tell.
fn stands(pid: Pid) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return true };
    threads.flatten().all(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("State:"))
            .is_none_or(|state| state.trim().starts_with('T'))
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Launch {
    fn spawn(&self) -> Result<Running, EngineError> {
        let doing = || format!("start {}", self.name);
        let output = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(EngineError::io(format!("open {}", self.log.display())))?;
        let errors = output.try_clone().map_err(EngineError::io(doing()))?;
        let mut child = Command::new("/bin/sh")
            .arg("-c")
            .arg(GUARD)
            .arg(&self.remove)
            .args(&self.command)
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            // A group of its own: Ctrl-C at a terminal reaches the test, not the engine.
            .process_group(0)
            .spawn()
            .map_err(EngineError::io(doing()))?;
        // `Child::wait` closes the pipe, which would wake the watcher, so it is held apart.
        let alive = child.stdin.take();
        Ok(Running { pid: Pid::from_child(&child), child, _alive: alive })
    }

    fn ended(&self, status: ExitStatus) -> EngineError {
        EngineError::Ended { engine: self.name.clone(), status, log: self.log.clone(), tail: self.tail() }
    }

    fn silent(&self) -> EngineError {
        EngineError::Silent {
            engine: self.name.clone(),
            limit_s: START_LIMIT.as_secs(),
            log: self.log.clone(),
            tail: self.tail(),
        }
    }

    fn state(&self, state: &'static str) -> EngineError {
        EngineError::State { engine: self.name.clone(), state }
    }

    fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&text), TAIL_LINES)
    }
}

/// Runs a program to its end; its output goes into the error when it fails.
pub(crate) fn run(launch: &Launch) -> Result<(), EngineError> {
    let mut process = Process::launch(launch.clone())?;
    let status = wait::until(START_LIMIT, || process.ended().transpose());
    match status {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) => Err(launch.ended(status)),
        Some(Err(error)) => Err(error),
        None => Err(launch.silent()),
    }
}

/// The last lines of a text, indented for an error.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_shown_indented() {
        assert_eq!(last_lines("a\nb\nc", 2), "    b\n    c");
        assert_eq!(last_lines("", 2), "");
    }
}
