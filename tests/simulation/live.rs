//! The configured limits of all processes of a cluster, which a person changes while they run.

use sluice_core::quota::Quota;
use sluice_core::rate::Rate;
use sluice_sender::SenderLimits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveLimits(Arc<Mutex<Limits>>);

#[derive(Debug, Default)]
struct Limits {
    page_rate: Option<Rate>,
    quotas: BTreeMap<String, Quota>,
    /// Of every process that has started.
    senders: Vec<SenderLimits>,
}

impl LiveLimits {
    pub(crate) fn new(page_rate: Option<Rate>, quotas: BTreeMap<String, Quota>) -> Self {
        Self(Arc::new(Mutex::new(Limits { page_rate, quotas, senders: Vec::new() })))
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.0.lock().unwrap()
    }

    /// Of each page.
    pub(crate) fn page_rate(&self) -> Option<Rate> {
        self.limits().page_rate
    }

    pub(crate) fn quotas(&self) -> BTreeMap<String, Quota> {
        self.limits().quotas.clone()
    }

    /// A process has started with these.
    pub(crate) fn are_kept_by(&self, sender: SenderLimits) {
        self.limits().senders.push(sender);
    }

    pub(crate) fn change_page_rate(&self, rate: Option<Rate>) {
        self.limits().page_rate = rate;
        self.tell();
    }

    /// That of the quota of this name.
    pub(crate) fn change_quota_rate(&self, name: &str, rate: Rate) {
        self.limits().quotas.get_mut(name).unwrap().rate = Some(rate);
        self.tell();
    }

    fn tell(&self) {
        let (quotas, senders) = (self.quotas(), self.limits().senders.clone());
        senders.iter().for_each(|sender| sender.change(&quotas));
    }
}
