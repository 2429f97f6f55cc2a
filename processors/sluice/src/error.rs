//! What a command ends with: an exit code, or a failure that says what happened and what to do.

use crate::view::{out, style};
use serde_json::json;
use sluice_engine::EngineError;
use sluice_runtime::ports::log::LogError;
use sluice_runtime::ports::store::StoreError;
use std::process::ExitCode;

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A check or a verification found something wrong.
    FoundWrong = 1,
    /// The command, the configuration or the launch can't be understood.
    Usage = 2,
    /// Refused, with a reason.
    Refused = 3,
    /// Stopped or not possible now: the same command later goes on.
    TryAgain = 75,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The process ends with it.
    pub exit: Exit,
    /// A word for programs.
    pub code: String,
    /// What happened, in one line.
    pub message: String,
    /// More about it, a line each.
    pub details: Vec<String>,
    /// What to do about it.
    pub actionable: String,
}

/// A result of a command.
pub type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// A failure without details.
    pub fn new(exit: Exit, code: &str, message: impl Into<String>, actionable: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
            actionable: actionable.into(),
        }
    }

    /// Exit code 2.
    pub fn usage(code: &str, message: impl Into<String>, actionable: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message, actionable)
    }

    /// Exit code 3.
    pub fn refused(code: &str, message: impl Into<String>, actionable: impl Into<String>) -> Self {
        Self::new(Exit::Refused, code, message, actionable)
    }

    /// Adds a line of details.
    #[must_use]
    pub fn with(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// Writes it to stderr: one JSON line for programs, otherwise what, details, what to do.
    pub fn show(&self, json: bool) {
        if json {
            out::note(json!({ "error": {
                "code": self.code, "message": self.message, "details": self.details, "actionable": self.actionable,
            }}));
            return;
        }
        out::note(format_args!("{} {}", style::error("error:"), self.message));
        self.details
            .iter()
            .flat_map(|detail| detail.lines())
            .for_each(|line| out::note(format_args!("  {line}")));
        if !self.actionable.is_empty() {
            out::note(format_args!("  To go on:  {}", self.actionable));
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::InUse { dir, holder } => Failure::refused(
                "data_dir_in_use",
                format!("the data directory {} is in use by {holder}", dir.display()),
                "stop it, or choose another directory with --data-dir",
            ),
            EngineError::NotADirectory { dir } => Failure::refused(
                "data_dir_not_a_directory",
                format!("{} is not a directory", dir.display()),
                "choose another place with --data-dir",
            ),
            EngineError::DiskFull { dir } => Failure::new(
                Exit::TryAgain,
                "disk_full",
                format!("the disk of {} is full", dir.display()),
                "free some space and run the same command again: nothing was lost",
            ),
            EngineError::Damaged { .. } => Failure::refused(
                "data_damaged",
                error.to_string(),
                "restore the directory from a backup, or start with a new one",
            ),
            EngineError::Storage { .. } | EngineError::Closed => Failure::refused(
                "data_dir_unusable",
                error.to_string(),
                "check the disk and the permissions, then run the same command again",
            ),
        }
    }
}

/// Something in the data directory failed while it was used.
pub fn storage(message: impl std::fmt::Display) -> Failure {
    let message = message.to_string();
    if message.contains("full") {
        return Failure::new(
            Exit::TryAgain,
            "disk_full",
            message,
            "free some space and run the same command again; calls that were under way become `unknown`",
        );
    }
    Failure::new(
        Exit::TryAgain,
        "storage",
        message,
        "check the disk and run the same command again: it goes on where it stopped",
    )
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        storage(error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        storage(error)
    }
}
