//! What really happened against what the program says. Pure: the provider's logs, the export, the recount and the
//! events go in, violations and figures come out. It shares no code with the judged.
//!
//! - [`history`]: what the provider saw of one person, and which states that allows.
//! - [`campaign`]: a whole campaign: G1, G2, G3, G8.
//! - [`rates`]: whether pages kept their rates, G4.
//! - [`quotas`]: whether pages kept the limits above them, G4.
//! - [`rules`]: whether campaigns kept their limits, windows and pauses: G4, G5, G7.
//! - [`given`]: what became of commands, and which rules follow from it.
//! - [`takeover`]: how long pages were silent.

pub mod campaign;
pub mod given;
pub mod history;
pub mod quotas;
pub mod rates;
pub mod rules;
pub mod takeover;

pub use campaign::{Evidence, Exported, Judged, judge};

use sluice_simulator::LogLine;
use std::fmt;

/// A line of the provider's log, and which process it is about.
#[derive(Debug, Clone)]
pub struct Line {
    /// Each process calls a simulator of its own: whose calls these are.
    pub slot: usize,
    /// The line.
    pub line: LogLine,
}

/// A guarantee that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `G1`, `G2`, …
    pub guarantee: &'static str,
    /// What both sides hold.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guarantee, self.what)
    }
}

/// Collects violations; of each guarantee only the first are kept by name.
#[derive(Debug, Default)]
pub struct Violations {
    kept: Vec<Violation>,
    left_out: u64,
}

/// So many of one guarantee are kept.
const KEPT_MAX: usize = 20;

impl Violations {
    /// Adds one.
    pub fn add(&mut self, guarantee: &'static str, what: impl Into<String>) {
        if self.kept.iter().filter(|kept| kept.guarantee == guarantee).count() < KEPT_MAX {
            self.kept.push(Violation { guarantee, what: what.into() });
        } else {
            self.left_out += 1;
        }
    }

    /// All that were kept, and how many were not.
    pub fn into_parts(self) -> (Vec<Violation>, u64) {
        (self.kept, self.left_out)
    }
}
