//! Metrics of the two processors.

use sluice_runtime::metrics::definition::{Definition, Kind, LONG, Label, Labels, Stage};
use sluice_schemas::Fact;

/// Facts in the order of [`Fact`].
pub const FACTS: &[&str] = &[
    "accepted",
    "failed",
    "failed_for_good",
    "unresolved",
    "skipped",
    "cancelled",
    "reopened",
    "opted_out",
    "delivered",
    "read",
    "responded",
    "clicked",
    "ordered",
    "closed",
];

/// Facts merged.
pub const MERGED: Definition = Definition {
    name: "sluice_receipts_merged_total",
    kind: Kind::Counter,
    unit: "recipients",
    stage: Stage::Merge,
    labels: Labels::Each(&[Label { name: "fact", values: FACTS }]),
    help: "Recipients that a fact was merged about, replays included; `closed` counts the rows of chunks.",
    look: "`accepted` follows the calls; `delivered` and `read` follow the webhooks. `unresolved` is what ends as \
           `unknown`. After a restart some facts are merged again: campaigns' counters are exact, this is not.",
};

/// How old facts are when they are stored.
pub const MERGE_DELAY: Definition = Definition {
    name: "sluice_receipts_merge_delay_seconds",
    kind: Kind::Histogram(LONG),
    unit: "seconds",
    stage: Stage::Merge,
    labels: Labels::None,
    help: "From the outcome of a call until it is stored and counted; one observation a chunk and flush, of its \
           oldest acceptance or failure.",
    look: "It is what counts on the screen are late by: under a second where nothing is behind. Webhooks are left \
           out: providers send them as late as they like.",
};

/// Flushes.
pub const FLUSHES: Definition = Definition {
    name: "sluice_receipts_flushes_total",
    kind: Kind::Counter,
    unit: "flushes",
    stage: Stage::Merge,
    labels: Labels::None,
    help: "Times that merged states were made durable.",
    look: "States stored divided by flushes is how many chunks are busy at a time.",
};

/// States stored.
pub const SAVES: Definition = Definition {
    name: "sluice_receipts_states_saved_total",
    kind: Kind::Counter,
    unit: "states",
    stage: Stage::Merge,
    labels: Labels::None,
    help: "Chunk states that were stored.",
    look: "Many more than facts divided by a hundred: receipts come one by one, for example from late webhooks.",
};

/// Retries made.
pub const RETRIES: Definition = Definition {
    name: "sluice_receipts_retries_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Merge,
    labels: Labels::None,
    help: "Retry records that were made, each for some recipients of one chunk.",
    look: "A rate that stays: the provider has failed for a while.",
};

/// Early facts.
pub const EARLY_FACTS: Definition = Definition {
    name: "sluice_receipts_early_facts_total",
    kind: Kind::Counter,
    unit: "facts",
    stage: Stage::Merge,
    labels: Labels::None,
    help: "Facts of webhooks that had come before their send was known, and found it.",
    look: "A large part of all webhooks: receipts are merged late.",
};

/// Dead letters of receipts.
pub const RECEIPT_DEAD_LETTERS: Definition = Definition {
    name: "sluice_receipts_dead_letters_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Merge,
    labels: Labels::None,
    help: "Records of `receipts` that nobody could use.",
    look: "Any: something else writes to the topic, or a version is too old. `sluice dead-letters list` shows them.",
};

/// Bodies split.
pub const BODIES: Definition = Definition {
    name: "sluice_webhooks_bodies_total",
    kind: Kind::Counter,
    unit: "bodies",
    stage: Stage::Webhooks,
    labels: Labels::None,
    help: "Raw bodies that were read from `webhooks.raw`, replays included.",
    look: "It follows what the gateway accepts.",
};

/// What became of facts.
pub const WEBHOOK_FACTS: Definition = Definition {
    name: "sluice_webhooks_facts_total",
    kind: Kind::Counter,
    unit: "facts",
    stage: Stage::Webhooks,
    labels: Labels::None,
    help: "Facts found in webhooks.",
    look: "None while bodies come in: the page is subscribed to the wrong fields.",
};

/// Facts that found their send.
pub const MATCHED: Definition = Definition {
    name: "sluice_webhooks_matched_total",
    kind: Kind::Counter,
    unit: "facts",
    stage: Stage::Webhooks,
    labels: Labels::None,
    help: "Facts of webhooks that went into a receipt, once for each send that they are about.",
    look: "A person's `read` may be about several sends, so there may be more of them than facts.",
};

/// Facts that never found theirs.
pub const UNMATCHED: Definition = Definition {
    name: "sluice_webhooks_unmatched_total",
    kind: Kind::Counter,
    unit: "facts",
    stage: Stage::Webhooks,
    labels: Labels::None,
    help: "Facts that were given up because nobody knew their send; each is a dead letter.",
    look: "Some are normal where the page also sends by other means.",
};

/// Dead letters of webhooks.
pub const WEBHOOK_DEAD_LETTERS: Definition = Definition {
    name: "sluice_webhooks_dead_letters_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Webhooks,
    labels: Labels::None,
    help: "Bodies and facts that nobody could use, unmatched facts included.",
    look: "More than unmatched facts: a provider has changed its format. `sluice dead-letters list` shows them.",
};

/// The metrics of this crate.
pub const DEFINITIONS: &[&Definition] = &[
    &BODIES,
    &WEBHOOK_FACTS,
    &MATCHED,
    &UNMATCHED,
    &WEBHOOK_DEAD_LETTERS,
    &MERGED,
    &MERGE_DELAY,
    &FLUSHES,
    &SAVES,
    &RETRIES,
    &EARLY_FACTS,
    &RECEIPT_DEAD_LETTERS,
];

/// The place of a fact.
pub(crate) fn fact_place(fact: Fact) -> usize {
    fact as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_the_words_of_the_schema() {
        for (place, word) in FACTS.iter().enumerate() {
            let fact: Fact = serde_json::from_value(serde_json::json!(word)).unwrap();
            assert_eq!(fact_place(fact), place, "{word}");
        }
    }
}
