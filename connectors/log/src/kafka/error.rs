//! Why the log on Kafka can't be opened, each with what to do.

use sluice_runtime::ports::log::Topic;

/// Why the log on Kafka can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// The options can't work; begins with the field's name.
    #[error("{0}")]
    Options(String),
    /// librdkafka does not take the options.
    #[error("librdkafka refuses the configuration: {0}; look at properties")]
    Client(String),
    /// No broker answers.
    #[error(
        "no broker answers at {brokers}{reason}: check brokers, and that they run and can be reached from here"
    )]
    Unreachable {
        /// Where.
        brokers: String,
        /// What the connections failed by, in parentheses, where it is known.
        reason: String,
    },
    /// Name, password, certificate or permission: with what to do.
    #[error("{0}")]
    Refused(String),
    /// Topics are missing.
    #[error("these topics are missing: {}; create them with `sluice topics create`", .0.join(", "))]
    MissingTopics(Vec<String>),
    /// A topic has fewer partitions than asked for.
    #[error(
        "topic {topic} has {found} partitions and should have {wanted}: add them with `sluice topics create`, or ask for {found}"
    )]
    TooFewPartitions {
        /// Its full name.
        topic: String,
        /// What was asked for.
        wanted: u32,
        /// What there is.
        found: u32,
    },
    /// `sends` and `chunks` differ.
    #[error(
        "topic {sends} has {sends_found} partitions and {chunks} has {chunks_found}: they must be as many, because a page has the same partition in both; set partitions_sends to {} and run `sluice topics create`",
        (*sends_found).max(*chunks_found)
    )]
    UnequalPartitions {
        /// The full name of `sends`.
        sends: String,
        /// Its partitions.
        sends_found: u32,
        /// The full name of `chunks`.
        chunks: String,
        /// Its partitions.
        chunks_found: u32,
    },
    /// A topic has fewer copies than asked for.
    #[error(
        "topic {topic} has {found} copies of each record and should have {wanted}: add replicas with Kafka's kafka-reassign-partitions, or set replication to {found}"
    )]
    Replication {
        /// Its full name.
        topic: String,
        /// What was asked for.
        wanted: u16,
        /// What there is.
        found: u16,
    },
    /// A setting of a topic is not as asked for.
    #[error(
        "topic {topic} has {setting} = {found} and should have {wanted}: set it with `sluice topics create`"
    )]
    Setting {
        /// Its full name.
        topic: String,
        /// Kafka's name of the setting.
        setting: &'static str,
        /// What was asked for.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// There are not enough brokers for the copies asked for.
    #[error("{topic} can't be created: {reason}")]
    Create {
        /// Its full name.
        topic: String,
        /// What the brokers say, and what to do.
        reason: String,
    },
    /// An administrative request failed.
    #[error("{what} failed: {reason}")]
    Admin {
        /// What was asked for.
        what: String,
        /// What the brokers say.
        reason: String,
    },
    /// The topic's life can't be numbered (hazard 17).
    #[error("the life of topic {topic} can't be bound to its number: {reason}")]
    Generation {
        /// Which.
        topic: Topic,
        /// Why.
        reason: String,
    },
}
