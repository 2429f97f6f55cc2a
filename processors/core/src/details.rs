//! What a person wants to know about one recipient beside the status: times, errors, the provider's id.

use serde::{Deserialize, Serialize};
use sluice_schemas::{Fact, ReceiptEntry};

/// Folded from the receipts of a recipient. Times are ms since 1970; of two for one fact the earlier wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "requirement D2 and D4 name them")]
pub struct Details {
    pub sent_at_ms: Option<i64>,
    pub delivered_at_ms: Option<i64>,
    pub read_at_ms: Option<i64>,
    pub responded_at_ms: Option<i64>,
    pub failed_at_ms: Option<i64>,
    /// When the newest attempt after the first ended.
    pub last_retry_at_ms: Option<i64>,
    /// Reason of the newest attempt's failure, or why it was skipped.
    pub reason: Option<String>,
    pub message: Option<String>,
    /// The attempt that `reason` is about.
    pub reason_attempt: i32,
    pub provider_id: Option<String>,
}

impl Details {
    /// Takes one fact about the recipient in. The order of facts does not matter.
    pub fn fold(&mut self, entry: &ReceiptEntry) {
        let at = entry.at_ms;
        match entry.fact {
            Fact::Accepted => earliest(&mut self.sent_at_ms, at),
            Fact::Failed | Fact::FailedForGood => earliest(&mut self.failed_at_ms, at),
            Fact::Delivered => {
                earliest(&mut self.sent_at_ms, at);
                earliest(&mut self.delivered_at_ms, at);
            }
            Fact::Read => {
                earliest(&mut self.sent_at_ms, at);
                earliest(&mut self.delivered_at_ms, at);
                earliest(&mut self.read_at_ms, at);
            }
            Fact::Responded | Fact::Clicked | Fact::Ordered => {
                earliest(&mut self.sent_at_ms, at);
                earliest(&mut self.delivered_at_ms, at);
                earliest(&mut self.read_at_ms, at);
                if entry.fact == Fact::Responded {
                    earliest(&mut self.responded_at_ms, at);
                }
            }
            _ => {}
        }
        if entry.attempt > 1 {
            self.last_retry_at_ms = self.last_retry_at_ms.max(Some(at));
        }
        // The newest attempt speaks; of equals the greater text, so that order does not matter.
        if entry.reason.is_some()
            && (entry.attempt, &entry.reason, &entry.message)
                > (self.reason_attempt, &self.reason, &self.message)
        {
            self.reason_attempt = entry.attempt;
            self.reason.clone_from(&entry.reason);
            self.message.clone_from(&entry.message);
        }
        if entry.provider_id.is_some() {
            self.provider_id = self.provider_id.take().max(entry.provider_id.clone());
        }
    }
}

fn earliest(time: &mut Option<i64>, at: i64) {
    *time = Some(time.map_or(at, |known| known.min(at)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk_state::entry;
    use proptest::prelude::*;

    fn any_entry() -> impl Strategy<Value = ReceiptEntry> {
        use Fact::*;
        let facts = vec![Accepted, Failed, FailedForGood, Delivered, Read, Responded, Skipped];
        (
            prop::sample::select(facts),
            1u8..4,
            0i64..1_000,
            prop::option::of("[a-c]{1}"),
            prop::option::of("[a-c]{1}"),
        )
            .prop_map(|(fact, attempt, at, reason, id)| ReceiptEntry {
                reason,
                provider_id: id,
                ..entry(fact, 0, 0, attempt, at)
            })
    }

    proptest! {
        #[test]
        fn d2_times_and_errors_do_not_depend_on_the_order_or_number_of_receipts(
            entries in prop::collection::vec(any_entry(), 0..12),
        ) {
            let mut forward = Details::default();
            entries.iter().for_each(|entry| forward.fold(entry));
            let mut backward = Details::default();
            entries.iter().rev().chain(&entries).for_each(|entry| backward.fold(entry));
            prop_assert_eq!(forward, backward);
        }
    }

    #[test]
    fn a_read_receipt_fills_the_missing_earlier_times() {
        let mut details = Details::default();
        details.fold(&entry(Fact::Read, 0, 0, 0, 70));
        details.fold(&entry(Fact::Accepted, 0, 0, 1, 50));
        assert_eq!(
            (details.sent_at_ms, details.delivered_at_ms, details.read_at_ms),
            (Some(50), Some(70), Some(70))
        );
    }
}
