//! How Kafka is reached and laid out.

use super::security;
use serde::{Deserialize, Serialize};
use sluice_runtime::Secret;
use sluice_runtime::ports::log::Topic;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How members of a group agree on who has which partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// KIP-848, Kafka 4.0 and later: the broker assigns, only what moves is revoked.
    #[default]
    Consumer,
    /// The protocol of older brokers, with cooperative sticky assignment.
    Classic,
}

/// How connections are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// Authenticated over a connection that is not encrypted.
    SaslPlaintext,
    /// Authenticated over TLS.
    SaslSsl,
}

/// How a user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SaslMechanism {
    /// Name and password as they are.
    #[default]
    #[serde(rename = "PLAIN")]
    Plain,
    /// Challenge and response over SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Challenge and response over SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

/// Everything that is said about Kafka.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaOptions {
    /// Brokers to begin with, `host:port`, separated by commas. The others are learnt from them.
    pub brokers: String,
    /// Before each topic's name, for example `prod.`.
    pub prefix: String,
    /// Before each group's name.
    pub group_prefix: String,
    /// How groups share partitions out.
    pub group_protocol: GroupProtocol,
    /// A member that says nothing for so long is out of the group. For `classic` alone: with `consumer` the
    /// broker decides (`group.consumer.session.timeout.ms`).
    pub session_timeout_ms: u32,
    /// How long a member may take to finish what it has of partitions that go to another one. Below the
    /// session timeout.
    pub drain_ms: u32,
    /// How long the brokers may take to answer at start.
    pub connect_timeout_ms: u32,
    /// Copies of each record. 1 on a single broker, where a lost disk loses records.
    pub replication: u16,
    /// Copies that must be there before a record is acknowledged. Below `replication`, so that one broker may
    /// be away.
    pub min_insync: u16,
    /// Partitions of `sends` and of `chunks`, which are always as many. They may grow, never shrink.
    pub partitions_sends: u32,
    /// Partitions of `receipts`.
    pub partitions_receipts: u32,
    /// Partitions of `webhooks.raw`.
    pub partitions_webhooks: u32,
    /// Partitions of each other topic.
    pub partitions_other: u32,
    /// How long `sends` and `chunks` are kept: longer than the longest campaign. What is removed earlier is
    /// produced again from the store.
    pub retention_sends_days: u32,
    /// How long `campaign.launches`, `webhooks.raw` and `receipts` are kept.
    pub retention_receipts_days: u32,
    /// How long `campaign.events` and `dead.letters` are kept.
    pub retention_events_days: u32,
    /// How long `campaign.control` and `campaign.progress`, which are hints, are kept.
    pub retention_hints_days: u32,
    /// Bytes of a record at most (key and value); topics are created so that they take it.
    pub record_bytes_max: u32,
    /// Places of the log that are read at the same time without a group. Each costs a thread, a connection and up to
    /// 8 MiB; more than that many readers wait for each other.
    pub readers_max: usize,
    /// How connections are protected. Everything with TLS, and SCRAM, needs the cargo feature `tls`.
    pub security_protocol: SecurityProtocol,
    /// How the user proves who it is, where the protocol is a SASL one.
    pub sasl_mechanism: SaslMechanism,
    /// The user.
    pub sasl_username: String,
    /// Its password.
    pub sasl_password: Secret,
    /// Certificates of the authorities that the brokers' are signed by (PEM); without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate (PEM), where brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// The key of this client's certificate (PEM).
    pub key_file: Option<PathBuf>,
    /// The password of that key.
    pub key_password: Secret,
    /// Anything else for librdkafka, by its own names; not those that the guarantees hang on.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            prefix: String::new(),
            group_prefix: "sluice.".to_owned(),
            group_protocol: GroupProtocol::Consumer,
            session_timeout_ms: 10_000,
            drain_ms: 6_000,
            connect_timeout_ms: 15_000,
            replication: 3,
            min_insync: 2,
            partitions_sends: 16,
            partitions_receipts: 16,
            partitions_webhooks: 16,
            partitions_other: 4,
            retention_sends_days: 30,
            retention_receipts_days: 7,
            retention_events_days: 30,
            retention_hints_days: 1,
            record_bytes_max: 15 << 20,
            readers_max: 8,
            security_protocol: SecurityProtocol::Plaintext,
            sasl_mechanism: SaslMechanism::Plain,
            sasl_username: String::new(),
            sasl_password: Secret::default(),
            ca_file: None,
            certificate_file: None,
            key_file: None,
            key_password: Secret::default(),
            properties: BTreeMap::new(),
        }
    }
}

