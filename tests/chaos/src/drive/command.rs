//! Commands of the program, run as a person would.

use super::node::{Recipe, last_lines};
use crate::judge::Exported;
use crate::order::Action;
use crate::{Error, Result};
use serde_json::Value;
use sluice_tests::http;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs commands in the directory of a run.
#[derive(Debug, Clone)]
pub struct Commands {
    /// The program.
    pub program: PathBuf,
    /// Where `sluice.toml` is.
    pub directory: PathBuf,
}

impl Commands {
    /// Makes the topics and the tables.
    ///
    /// # Errors
    /// A command was refused.
    pub fn set_up(&self) -> Result<()> {
        self.run(&["store", "migrate"], &[0])?;
        self.run(&["topics", "create"], &[0]).map(drop)
    }

    /// Launches through the gateway on `port`.
    ///
    /// # Errors
    /// It was refused.
    pub fn launch(&self, launch: &Path, port: u16) -> Result<()> {
        let (launch, server) = (launch.display().to_string(), format!("http://127.0.0.1:{port}"));
        self.run(&["campaign", "launch", &launch, "--server", &server], &[0]).map(drop)
    }

    /// All recipients of a campaign.
    ///
    /// # Errors
    /// The command failed, or what it wrote can't be read.
    pub fn export(&self, campaign: &str) -> Result<Vec<Exported>> {
        let output = self.run(&["campaign", "export", campaign, "--json"], &[0])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let parsed: std::result::Result<_, _> = text.lines().map(serde_json::from_str).collect();
        parsed.map_err(|error| Error::Io { what: "read an export".to_owned(), source: error.into() })
    }

    /// The program's own recount, whether it agrees or not.
    ///
    /// # Errors
    /// The command failed.
    pub fn verify(&self, campaign: &str) -> Result<Value> {
        let output = self.run(&["verify", campaign, "--json"], &[0, 1])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let parsed = serde_json::from_str(text.lines().last().unwrap_or_default());
        parsed.map_err(|error| Error::Io { what: "read what verify says".to_owned(), source: error.into() })
    }

    fn run(&self, arguments: &[&str], codes: &[i32]) -> Result<Output> {
        let mut command: Command = Recipe::command(&self.program, &self.directory);
        let output = command.args(arguments).output().map_err(Error::io("run the program"))?;
        match output.status.code() {
            Some(code) if codes.contains(&code) => Ok(output),
            code => Err(Error::Command {
                command: arguments.join(" "),
                code,
                said: last_lines(&String::from_utf8_lossy(&output.stderr)),
            }),
        }
    }
}

/// The status of a campaign, from the first of these gateways that tells.
pub fn status(ports: &[u16], campaign: &str) -> Option<Value> {
    ports.iter().find_map(|port| {
        let status = http::get(&format!("http://127.0.0.1:{port}/v1/campaigns/{campaign}")).ok()?;
        status["state"].is_string().then_some(status)
    })
}

/// What a gateway said to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It holds.
    Done,
    /// It is not possible as the campaign stands, and never will be.
    Refused,
    /// Nobody is there: nothing was asked.
    NotThere,
    /// No answer, or that it can't be answered now: it may have been done, or be done later.
    Nothing,
}

/// Gives a command to the gateway on `port`.
pub fn act(port: u16, campaign: &str, action: Action) -> Said {
    let url = format!("http://127.0.0.1:{port}/v1/campaigns/{campaign}/{}", action.path());
    match http::request("POST", &url, &[], action.body().as_bytes()) {
        Ok(answer) if answer.status == 200 => Said::Done,
        Ok(answer) if answer.status == 409 => Said::Refused,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Said::NotThere,
        Ok(_) | Err(_) => Said::Nothing,
    }
}
