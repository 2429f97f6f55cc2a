//! The facts of one delivery, sorted by how they find their sends.

use super::{ParsedWebhook, WebhookTarget};
use crate::effects::entry_of;
use sluice_core::ChunkId;
use sluice_runtime::ports::store::{CorrelationKey, EarlyFact};
use sluice_schemas::{Channel, Fact, PageRefused, ReceiptEntry};
use std::collections::BTreeMap;

/// Facts of one chunk, and the record each came from.
#[derive(Debug, Default)]
pub(crate) struct Tagged {
    pub(crate) entries: Vec<ReceiptEntry>,
    /// Parallel to `entries`: positions in the delivery.
    pub(crate) sources: Vec<u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) tagged: BTreeMap<ChunkId, Tagged>,
    pub(crate) keyed: BTreeMap<CorrelationKey, Vec<EarlyFact>>,
    pub(crate) suppressions: BTreeMap<Channel, Vec<(String, String)>>,
    /// The latest of each page and reason: one says as much as many.
    pub(crate) refused: BTreeMap<(String, String), PageRefused>,
    pub(crate) facts: u64,
}

impl Batch {
    /// Takes what one body says in. `source` is the record's position in the delivery.
    pub(crate) fn add(&mut self, parsed: ParsedWebhook, source: u32, received_at_ms: i64) {
        self.facts += parsed.facts.len() as u64;
        for fact in parsed.facts {
            let key = match fact.target {
                WebhookTarget::Tag(tag) => {
                    let tagged = self.tagged.entry(tag.send.chunk).or_default();
                    // The answer to the call tells the id, too. Where it never came, replies, which name
                    // only the id, find their send by this. Once is enough: each id costs a look-up.
                    let provider_id = fact.provider_id.filter(|_| fact.fact == Fact::Accepted);
                    tagged.entries.push(ReceiptEntry {
                        reason: fact.reason,
                        message: fact.message,
                        provider_id,
                        ..entry_of(fact.fact, tag.send.index, tag.attempt, fact.at_ms)
                    });
                    tagged.sources.push(source);
                    continue;
                }
                WebhookTarget::Message(channel, id) => CorrelationKey::Message(channel, id),
                WebhookTarget::Person { page, address } => CorrelationKey::Person(page, address),
            };
            self.keyed.entry(key).or_default().push(EarlyFact {
                fact: fact.fact,
                at_ms: fact.at_ms,
                reason: fact.reason,
                message: fact.message,
                received_at_ms,
            });
        }
        for refused in parsed.refused {
            let latest = self.refused.entry((refused.page.clone(), refused.reason.clone()));
            let latest = latest.or_insert_with(|| refused.clone());
            if refused.at_ms > latest.at_ms {
                *latest = refused;
            }
        }
        for suppression in parsed.suppressions {
            let list = self.suppressions.entry(suppression.channel).or_default();
            list.push((suppression.address, suppression.reason));
        }
    }
}
