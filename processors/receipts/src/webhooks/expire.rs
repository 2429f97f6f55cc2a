//! Facts whose send nobody ever knew.

use crate::error::ReceiptError;
use crate::outbox::Outbox;
use crate::stats::WebhookStats;
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::store::{CorrelationKey, EarlyFact, Store, StoreError};
use sluice_schemas::DeadLetter;

/// Gives up the facts received before `before_ms`: each becomes a dead letter. Says how many. A store that does
/// not answer is asked at the next occasion.
pub(crate) async fn expire(
    log: &dyn Log,
    store: &dyn Store,
    stats: &WebhookStats,
    before_ms: i64,
    now_ms: i64,
    limit: usize,
) -> Result<usize, ReceiptError> {
    let mut all = 0;
    loop {
        let facts = match store.expire_facts(before_ms, limit).await {
            Ok(facts) => facts,
            Err(StoreError::Unavailable(reason)) => {
                tracing::warn!(reason, "unmatched facts can't be looked for now");
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let count = facts.len();
        let mut outbox = Outbox::default();
        for (key, fact) in &facts {
            outbox.letter(log, &letter(key, fact, now_ms));
        }
        outbox.send(log).await?;
        stats.unmatched.add(count as u64);
        stats.dead_letters.add(count as u64);
        all += count;
        if count < limit {
            break;
        }
    }
    if all > 0 {
        tracing::info!(facts = all, "webhooks about unknown messages were given up");
    }
    Ok(all)
}

fn letter(key: &CorrelationKey, fact: &EarlyFact, now_ms: i64) -> DeadLetter {
    let (about, name) = match key {
        CorrelationKey::Message(channel, id) => (serde_json::json!({"channel": channel, "message": id}), id),
        CorrelationKey::Person(page, address) => {
            (serde_json::json!({"page": page.as_str(), "person": address}), address)
        }
    };
    let value = serde_json::json!({
        "about": about,
        "fact": fact.fact,
        "at_ms": fact.at_ms,
        "received_at_ms": fact.received_at_ms,
        "reason": fact.reason,
        "message": fact.message,
    });
    DeadLetter {
        topic: Topic::WebhooksRaw.name().to_owned(),
        // The fact was noted apart from its record.
        partition: -1,
        offset: -1,
        reason: "unmatched: no send is known by this name".to_owned(),
        at_ms: now_ms,
        key: name.as_bytes().to_vec(),
        value: value.to_string().into_bytes(),
    }
}
