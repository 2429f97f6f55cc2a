//! One `sluice run`.

use super::say;
use crate::{Error, Result};
use sluice_runtime::{Clock, SystemClock};
use sluice_tests::Process;
use sluice_tests::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// An engine that is away refuses a start; a supervisor tries again, and so does this, for so long.
const STARTS_WITHIN: Duration = Duration::from_secs(150);
/// The exit code that asks for another try.
const TRY_AGAIN: i32 = 75;
/// Between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// One try.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// SIGTERM ends it within this: 30 s for calls under way and some for everything else.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// How a process is started, again and again.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The program.
    pub program: PathBuf,
    /// Where `sluice.toml` is and everything is logged.
    pub directory: PathBuf,
    /// Which process.
    pub slot: usize,
    /// Of its gateway.
    pub port: u16,
    /// Variables of its environment.
    pub variables: Vec<(String, String)>,
}

impl Recipe {
    /// A command in the directory of the run, with none of the caller's own settings.
    pub fn command(program: &Path, directory: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SLUICE_") {
                command.env_remove(name);
            }
        }
        command.env("NO_COLOR", "1").current_dir(directory);
        command.env("SLUICE_CONFIG", directory.join("sluice.toml"));
        command
    }
}

/// A running process.
#[derive(Debug)]
pub struct Node {
    process: Process,
    log: PathBuf,
}

impl Node {
    /// Starts it and waits until it listens. `number` tells its lives apart.
    ///
    /// # Errors
    /// It does not come up within two and a half minutes.
    pub fn start(recipe: &Recipe, number: u64) -> Result<Self> {
        let deadline = SystemClock.monotonic() + STARTS_WITHIN;
        let mut tries = 0;
        let output = recipe.directory.join(format!("process-{}-{number:03}", recipe.slot));
        loop {
            let mut command = Recipe::command(&recipe.program, &recipe.directory);
            command.args(["run", "--listen", &format!("127.0.0.1:{}", recipe.port)]);
            command.envs(recipe.variables.iter().map(|(name, value)| (name, value)));
            let mut process = Process::start(command, output.clone());
            let listens = |process: &Process| process.stderr().contains("sluice listens on").then_some(());
            if process.until("its port", LISTENS_WITHIN, listens).is_some() {
                return Ok(Self { process, log: output.with_extension("err") });
            }
            let ended = process.wait(Duration::from_secs(1));
            let said = last_lines(&ended.stderr);
            if ended.code != Some(TRY_AGAIN) || SystemClock.monotonic() > deadline {
                return Err(Error::Start { slot: recipe.slot, said });
            }
            tries += 1;
            if tries == 1 {
                say(format_args!("  process {} was refused, it is started again: {said}", recipe.slot));
            }
            std::thread::sleep(AGAIN_AFTER);
        }
    }

    /// SIGKILL.
    pub fn kill(self) {
        drop(self.process.kill());
    }

    /// SIGSTOP.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// SIGTERM, and its end; what was wrong with it.
    pub fn terminate(mut self) -> Option<String> {
        self.process.signal(Signal::TERM);
        let deadline = SystemClock.monotonic() + ENDS_WITHIN;
        while !self.process.has_ended() {
            if SystemClock.monotonic() > deadline {
                return Some(format!(
                    "it did not end within {ENDS_WITHIN:?} after SIGTERM; see {}",
                    self.log.display()
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let ended = self.process.wait(Duration::from_secs(1));
        (ended.code != Some(0))
            .then(|| format!("SIGTERM ended it with {:?}: {}", ended.code, last_lines(&ended.stderr)))
    }

    /// What it said last, if it has ended though nobody asked for it.
    pub fn ended_by_itself(&mut self) -> Option<String> {
        let said = |process: &Process| format!("{} ({})", last_lines(&process.stderr()), self.log.display());
        self.process.has_ended().then(|| said(&self.process))
    }
}

/// The end of an output in one line.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}
