//! What can go wrong while the simulator is set up or its log is read.

use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of the simulator itself, never one it simulates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listen address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The log file could not be opened, read or written.
    #[error("log {path}: {source}")]
    Log {
        /// The log file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line of the log is not a log line.
    #[error("log {path}, line {line}: {source}")]
    LogLine {
        /// The log file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// A percentage lies outside 0 to 100, or exclusive faults add up to more than 100.
    #[error("fault {name} is {value}: {rule}")]
    Fault {
        /// The field.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The webhook target is not an `http://` URL.
    #[error("webhook target {url} is not a usable http url: {reason}")]
    WebhookTarget {
        /// The URL asked for.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A thread of the simulator could not be started or ended badly.
    #[error("simulator thread: {0}")]
    Thread(String),
}
