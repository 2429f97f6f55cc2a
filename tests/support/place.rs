//! A directory of a test's own, and the program run in it.

use crate::people::{self, Person};
use crate::process::{Ended, Process};
use crate::program;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A command that only reads has ended by then.
const READS_WITHIN: Duration = Duration::from_secs(60);
/// A small campaign has ended by then.
const SENDS_WITHIN: Duration = Duration::from_secs(90);

/// A directory with the files of a test. The data directory is `data` in it, the configuration `sluice.toml`.
#[derive(Debug)]
pub struct Place {
    directory: tempfile::TempDir,
    data: PathBuf,
    started: AtomicU32,
    variables: Vec<(String, String)>,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// An empty one with an empty configuration.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("sluice-e2e-").tempdir().unwrap();
        let data = directory.path().join("data");
        let place = Self { directory, data, started: AtomicU32::new(0), variables: Vec::new() };
        place.configure("");
        place
    }

    /// The same with another data directory.
    #[must_use]
    pub fn with_data(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    /// Sets a variable of the environment for everything that is started from now on.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Writes a file; gives its path as text.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Writes `sluice.toml`.
    pub fn configure(&self, toml: &str) {
        self.write("sluice.toml", toml);
    }

    /// Writes a launch; gives its path as text.
    pub fn launch(&self, name: &str, launch: &Value) -> String {
        self.write(name, serde_json::to_vec_pretty(launch).unwrap())
    }

    /// A number that no other call gives.
    pub fn number(&self) -> u32 {
        self.started.fetch_add(1, Ordering::Relaxed)
    }

    /// Starts the program here.
    pub fn sluice(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(program::path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SLUICE_") {
                command.env_remove(name);
            }
        }
        // Many services at once: whoever wants the port of metrics names one.
        command.env("SLUICE_METRICS_ENABLED", "false");
        command.env("NO_COLOR", "1").current_dir(self.directory.path()).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.arg("--data-dir").arg(&self.data).arg("--config").arg(self.path("sluice.toml"));
        Process::start(command, self.path(&format!("process-{}", self.number())))
    }

    /// Runs a command that ends by itself.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.sluice(arguments).wait(READS_WITHIN)
    }

    /// Starts `sluice send`.
    pub fn start_send(&self, launch: &str, url: &str) -> Process {
        self.sluice(&["send", launch, "--provider-url", url])
    }

    /// Runs `sluice send`, however it ends.
    pub fn send(&self, launch: &str, url: &str) -> Ended {
        self.start_send(launch, url).wait(SENDS_WITHIN)
    }

    /// `campaign status`.
    pub fn status(&self, campaign: &str) -> Value {
        self.run(&["campaign", "status", campaign, "--json"]).expect(0).json()
    }

    /// All recipients with their states.
    pub fn people(&self, campaign: &str) -> Vec<Person> {
        people::parse(&self.run(&["campaign", "export", campaign, "--json"]).expect(0).stdout)
    }

    /// `verify` has to agree (G1 to G3); gives what it counted.
    #[track_caller]
    pub fn verify(&self, campaign: &str) -> Value {
        self.run(&["verify", campaign, "--json"]).expect(0).json()
    }
}
