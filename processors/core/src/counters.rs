//! How many recipients are where.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign};

/// Totals of a chunk or a campaign, always derived from recipients' states, never counted up.
///
/// `pending + sent + failed + opted_out + skipped + cancelled + unknown = total` (G2);
/// `delivered ≥ read ≥ responded` are parts of `sent`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the statuses of `chunk_state::Status`")]
pub struct Counters {
    pub total: u64,
    pub pending: u64,
    pub sent: u64,
    pub delivered: u64,
    pub read: u64,
    pub responded: u64,
    pub clicked: u64,
    pub ordered: u64,
    pub failed: u64,
    pub opted_out: u64,
    pub skipped: u64,
    pub cancelled: u64,
    pub unknown: u64,
    /// Attempts beyond the first.
    pub retries: u64,
}

impl Counters {
    /// Recipients in a final state.
    pub fn terminal(&self) -> u64 {
        self.total - self.pending
    }

    /// Every counter with its name, for events, tables and comparison.
    pub fn named(&self) -> [(&'static str, u64); 14] {
        [
            ("total", self.total),
            ("pending", self.pending),
            ("sent", self.sent),
            ("delivered", self.delivered),
            ("read", self.read),
            ("responded", self.responded),
            ("clicked", self.clicked),
            ("ordered", self.ordered),
            ("failed", self.failed),
            ("opted_out", self.opted_out),
            ("skipped", self.skipped),
            ("cancelled", self.cancelled),
            ("unknown", self.unknown),
            ("retries", self.retries),
        ]
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.total += other.total;
        self.pending += other.pending;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.read += other.read;
        self.responded += other.responded;
        self.clicked += other.clicked;
        self.ordered += other.ordered;
        self.failed += other.failed;
        self.opted_out += other.opted_out;
        self.skipped += other.skipped;
        self.cancelled += other.cancelled;
        self.unknown += other.unknown;
        self.retries += other.retries;
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl std::iter::Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), Add::add)
    }
}
