//! Apicurio, a schema registry that speaks Confluent's REST API.

use tempfile::TempDir;

use crate::artefacts;
use crate::jvm::{Jit, property};
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::{EngineError, probe, programs};

/// The part of Apicurio that speaks Confluent's API.
const API: &str = "/apis/ccompat/v7";

/// A running registry with a directory of its own; both go when this is dropped.
#[derive(Debug)]
pub struct Registry {
    // Dropped in this order: first the process, last the directory that it writes to.
    process: Process,
    http: Port,
    _directory: TempDir,
}

impl Registry {
    /// Starts a registry and waits until it lists its subjects.
    ///
    /// # Errors
    /// Java or Maven is missing, the artefact cannot be fetched, or the registry does not come up.
    pub fn start() -> Result<Self, EngineError> {
        let lib = artefacts::REGISTRY.resolve()?;
        let java = programs::java()?;
        let directory = tempfile::Builder::new()
            .prefix("sluice-registry-")
            .tempdir()
            .map_err(EngineError::io("make a directory for the registry"))?;
        let http = Port::reserve()?;
        let root = directory.path();

        let mut command = vec![java.into()];
        command.extend(Jit::Quick.options(64, 256));
        command.extend([
            property("quarkus.http.host", "127.0.0.1"),
            property("quarkus.http.port", http.number().to_string()),
            property("quarkus.log.level", "WARN"),
            // A file instead of the default in memory, so that schemas survive a restart; without
            // a delay (H2's default is half a second), so that they also survive a kill.
            property(
                "apicurio.datasource.url",
                format!("jdbc:h2:file:{};WRITE_DELAY=0", root.join("schemas").display()),
            ),
            "-jar".into(),
            lib.join("apicurio-registry-app-3.0.9-runner.jar").into(),
        ]);
        let launch = Launch {
            name: "schema registry".to_owned(),
            command,
            directory: root.to_owned(),
            log: root.join("log"),
            remove: root.to_owned(),
        };
        let address = http.address();
        Ok(Self { process: Process::start(launch, || answers(&address))?, http, _directory: directory })
    }

    /// The base of Confluent's API, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}{API}", self.http.address())
    }

    /// Kills the registry on the spot (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops the registry in order.
    ///
    /// # Errors
    /// It is not running, or it had to be killed in the end.
    pub fn stop(&mut self) -> Result<(), EngineError> {
        self.process.stop()
    }

    /// Starts the killed or stopped registry with its port and data, and waits until it answers.
    ///
    /// # Errors
    /// It is still running, or it does not come up.
    pub fn restart(&mut self) -> Result<(), EngineError> {
        let address = self.http.address();
        self.process.relaunch()?;
        self.process.await_answer(|| answers(&address))
    }

    /// Suspends the registry (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// It is not running.
    pub fn freeze(&mut self) -> Result<(), EngineError> {
        self.process.freeze()
    }

    /// Lets the suspended registry go on (SIGCONT).
    ///
    /// # Errors
    /// It is not running.
    pub fn thaw(&mut self) -> Result<(), EngineError> {
        self.process.thaw()
    }
}

fn answers(address: &str) -> bool {
    probe::http_answers(address, &format!("{API}/subjects"))
}
