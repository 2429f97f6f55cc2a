//! Why an engine could not be set up, in words that say what to do.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why an engine could not be resolved, started, stopped or restarted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A program that an engine needs is not on this machine.
    #[error(
        "{program} is not there\n  {why}\n  to go on: install it (Debian: apt-get install {package}){otherwise}"
    )]
    Missing {
        /// The program's name, with its version where that matters.
        program: &'static str,
        /// What it is needed for.
        why: &'static str,
        /// The Debian package that has it.
        package: &'static str,
        /// Another way out, or nothing.
        otherwise: &'static str,
    },
    /// Maven could not fetch the artefacts of an engine.
    #[error(
        "{engine} could not be fetched from Maven Central\n  mvn ended with {status}:\n{output}\n  to go on: check the network, or Maven's mirror settings (~/.m2/settings.xml), and run again"
    )]
    Fetch {
        /// The engine.
        engine: &'static str,
        /// How Maven ended.
        status: ExitStatus,
        /// The last lines that Maven printed.
        output: String,
    },
    /// The engine's process ended before it answered.
    #[error("{engine} ended with {status} before it answered\n  {log} ends with:\n{tail}", log = log.display())]
    Ended {
        /// The engine.
        engine: String,
        /// How the process ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The engine's process runs, but did not answer in time.
    #[error("{engine} did not answer within {limit_s} s\n  {log} ends with:\n{tail}", log = log.display())]
    Silent {
        /// The engine.
        engine: String,
        /// How long was waited, in seconds.
        limit_s: u64,
        /// Its log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// No port was free in the range that engines use.
    #[error(
        "no free port between {first} and {last}\n  every one is listened on or reserved by another test\n  to go on: end the processes that listen there"
    )]
    NoPort {
        /// The first port of the range.
        first: u16,
        /// The last port of the range.
        last: u16,
    },
    /// There is no directory in which artefacts could be kept.
    #[error(
        "no place to keep the engines\n  neither SLUICE_ENGINES_DIR, XDG_CACHE_HOME nor HOME is set\n  to go on: export SLUICE_ENGINES_DIR=<directory>"
    )]
    NoCache,
    /// A node was named that the cluster does not have.
    #[error("{engine} has no node {node}: it has {nodes}")]
    NoSuchNode {
        /// The engine.
        engine: &'static str,
        /// The node asked for.
        node: usize,
        /// How many there are.
        nodes: usize,
    },
    /// A process was to be signalled or restarted in a state in which it cannot be.
    #[error("{engine} {state}")]
    State {
        /// The engine.
        engine: String,
        /// What is in the way, for example "is not running".
        state: &'static str,
    },
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path or program.
        what: String,
        /// The refusal.
        source: io::Error,
    },
}

impl EngineError {
    /// Turns an I/O error into one that says what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
