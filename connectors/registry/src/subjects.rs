//! Which records travel through which topic, and what their subjects are called.

use serde::{Deserialize, Serialize};
use sluice_runtime::ports::log::Topic;
use sluice_schemas::RecordKind;

/// The records that values of a topic may be.
pub fn records_of(topic: Topic) -> &'static [RecordKind] {
    match topic {
        Topic::Launches => &[RecordKind::CampaignLaunch],
        Topic::Control => &[RecordKind::CampaignControl],
        Topic::Sends => &[RecordKind::SendRequest],
        Topic::Chunks => &[RecordKind::ChunkReady, RecordKind::RetryReady, RecordKind::PageRefused],
        Topic::WebhooksRaw => &[RecordKind::WebhookReceived],
        Topic::Receipts => &[RecordKind::Receipt],
        Topic::Progress => &[RecordKind::CampaignProgress],
        Topic::Events => &[RecordKind::CampaignEvent],
        Topic::DeadLetters => &[RecordKind::DeadLetter],
    }
}

/// How the subject of a schema is called, after the
/// [strategies](https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#subject-name-strategy)
/// of Confluent's serializers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectNames {
    /// `TopicNameStrategy`: `<topic>-value`, what producers use unless told otherwise. A topic with several records
    /// (`chunks`) has the names of `TopicRecord`, because one subject is one line of compatible schemas.
    #[default]
    Topic,
    /// `RecordNameStrategy`: `<namespace>.<record>`, whatever the topic.
    Record,
    /// `TopicRecordNameStrategy`: `<topic>-<namespace>.<record>`.
    TopicRecord,
}

impl SubjectNames {
    /// The subject of `record` in `topic`, which is called `topic_name` there.
    pub fn subject(self, topic: Topic, topic_name: &str, record: RecordKind) -> String {
        let record_name = format!("sluice.{}", record.name());
        match self {
            SubjectNames::Topic if records_of(topic).len() == 1 => format!("{topic_name}-value"),
            SubjectNames::Topic | SubjectNames::TopicRecord => format!("{topic_name}-{record_name}"),
            SubjectNames::Record => record_name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_called_as_other_producers_call_them() {
        let subject = |names: SubjectNames, topic, record| {
            names.subject(topic, &format!("p.{}", Topic::name(topic)), record)
        };
        let (launch, chunk) = (RecordKind::CampaignLaunch, RecordKind::ChunkReady);
        assert_eq!(subject(SubjectNames::Topic, Topic::Launches, launch), "p.campaign.launches-value");
        assert_eq!(subject(SubjectNames::Topic, Topic::Chunks, chunk), "p.chunks-sluice.ChunkReady");
        assert_eq!(subject(SubjectNames::Record, Topic::Launches, launch), "sluice.CampaignLaunch");
        let both = subject(SubjectNames::TopicRecord, Topic::Launches, launch);
        assert_eq!(both, "p.campaign.launches-sluice.CampaignLaunch");
    }

    #[test]
    fn the_namespace_is_that_of_the_schemas() {
        for record in RecordKind::ALL {
            for (text, _) in record.versions().texts() {
                let schema: serde_json::Value = serde_json::from_str(text).unwrap();
                assert_eq!(schema["namespace"], "sluice");
                assert_eq!(schema["name"], record.name());
            }
        }
    }

    #[test]
    fn every_record_has_a_topic() {
        for record in RecordKind::ALL {
            assert!(Topic::ALL.iter().any(|topic| records_of(*topic).contains(record)), "{record:?}");
        }
    }
}
