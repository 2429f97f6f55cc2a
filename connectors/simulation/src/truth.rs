//! What really reached the provider, and the questions a test asks of it.

use crate::world::ProcessId;
use sluice_core::{PageId, SendId};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the provider made of a call that reached it, whatever the caller heard of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A message goes out.
    Accepted {
        /// The provider's id of it.
        message_id: String,
    },
    /// No message goes out to this person.
    Refused,
    /// No message goes out to anybody for now: the page, its account or the template has to wait.
    Deferred,
}

/// One call that reached the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthCall {
    /// When it arrived, since the start of the world.
    pub at: Duration,
    /// Who made it.
    pub process: ProcessId,
    /// From which page.
    pub page: PageId,
    /// For which send.
    pub send: SendId,
    /// For which attempt.
    pub attempt: u8,
    /// `to` of a JSON body.
    pub address: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
}

impl TruthCall {
    /// Whether a message went out.
    pub fn is_accepted(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted { .. })
    }
}

/// All calls that reached the provider, in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// The calls.
    pub calls: Vec<TruthCall>,
}

/// Sends for which more than one message went out (G1), with their calls.
pub fn accepted_twice(truth: &Truth) -> BTreeMap<SendId, Vec<TruthCall>> {
    let mut by_send: BTreeMap<SendId, Vec<TruthCall>> = BTreeMap::new();
    for call in truth.calls.iter().filter(|call| call.is_accepted()) {
        by_send.entry(call.send).or_default().push(call.clone());
    }
    by_send.retain(|_, calls| calls.len() > 1);
    by_send
}

/// How often each attempt reached the provider; more than once is a call that no grant allowed (G1).
pub fn calls_per_attempt(truth: &Truth) -> BTreeMap<(SendId, u8), u32> {
    let mut counts = BTreeMap::new();
    for call in &truth.calls {
        *counts.entry((call.send, call.attempt)).or_default() += 1;
    }
    counts
}

/// Messages per address that went out.
pub fn recipients_reached(truth: &Truth) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for call in truth.calls.iter().filter(|call| call.is_accepted()) {
        if let Some(address) = &call.address {
            *counts.entry(address.clone()).or_default() += 1;
        }
    }
    counts
}

/// Most calls of a page in any window of this length (G4). Arrivals, so jitter of the way counts too.
pub fn calls_in_window_max(truth: &Truth, page: &PageId, window: Duration) -> usize {
    let times: Vec<Duration> =
        truth.calls.iter().filter(|call| call.page == *page).map(|call| call.at).collect();
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while times[first] + window <= *at {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}
