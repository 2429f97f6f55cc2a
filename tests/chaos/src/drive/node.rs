//! One `sluice run`.

use sluice_runtime::{Clock, SystemClock};
use sluice_tests::Process;
use sluice_tests::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The exit code that asks for another try.
const TRY_AGAIN: i32 = 75;
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

/// A process that was started. It comes up beside everything else: an engine that is away may hold it up.
#[derive(Debug)]
pub struct Node {
    process: Process,
    log: PathBuf,
    is_up: bool,
}

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing new.
    Same,
    /// It listens, for the first time.
    CameUp,
    /// It could not start now, and asks for another try; what it said.
    TryAgain(String),
    /// It ended though nobody asked for it; what it said.
    Ended(String),
}

impl Node {
    /// Starts it. `number` tells its lives apart.
    pub fn launch(recipe: &Recipe, number: u64) -> Self {
        let output = recipe.directory.join(format!("process-{}-{number:03}", recipe.slot));
        let mut command = Recipe::command(&recipe.program, &recipe.directory);
        command.args(["run", "--listen", &format!("127.0.0.1:{}", recipe.port)]);
        command.envs(recipe.variables.iter().map(|(name, value)| (name, value)));
        let process = Process::start(command, output.clone());
        Self { process, log: output.with_extension("err"), is_up: false }
    }

    /// Looks at it.
    pub fn look(&mut self) -> State {
        if !self.process.has_ended() {
            let listens = !self.is_up && self.process.stderr().contains("sluice listens on");
            self.is_up |= listens;
            return if listens { State::CameUp } else { State::Same };
        }
        let said = format!("{} ({})", last_lines(&self.process.stderr()), self.log.display());
        let code = self.process.code();
        if !self.is_up && code == Some(TRY_AGAIN) { State::TryAgain(said) } else { State::Ended(said) }
    }

    /// Whether it has listened once.
    pub fn is_up(&self) -> bool {
        self.is_up
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
}

/// The end of an output in one line.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}
