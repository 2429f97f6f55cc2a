//! What a provider tells about a message after it was accepted: late, early, twice, in any order, or never.

use super::{SimProvider, SimWebhook};
use crate::faults::ProviderFaults;
use crate::random::Random;
use sluice_core::SendId;
use sluice_core::ids::EchoTag;
use sluice_schemas::Fact;
use std::time::Duration;

impl SimProvider {
    /// Decides what happens to a message and lets its webhooks go.
    pub(super) fn tell(&self, send: SendId, attempt: u8, message_id: &str) {
        let faults = self.state().faults.clone();
        let copies = self.world.draw(|random| plan(random, &faults));
        for (fact, wait_ms) in copies {
            let provider = self.clone();
            let webhook = SimWebhook {
                tag: EchoTag { send, attempt },
                message_id: message_id.to_owned(),
                fact,
                at_ms: self.world.wall_ms() + wait_ms.min(1_000) as i64,
            };
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                provider.state().listeners.retain(|listener| listener.send(webhook.clone()).is_ok());
            });
        }
    }
}

/// The webhooks of one message with their waits, in ms after its arrival.
fn plan(random: &mut Random, faults: &ProviderFaults) -> Vec<(Fact, u64)> {
    let facts: &[Fact] = if random.chance(faults.failed_later_ppm) {
        &[Fact::Failed]
    } else if !random.chance(faults.delivered_ppm) {
        &[]
    } else if random.chance(faults.read_ppm) {
        &[Fact::Delivered, Fact::Read]
    } else {
        &[Fact::Delivered]
    };
    let orderly =
        *faults == (ProviderFaults { latency_ms_max: faults.latency_ms_max, ..ProviderFaults::none() });
    let mut copies = Vec::new();
    let mut earliest = 0;
    for fact in facts {
        if random.chance(faults.webhook_missing_ppm) {
            continue;
        }
        let times = if random.chance(faults.webhook_twice_ppm) { 2 } else { 1 };
        for _ in 0..times {
            let wait = wait_ms(random, faults);
            // Without faults the webhooks of a message keep their order, and come after the answer.
            let wait = if orderly { wait + earliest + faults.latency_ms_max + 1 } else { wait };
            earliest = wait;
            copies.push((*fact, wait));
        }
    }
    copies
}

fn wait_ms(random: &mut Random, faults: &ProviderFaults) -> u64 {
    if random.chance(faults.webhook_early_ppm) {
        0
    } else if random.chance(faults.webhook_late_ppm) {
        random.between(faults.webhook_ms_max, faults.webhook_late_ms_max)
    } else {
        random.between(1, faults.webhook_ms_max.max(1))
    }
}
