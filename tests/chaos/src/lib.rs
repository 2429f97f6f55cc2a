//! Faults against several Sluice processes on real engines, and a judge of what they did.
//!
//! Three `sluice run` share a Kafka and a Cassandra. While campaigns run on two channels, processes are killed, frozen,
//! ended and added, engines are killed and paused, connections are cut, hung and delayed, webhooks come twice and
//! late, and persons pause, resume, cancel and set limits: in schedules that a seed decides. After each round the judge compares what the providers noted (each process
//! calls a simulator of its own, so every call has a caller) with states, counters and events.
//!
//! **Guarantee.** The judge shares no code with the judged: it reads the providers' logs, `campaign export`,
//! `verify` and the records of `campaign.events`. The same seed gives the same schedules; moments inside the
//! processes differ from run to run.
//!
//! **What it does not do.** It measures no throughput; rates are low, so that campaigns last through their faults.
//!
//! - [`schedule`], [`fault`], [`chance`]: what happens when. Pure.
//! - [`quotas`]: limits above pages that all processes have. Pure.
//! - [`plan`], [`rules`], [`order`]: campaigns, what they have to keep, what persons do to them. Pure.
//! - [`judge`]: what is wrong, how long pages were silent. Pure.
//! - [`tally`], [`report`]: sums by kind of fault, the table. Pure.
//! - [`drive`]: engines, processes, providers, one round after the other.

pub mod chance;
pub mod drive;
pub mod fault;
pub mod judge;
pub mod order;
pub mod plan;
pub mod quotas;
pub mod report;
pub mod rules;
pub mod schedule;
pub mod settings;
pub mod tally;

pub use drive::run::{Outcome, run};
pub use fault::Kind;
pub use settings::Settings;

/// Why a run could not be carried through. Broken guarantees are no errors: they are in the [`Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An engine did not start or come back.
    #[error(transparent)]
    Engine(#[from] sluice_engines::EngineError),
    /// A simulated provider did not start, or its log can't be read.
    #[error(transparent)]
    Provider(#[from] sluice_simulator::Error),
    /// A file or a socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A command of the program did not do what it should.
    #[error("{command} ended with {code:?}: {said}")]
    Command {
        /// Its arguments.
        command: String,
        /// Its exit code; none: a signal ended it.
        code: Option<i32>,
        /// The end of what it wrote to stderr.
        said: String,
    },
    /// The program does not come up.
    #[error("process {slot} does not start: {said}")]
    Start {
        /// Which.
        slot: usize,
        /// The end of what it wrote to stderr.
        said: String,
    },
    /// The log can't be read.
    #[error("the events can't be read: {0}")]
    Events(String),
    /// The program was not found, and not built.
    #[error("the program is not at {0}; build it with `cargo build -p sluice`")]
    Program(std::path::PathBuf),
    /// Ctrl-C or SIGTERM.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An error of the system while doing `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
