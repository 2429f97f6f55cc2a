//! The other end of provider calls.
//!
//! It honours the contract of the caller port and decides by the seed what an adversary may decide: how long
//! things take, what is answered, and what of it is heard.

mod call;
mod taken;
mod webhook;

use crate::faults::ProviderFaults;
use crate::truth::Truth;
use crate::world::{ProcessId, World};
use call::ProcessCaller;
use sluice_core::CampaignId;
use sluice_core::ids::EchoTag;
use sluice_runtime::ports::caller::Caller;
use sluice_schemas::Fact;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taken::Taken;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A fact about an accepted message, as a webhook tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimWebhook {
    /// The call it is about.
    pub tag: EchoTag,
    /// The provider's id of the message.
    pub message_id: String,
    /// `Delivered`, `Read` or `Failed`.
    pub fact: Fact,
    /// When it happened, ms since 1970 by the true clock.
    pub at_ms: i64,
}

/// A provider. Clones are the same one.
#[derive(Clone)]
pub struct SimProvider {
    world: World,
    state: Arc<Mutex<State>>,
}

struct State {
    faults: ProviderFaults,
    stalled_until: Duration,
    truth: Truth,
    taken: Taken,
    /// Campaigns whose templates are paused.
    paused: BTreeSet<CampaignId>,
    messages: u64,
    listeners: Vec<UnboundedSender<SimWebhook>>,
}

impl SimProvider {
    /// A provider in a world.
    pub fn new(world: &World, faults: ProviderFaults) -> Self {
        let state = State {
            faults,
            stalled_until: Duration::ZERO,
            truth: Truth::default(),
            taken: Taken::default(),
            paused: BTreeSet::new(),
            messages: 0,
            listeners: Vec::new(),
        };
        Self { world: world.clone(), state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller port of a process.
    pub fn caller(&self, process: ProcessId) -> Arc<dyn Caller> {
        Arc::new(ProcessCaller { provider: self.clone(), process })
    }

    /// The webhooks of what is accepted from now on, in the order in which they arrive.
    pub fn webhooks(&self) -> UnboundedReceiver<SimWebhook> {
        let (sender, receiver) = unbounded_channel();
        self.state().listeners.push(sender);
        receiver
    }

    /// Replaces the faults from now on.
    pub fn set_faults(&self, faults: ProviderFaults) {
        self.state().faults = faults;
    }

    /// Pauses the templates of these campaigns, and no others from now on: their calls are refused.
    pub fn pause_templates_of(&self, campaigns: impl IntoIterator<Item = CampaignId>) {
        self.state().paused = campaigns.into_iter().collect();
    }

    /// No call can start for so long: connections hang, and then all go on at once.
    pub fn stall(&self, time: Duration) {
        self.state().stalled_until = self.world.now() + time;
    }

    /// All calls that reached the provider so far.
    pub fn truth(&self) -> Truth {
        self.state().truth.clone()
    }
}

impl fmt::Debug for SimProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimProvider").field("calls", &self.state().truth.calls.len()).finish_non_exhaustive()
    }
}
