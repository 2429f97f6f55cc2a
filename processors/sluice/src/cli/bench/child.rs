//! Processes of our own: ended with their owner, whatever happens.

use super::ground::Place;
use super::worker::{self, Job};
use super::{Common, failed};
use crate::error::{Failure, Outcome};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio::sync::mpsc;

/// A process whose lines are JSON; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    lines: mpsc::UnboundedReceiver<Value>,
}

impl Process {
    /// The same binary as a minimal sink; gives its URL, too.
    pub(super) async fn sink() -> Outcome<(Self, String)> {
        let (sink, url) = Self::listening(&[]).await?;
        Ok((sink, format!("{url}/messages")))
    }

    /// A sink that writes every call to a file; gives where it listens, too.
    pub(super) async fn recording_sink(log: &Path) -> Outcome<(Self, String)> {
        Self::listening(&["--record", &log.to_string_lossy()]).await
    }

    async fn listening(further: &[&str]) -> Outcome<(Self, String)> {
        let arguments = ["--quiet", "--json", "simulator", "--sink", "--port", "0"];
        let mut sink = Self::start(&[&arguments, further].concat(), Vec::new())?;
        let line = sink.next().await?;
        let url = line["listening"].as_str().ok_or_else(|| failed("the sink did not start", &line))?;
        let url = url.to_owned();
        Ok((sink, url))
    }

    /// The same binary as a worker, with the same configuration, on the engines of a place.
    pub(super) fn worker(common: &Common, place: &Place, job: &Job) -> Outcome<Self> {
        let job = serde_json::to_string(job).map_err(|error| failed("cannot start a process", error))?;
        let mut arguments = vec!["--json"];
        let config = common.config.as_ref().map(|path| path.to_string_lossy().into_owned());
        if let Some(config) = &config {
            arguments.extend(["--config", config]);
        }
        arguments.extend(["bench", "--worker", &job]);
        Self::start(&arguments, place.variables())
    }

    fn start(arguments: &[&str], variables: Vec<(String, String)>) -> Outcome<Self> {
        let failed_to_start = |error| failed("cannot start a process of this program", error);
        let program = std::env::current_exe().map_err(failed_to_start)?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed_to_start)?;
        let (sender, lines) = mpsc::unbounded_channel();
        if let Some(stdout) = child.stdout.take() {
            // Ends with the process: its end of the pipe is closed then.
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    if sender.send(value).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines })
    }

    /// Its next line. A process that ends instead has said why on stderr.
    pub(super) async fn next(&mut self) -> Outcome<Value> {
        match self.lines.recv().await {
            Some(line) => Ok(line),
            None => Err(self.ended()),
        }
    }

    /// The same, with these members.
    pub(super) async fn read<T: serde::de::DeserializeOwned>(&mut self) -> Outcome<T> {
        let line = self.next().await?;
        serde_json::from_value(line.clone())
            .map_err(|error| failed("a process said something else", error).with(line.to_string()))
    }

    /// Waits until it has ended by itself: then nobody holds its files.
    pub(super) async fn finish(mut self) -> Outcome<()> {
        // Its output is closed when it ends.
        let mut said = None;
        while let Some(line) = self.lines.recv().await {
            said = Some(line);
        }
        match self.child.wait() {
            Ok(status) if status.success() && said.is_some() => Ok(()),
            _ => Err(self.ended()),
        }
    }

    /// Processor time of it so far, in seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        worker::cpu_seconds(&self.child.id().to_string())
    }

    /// The most memory of it so far, in MB.
    pub(super) fn peak_rss_mb(&self) -> f64 {
        worker::peak_rss_mb(&self.child.id().to_string())
    }

    fn ended(&mut self) -> Failure {
        let status = self.child.wait().map(|status| status.to_string());
        failed("a process ended too early", status.unwrap_or_else(|error| error.to_string()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
