//! The last effects of a run, and a digest of all of them.

use crate::world::ProcessId;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEntry {
    /// The number of the effect, from 1; 0 for remarks.
    pub effect: u64,
    /// Since the start of the world.
    pub at: Duration,
    /// Whose.
    pub process: ProcessId,
    /// What.
    pub what: String,
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at.as_millis();
        write!(f, "{ms:>9} ms  {}  ", self.process)?;
        if self.effect > 0 {
            write!(f, "#{} ", self.effect)?;
        }
        f.write_str(&self.what)
    }
}

/// What a failing seed prints: more would not be read.
const KEPT_MAX: usize = 400;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    kept: VecDeque<TraceEntry>,
    digest: u64,
}

impl Trace {
    pub(crate) fn push(&mut self, entry: TraceEntry) {
        // FNV-1a: good enough to tell runs apart.
        for byte in entry.to_string().bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(entry);
    }

    pub(crate) fn kept(&self) -> impl Iterator<Item = &TraceEntry> {
        self.kept.iter()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }
}
