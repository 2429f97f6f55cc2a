//! What really happened, folded from the log. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::channel::Channel;
use crate::log::{Kind, LogLine, Outcome};

/// Who was called: what "twice" is counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient {
    /// The provider.
    pub channel: Channel,
    /// The sending page.
    pub page: Arc<str>,
    /// The scope, if the log carries one.
    pub scope: Option<Arc<str>>,
    /// The address as logged (WhatsApp: digits only).
    pub to: Arc<str>,
}

/// What happened to one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls, whatever their outcome.
    pub calls: u32,
    /// Calls the provider accepted.
    pub accepted: u32,
    /// Accepted calls whose answer the caller never got.
    pub accepted_unanswered: u32,
    /// The outcome of the last call.
    pub last: Option<Outcome>,
    /// Webhook events that were answered with 200, by name.
    pub events: BTreeMap<Arc<str>, u32>,
}

/// The fold of a log.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// All calls.
    pub calls: u64,
    /// Calls the provider accepted.
    pub accepted: u64,
    /// Calls by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Webhook events answered with 200, by name; an event posted twice counts twice.
    pub webhooks: BTreeMap<Arc<str>, u64>,
    /// By recipient; calls whose body did not tell one share the empty address.
    pub recipients: HashMap<Recipient, Tally>,
    times: HashMap<(Channel, Arc<str>), Vec<u64>>,
}

impl Truth {
    /// Folds lines in the order given.
    pub fn fold<'a>(lines: impl IntoIterator<Item = &'a LogLine>) -> Self {
        let mut truth = Self::default();
        lines.into_iter().for_each(|line| truth.add(line));
        truth
    }

    /// Adds one line.
    pub fn add(&mut self, line: &LogLine) {
        let recipient = Recipient {
            channel: line.channel,
            page: Arc::clone(&line.page),
            scope: line.scope.clone(),
            to: Arc::clone(&line.to),
        };
        let tally = self.recipients.entry(recipient).or_default();
        match line.kind {
            Kind::Call => {
                self.calls += 1;
                *self.outcomes.entry(line.outcome).or_default() += 1;
                self.times.entry((line.channel, Arc::clone(&line.page))).or_default().push(line.t_us);
                tally.calls += 1;
                tally.last = Some(line.outcome);
                if line.outcome.is_accepted() {
                    self.accepted += 1;
                    tally.accepted += 1;
                    tally.accepted_unanswered += u32::from(!line.outcome.is_answered());
                }
            }
            Kind::Webhook => {
                if let (Outcome::Posted, Some(event)) = (line.outcome, &line.event) {
                    *self.webhooks.entry(Arc::clone(event)).or_default() += 1;
                    *tally.events.entry(Arc::clone(event)).or_default() += 1;
                }
            }
        }
    }

    /// How many recipients were accepted at least once.
    #[must_use]
    pub fn distinct_accepted(&self) -> u64 {
        self.recipients.values().filter(|tally| tally.accepted > 0).count() as u64
    }

    /// Everybody who was accepted more than once, in order of address: empty if nobody got a message twice.
    #[must_use]
    pub fn doubles(&self) -> Vec<(Recipient, u32)> {
        let mut doubles: Vec<_> = self
            .recipients
            .iter()
            .filter(|(_, tally)| tally.accepted > 1)
            .map(|(recipient, tally)| (recipient.clone(), tally.accepted))
            .collect();
        doubles.sort();
        doubles
    }

    /// What happened to `to`, over all channels, pages and scopes.
    #[must_use]
    pub fn of(&self, to: &str) -> Vec<(&Recipient, &Tally)> {
        self.recipients.iter().filter(|(recipient, _)| &*recipient.to == to).collect()
    }

    /// The most calls that arrived from one page in any window of `window_us` microseconds (half-open).
    #[must_use]
    pub fn busiest(&self, channel: Channel, page: &str, window_us: u64) -> u64 {
        let Some(times) = self.times.get(&(channel, Arc::from(page))) else { return 0 };
        let mut times = times.clone();
        times.sort_unstable();
        let (mut first, mut most) = (0, 0);
        for (last, &time) in times.iter().enumerate() {
            while times[first].saturating_add(window_us) <= time {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most as u64
    }
}
