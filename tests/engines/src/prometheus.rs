//! Prometheus, for alert rules and for the dashboards' queries.

use std::fs;

use tempfile::TempDir;

use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::{EngineError, probe, programs};

/// A running Prometheus with a directory of its own; both go when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    // Dropped in this order: first the process, last the directory that it writes to.
    process: Process,
    http: Port,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts Prometheus with these texts of its configuration and of a rules file, which lies beside
    /// the configuration as `rules.yml` (so `rule_files: [rules.yml]` names it), and waits until it is ready.
    ///
    /// # Errors
    /// Prometheus is missing, or does not come up: a mistake in one of the texts is shown from its log.
    pub fn start(configuration: &str, rules: &str) -> Result<Self, EngineError> {
        let program = programs::prometheus()?;
        let directory = tempfile::Builder::new()
            .prefix("sluice-prometheus-")
            .tempdir()
            .map_err(EngineError::io("make a directory for prometheus"))?;
        let http = Port::reserve()?;
        let root = directory.path();
        fs::write(root.join("prometheus.yml"), configuration)
            .and_then(|()| fs::write(root.join("rules.yml"), rules))
            .map_err(EngineError::io(format!("write to {}", root.display())))?;
        let launch = Launch {
            name: "prometheus".to_owned(),
            command: vec![
                program.into(),
                "--config.file=prometheus.yml".into(),
                "--storage.tsdb.path=data".into(),
                format!("--web.listen-address={}", http.address()).into(),
                "--web.enable-lifecycle".into(),
                "--log.level=warn".into(),
            ],
            directory: root.to_owned(),
            log: root.join("log"),
            remove: root.to_owned(),
        };
        let address = http.address();
        Ok(Self { process: Process::start(launch, || ready(&address))?, http, _directory: directory })
    }

    /// The base of its API, without a slash at the end: `/api/v1/query` comes after it.
    pub fn url(&self) -> String {
        format!("http://{}", self.http.address())
    }

    /// Kills Prometheus on the spot (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops Prometheus in order.
    ///
    /// # Errors
    /// It is not running, or it had to be killed in the end.
    pub fn stop(&mut self) -> Result<(), EngineError> {
        self.process.stop()
    }

    /// Starts the killed or stopped Prometheus with its port and data, and waits until it is ready.
    ///
    /// # Errors
    /// It is still running, or it does not come up.
    pub fn restart(&mut self) -> Result<(), EngineError> {
        let address = self.http.address();
        self.process.relaunch()?;
        self.process.await_answer(|| ready(&address))
    }

    /// Suspends Prometheus (SIGSTOP): connections stay open, nothing answers.
    ///
    /// # Errors
    /// It is not running.
    pub fn freeze(&mut self) -> Result<(), EngineError> {
        self.process.freeze()
    }

    /// Lets the suspended Prometheus go on (SIGCONT).
    ///
    /// # Errors
    /// It is not running.
    pub fn thaw(&mut self) -> Result<(), EngineError> {
        self.process.thaw()
    }
}

fn ready(address: &str) -> bool {
    probe::http_answers(address, "/-/ready")
}
