//! A `sluice run` of this program, ended with its owner.

use super::super::ground::Place;
use super::super::worker::{cpu_seconds, peak_rss_mb};
use super::super::{Common, failed};
use crate::error::Outcome;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// It has to listen by then.
const LISTENS_WITHIN: Duration = Duration::from_secs(60);
/// The last lines that it said are kept.
const LINES: usize = 8;

/// A running process.
#[derive(Debug)]
pub(super) struct Service {
    child: Child,
    said: Arc<Mutex<VecDeque<String>>>,
    listens: mpsc::UnboundedReceiver<()>,
}

impl Service {
    /// Starts it; [`Service::listens`] waits for it.
    pub(super) fn start(
        common: &Common,
        place: &Place,
        data_dir: &Path,
        variables: &[(String, String)],
    ) -> Outcome<Self> {
        let failed_to_start = |error| failed("cannot start a process of this program", error);
        let program = std::env::current_exe().map_err(failed_to_start)?;
        let mut command = Command::new(program);
        if let Some(config) = &common.config {
            command.arg("--config").arg(config);
        }
        command.arg("--data-dir").arg(data_dir);
        command.args(["run", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
        command.env("NO_COLOR", "1").env("SLUICE_LOG_LEVEL", "warn");
        command.envs(place.variables()).envs(variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed_to_start)?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, listens) = mpsc::unbounded_channel();
        if let Some(stderr) = child.stderr.take() {
            let said = said.clone();
            // Ends with the process: its end of the pipe is closed then.
            std::thread::spawn(move || hear(stderr, &said, &sender));
        }
        Ok(Self { child, said, listens })
    }

    /// Returns when its processors are started.
    pub(super) async fn listens(&mut self) -> Outcome<()> {
        match tokio::time::timeout(LISTENS_WITHIN, self.listens.recv()).await {
            Ok(Some(())) => Ok(()),
            _ => {
                let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
                let failure = failed("a process of the cluster did not start", "`sluice run` said:");
                Err(said.iter().fold(failure, |failure, line| failure.with(line)))
            }
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) -> Outcome<()> {
        self.child.kill().map_err(|error| failed("cannot kill a process", error))
    }

    /// SIGTERM: it ends what is under way and hands its pages over.
    pub(super) fn terminate(&self) -> Outcome<()> {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        match told {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed("cannot stop a process", status)),
            Err(error) => Err(failed("cannot stop a process: there is no `kill`", error)),
        }
    }

    /// Its processor time in seconds and its most memory in MB so far.
    pub(super) fn usage(&self) -> (f64, f64) {
        let process = self.child.id().to_string();
        (cpu_seconds(&process), peak_rss_mb(&process))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn hear(stderr: impl Read, said: &Mutex<VecDeque<String>>, listens: &mpsc::UnboundedSender<()>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains("sluice listens on") {
            // Nobody may wait for it any more.
            listens.send(()).ok();
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push_back(line);
        if said.len() > LINES {
            said.pop_front();
        }
    }
}
