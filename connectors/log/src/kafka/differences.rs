//! What differs between topics as they should be and as they are, and what of it can't be worked with.

use super::error::KafkaError;
use super::topics::{
    CLEANUP, Difference, FoundTopic, IN_SYNC, RECORD_BYTES, RETENTION, TopicRow, WantedTopic,
};
use sluice_runtime::ports::log::Topic;

/// What differs between a topic as it should be and as it is.
pub(crate) fn differences(wanted: &WantedTopic, found: Option<&FoundTopic>) -> Vec<Difference> {
    let Some(found) = found else {
        let (wanted, found) = ("there".to_owned(), "missing".to_owned());
        return vec![Difference { what: "topic", wanted, found, mended_by_create: true, is_fatal: true }];
    };
    let mut differences = Vec::new();
    let mut differs = |what, wanted: String, found: String, mended_by_create, is_fatal| {
        differences.push(Difference { what, wanted, found, mended_by_create, is_fatal });
    };
    if found.partitions < wanted.partitions {
        differs("partitions", wanted.partitions.to_string(), found.partitions.to_string(), true, true);
    }
    if found.replication < wanted.replication {
        differs("replication", wanted.replication.to_string(), found.replication.to_string(), false, true);
    }
    if let Some(there) = found.min_insync.filter(|there| *there < wanted.min_insync) {
        differs(IN_SYNC, wanted.min_insync.to_string(), there.to_string(), true, true);
    }
    if let Some(there) = found.batch_bytes_max.filter(|there| *there < wanted.batch_bytes_max) {
        differs(RECORD_BYTES, wanted.batch_bytes_max.to_string(), there.to_string(), true, true);
    }
    // Compaction removes records in the middle, and would take sends for newer versions of each other.
    if let Some(there) = found.cleanup.as_ref().filter(|there| *there != "delete") {
        differs(CLEANUP, "delete".to_owned(), there.clone(), true, true);
    }
    if let Some(there) = found.retention_ms.filter(|there| *there != wanted.retention_ms) {
        differs(RETENTION, wanted.retention_ms.to_string(), there.to_string(), true, false);
    }
    differences
}

/// The first reason why the log can't be opened on these topics.
pub(crate) fn refusal(rows: &[TopicRow]) -> Option<KafkaError> {
    let missing: Vec<String> =
        rows.iter().filter(|row| row.found.is_none()).map(|row| row.wanted.name.clone()).collect();
    if !missing.is_empty() {
        return Some(KafkaError::MissingTopics(missing));
    }
    let of = |topic| rows.iter().find(|row| row.wanted.topic == topic);
    if let (Some(sends), Some(chunks)) = (of(Topic::Sends), of(Topic::Chunks))
        && let (Some(sends_found), Some(chunks_found)) = (&sends.found, &chunks.found)
        && sends_found.partitions != chunks_found.partitions
    {
        return Some(KafkaError::UnequalPartitions {
            sends: sends.wanted.name.clone(),
            sends_found: sends_found.partitions,
            chunks: chunks.wanted.name.clone(),
            chunks_found: chunks_found.partitions,
        });
    }
    let (row, difference) = rows
        .iter()
        .find_map(|row| row.differences.iter().find(|difference| difference.is_fatal).map(|it| (row, it)))?;
    let (topic, found) = (row.wanted.name.clone(), row.found.as_ref()?);
    Some(match difference.what {
        "partitions" => {
            KafkaError::TooFewPartitions { topic, wanted: row.wanted.partitions, found: found.partitions }
        }
        "replication" => {
            KafkaError::Replication { topic, wanted: row.wanted.replication, found: found.replication }
        }
        setting => KafkaError::Setting {
            topic,
            setting,
            wanted: difference.wanted.clone(),
            found: difference.found.clone(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::options::KafkaOptions;
    use crate::kafka::topics::plan;

    fn found(wanted: &WantedTopic) -> FoundTopic {
        FoundTopic {
            life: "life".to_owned(),
            partitions: wanted.partitions,
            replication: wanted.replication,
            min_insync: Some(wanted.min_insync),
            retention_ms: Some(wanted.retention_ms),
            batch_bytes_max: Some(wanted.batch_bytes_max),
            cleanup: Some("delete".to_owned()),
        }
    }

    fn rows(change: impl Fn(&WantedTopic, &mut FoundTopic)) -> Vec<TopicRow> {
        let rows = plan(&KafkaOptions::default()).into_iter().map(|wanted| {
            let mut found = found(&wanted);
            change(&wanted, &mut found);
            let differences = differences(&wanted, Some(&found));
            TopicRow { wanted, found: Some(found), differences }
        });
        rows.collect()
    }

    #[test]
    fn more_than_asked_for_is_fine() {
        let rows = rows(|_, found| {
            found.partitions += 3;
            found.replication += 1;
            found.batch_bytes_max = None;
        });
        assert!(rows.iter().all(|row| row.differences.is_empty()));
        assert_eq!(refusal(&rows), None);
    }

    #[test]
    fn another_retention_is_told_but_no_reason_to_stop() {
        let rows = rows(|_, found| found.retention_ms = Some(1));
        assert!(rows.iter().all(|row| row.differences.len() == 1));
        assert_eq!(refusal(&rows), None);
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let few = refusal(&rows(|_, found| found.replication = 1)).unwrap().to_string();
        assert!(few.contains("set replication to 1"), "{few}");
        let small = refusal(&rows(|_, found| found.partitions = 1)).unwrap().to_string();
        assert!(small.contains("`sluice topics create`"), "{small}");
        let unequal = |wanted: &WantedTopic, found: &mut FoundTopic| {
            if wanted.topic == Topic::Sends {
                found.partitions = 20;
            }
        };
        let unequal = refusal(&rows(unequal)).unwrap().to_string();
        assert!(unequal.contains("set partitions_sends to 20"), "{unequal}");
        let compacted = refusal(&rows(|_, found| found.cleanup = Some("compact".to_owned()))).unwrap();
        assert!(compacted.to_string().contains("cleanup.policy"), "{compacted}");
        let mut missing = rows(|_, _| {});
        missing[2].found = None;
        assert_eq!(refusal(&missing), Some(KafkaError::MissingTopics(vec!["sends".to_owned()])));
    }
}