/// Kafka's own limit for a topic's name.
const NAME_LENGTH_MAX: usize = 249;

/// What the guarantees hang on, with the reason why it can't be set.
const OURS: [(&str, &str); 17] = [
    ("acks", "a record is acknowledged when all copies have it"),
    ("request.required.acks", "a record is acknowledged when all copies have it"),
    ("enable.idempotence", "records lie in the order of their calls, once"),
    ("max.in.flight", "records lie in the order of their calls"),
    ("max.in.flight.requests.per.connection", "records lie in the order of their calls"),
    ("message.timeout.ms", "an append waits while brokers are away"),
    ("delivery.timeout.ms", "an append waits while brokers are away"),
    ("auto.offset.reset", "what retention removed is an error, never a skip"),
    ("enable.auto.commit", "positions are committed when the work is done"),
    ("enable.auto.offset.store", "positions are committed when the work is done"),
    ("bootstrap.servers", "set brokers"),
    ("metadata.broker.list", "set brokers"),
    ("group.id", "set group_prefix"),
    ("group.protocol", "set group_protocol"),
    ("security.protocol", "set security_protocol"),
    ("sasl.password", "set sasl_password, which is never printed"),
    ("message.max.bytes", "set record_bytes_max"),
];

impl KafkaOptions {
    /// Looks for what can't work, without asking anybody.
    ///
    /// # Errors
    /// A sentence that begins with the field's name.
    pub fn validate(&self) -> Result<(), String> {
        let brokers: Vec<&str> = self.brokers.split(',').map(str::trim).collect();
        let is_address = |broker: &&str| {
            broker
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if let Some(wrong) = brokers.iter().find(|broker| !is_address(broker)) {
            return Err(format!("brokers: `{wrong}` is not host:port"));
        }
        for (field, text) in [("prefix", &self.prefix), ("group_prefix", &self.group_prefix)] {
            let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if !text.chars().all(is_legal) || text.len() > NAME_LENGTH_MAX - 20 {
                return Err(format!(
                    "{field}: `{text}` has other characters than letters, digits, `.`, `_`, `-`, or is too long"
                ));
            }
        }
        let positive = [
            ("connect_timeout_ms", u64::from(self.connect_timeout_ms)),
            ("drain_ms", u64::from(self.drain_ms)),
            ("replication", u64::from(self.replication)),
            ("min_insync", u64::from(self.min_insync)),
            ("partitions_sends", u64::from(self.partitions_sends)),
            ("partitions_receipts", u64::from(self.partitions_receipts)),
            ("partitions_webhooks", u64::from(self.partitions_webhooks)),
            ("partitions_other", u64::from(self.partitions_other)),
            ("retention_sends_days", u64::from(self.retention_sends_days)),
            ("retention_receipts_days", u64::from(self.retention_receipts_days)),
            ("retention_events_days", u64::from(self.retention_events_days)),
            ("retention_hints_days", u64::from(self.retention_hints_days)),
            ("readers_max", self.readers_max as u64),
        ];
        if let Some((field, _)) = positive.iter().find(|(_, number)| *number == 0) {
            return Err(format!("{field}: must be at least 1"));
        }
        if self.min_insync > self.replication {
            return Err(format!(
                "min_insync: {} copies can't be in sync where there are {} (replication)",
                self.min_insync, self.replication
            ));
        }
        if self.group_protocol == GroupProtocol::Classic && self.drain_ms >= self.session_timeout_ms {
            return Err(format!(
                "drain_ms: {} must be below session_timeout_ms ({})",
                self.drain_ms, self.session_timeout_ms
            ));
        }
        if !(64 << 10..=256 << 20).contains(&self.record_bytes_max) {
            return Err("record_bytes_max: must be between 64 KiB and 256 MiB".to_owned());
        }
        for name in self.properties.keys() {
            if let Some((_, reason)) = OURS.iter().find(|(ours, _)| ours == name) {
                return Err(format!("properties: `{name}` can't be set: {reason}"));
            }
        }
        security::validate(self)
    }

    /// The name of a topic on the brokers.
    pub fn topic_name(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// The name of a group on the brokers.
    pub fn group_name(&self, group: &str) -> String {
        format!("{}{group}", self.group_prefix)
    }

    /// Partitions that a topic should have at least.
    pub fn partitions(&self, topic: Topic) -> u32 {
        match topic {
            Topic::Sends | Topic::Chunks => self.partitions_sends,
            Topic::Receipts => self.partitions_receipts,
            Topic::WebhooksRaw => self.partitions_webhooks,
            Topic::Launches | Topic::Control | Topic::Progress | Topic::Events | Topic::DeadLetters => {
                self.partitions_other
            }
        }
    }

    /// How long a topic's records should be kept, in days.
    pub fn retention_days(&self, topic: Topic) -> u32 {
        match topic {
            Topic::Sends | Topic::Chunks => self.retention_sends_days,
            Topic::Launches | Topic::WebhooksRaw | Topic::Receipts => self.retention_receipts_days,
            Topic::Events | Topic::DeadLetters => self.retention_events_days,
            Topic::Control | Topic::Progress => self.retention_hints_days,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut KafkaOptions)) -> String {
        let mut options = KafkaOptions::default();
        change(&mut options);
        options.validate().unwrap_err()
    }

    #[test]
    fn defaults_are_valid_and_every_refusal_begins_with_its_field() {
        assert_eq!(KafkaOptions::default().validate(), Ok(()));
        assert!(refused(|o| o.brokers = "kafka".to_owned()).starts_with("brokers: "));
        assert!(refused(|o| o.brokers = "a:1,,b:2".to_owned()).starts_with("brokers: "));
        assert!(refused(|o| o.prefix = "a/b".to_owned()).starts_with("prefix: "));
        assert!(refused(|o| o.min_insync = 4).starts_with("min_insync: "));
        assert!(refused(|o| o.partitions_sends = 0).starts_with("partitions_sends: "));
        assert!(refused(|o| o.record_bytes_max = 1).starts_with("record_bytes_max: "));
        let classic = |o: &mut KafkaOptions| {
            o.group_protocol = GroupProtocol::Classic;
            o.drain_ms = 10_000;
        };
        assert!(refused(classic).starts_with("drain_ms: "));
        let property = |o: &mut KafkaOptions| {
            o.properties.insert("acks".to_owned(), "1".to_owned());
        };
        assert!(refused(property).starts_with("properties: "));
    }

    #[test]
    fn a_password_is_never_printed() {
        let options = KafkaOptions { sasl_password: "hush".into(), ..KafkaOptions::default() };
        assert!(!format!("{options:?}").contains("hush"));
        assert!(!serde_json::to_string(&options).unwrap().contains("hush"));
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(serde_json::from_str::<KafkaOptions>(r#"{"broker": "a:1"}"#).is_err());
        let options: KafkaOptions =
            serde_json::from_str(r#"{"brokers": "a:1", "group_protocol": "classic"}"#).unwrap();
        assert_eq!(options.group_protocol, GroupProtocol::Classic);
    }
}
