//! Topics as they should be and as they are; making the one out of the other. Nothing is printed here.

use super::client::{ONE_TRY, OVERHEAD_BYTES};
use super::connection::Connection;
use super::differences::differences;
use super::error::KafkaError;
use super::native;
use super::options::KafkaOptions;
use rdkafka::admin::{NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode as Code;
use sluice_runtime::ports::log::Topic;
use std::fmt;

pub(crate) const RETENTION: &str = "retention.ms";
pub(crate) const RECORD_BYTES: &str = "max.message.bytes";
pub(crate) const IN_SYNC: &str = "min.insync.replicas";
pub(crate) const CLEANUP: &str = "cleanup.policy";

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1_000;

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTopic {
    /// Which.
    pub topic: Topic,
    /// Its full name.
    pub name: String,
    /// At least as many partitions.
    pub partitions: u32,
    /// At least as many copies.
    pub replication: u16,
    /// Copies that a record needs before it is acknowledged, at least.
    pub min_insync: u16,
    /// How long records are kept, in ms.
    pub retention_ms: u64,
    /// Bytes of a batch at most, at least.
    pub batch_bytes_max: u32,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTopic {
    /// Kafka's id of this life of the topic (KIP-516).
    pub life: String,
    /// Partitions.
    pub partitions: u32,
    /// Copies of the partition that has the fewest.
    pub replication: u16,
    /// Copies that a record needs before it is acknowledged; `None` where settings may not be read.
    pub min_insync: Option<u16>,
    /// How long records are kept, in ms; `None` for ever, or where settings may not be read.
    pub retention_ms: Option<u64>,
    /// Bytes of a batch at most; `None` where settings may not be read.
    pub batch_bytes_max: Option<u32>,
    /// `delete` for topics of ours; `None` where settings may not be read.
    pub cleanup: Option<String>,
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `topic`, `partitions`, `replication`, or Kafka's name of a setting.
    pub what: &'static str,
    /// As it should be.
    pub wanted: String,
    /// As it is.
    pub found: String,
    /// Whether [`create`] mends it.
    pub mended_by_create: bool,
    /// Whether the log can't be opened with it.
    pub is_fatal: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} instead of {}", self.what, self.found, self.wanted)
    }
}

/// A topic as it should be and as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRow {
    /// As it should be.
    pub wanted: WantedTopic,
    /// As it is; `None` for one that is missing.
    pub found: Option<FoundTopic>,
    /// What differs; empty where all is well. More partitions, copies or bytes than asked for are fine.
    pub differences: Vec<Difference>,
}

/// What [`create`] did, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The topic is new.
    Created {
        /// Its full name.
        name: String,
        /// Its partitions.
        partitions: u32,
    },
    /// It has more partitions.
    Grown {
        /// Its full name.
        name: String,
        /// Before.
        from: u32,
        /// Now.
        to: u32,
    },
    /// A setting is another one.
    Set {
        /// Its full name.
        name: String,
        /// Kafka's name of it.
        setting: &'static str,
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { name, partitions } => write!(f, "{name}: created with {partitions} partitions"),
            Self::Grown { name, from, to } => write!(f, "{name}: {to} partitions instead of {from}"),
            Self::Set { name, setting, from, to } => write!(f, "{name}: {setting} = {to} instead of {from}"),
        }
    }
}

/// The topics as they should be, without asking anybody.
pub fn plan(options: &KafkaOptions) -> Vec<WantedTopic> {
    let wanted = |topic| WantedTopic {
        topic,
        name: options.topic_name(topic),
        partitions: options.partitions(topic),
        replication: options.replication,
        min_insync: options.min_insync,
        retention_ms: u64::from(options.retention_days(topic)) * MS_PER_DAY,
        batch_bytes_max: options.record_bytes_max + OVERHEAD_BYTES,
    };
    Topic::ALL.map(wanted).into()
}

/// Every topic as it should be and as it is.
///
/// # Errors
/// When the brokers can't be asked.
pub async fn describe(options: &KafkaOptions) -> Result<Vec<TopicRow>, KafkaError> {
    describe_over(&Connection::open(options).await?, options).await
}

/// The topics that are not as they should be; none is good news.
///
/// # Errors
/// When the brokers can't be asked.
pub async fn check(options: &KafkaOptions) -> Result<Vec<TopicRow>, KafkaError> {
    let mut rows = describe(options).await?;
    rows.retain(|row| !row.differences.is_empty());
    Ok(rows)
}

/// Makes topics as they should be, as far as nothing is lost by it: creates what is missing, adds partitions,
/// changes settings. Doing it again changes nothing more. Copies are not added; [`check`] names what is left.
///
/// # Errors
/// When the brokers refuse; what was done until then stays.
pub async fn create(options: &KafkaOptions) -> Result<Vec<Change>, KafkaError> {
    let connection = Connection::open(options).await?;
    let rows = describe_over(&connection, options).await?;
    let missing: Vec<&WantedTopic> =
        rows.iter().filter(|row| row.found.is_none()).map(|row| &row.wanted).collect();
    let mut changes = create_topics(&connection, &missing).await?;
    for row in &rows {
        if let Some(found) = &row.found {
            mend(&connection, row, found, &mut changes).await?;
        }
    }
    // What is new is not known to every broker at once.
    let wait = async {
        while describe_over(&connection, options).await?.iter().any(|row| row.found.is_none()) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    };
    tokio::time::timeout(connection.timeout, wait).await.unwrap_or(Ok(()))?;
    Ok(changes)
}

async fn create_topics(connection: &Connection, missing: &[&WantedTopic]) -> Result<Vec<Change>, KafkaError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let settings: Vec<[(&str, String); 4]> = missing
        .iter()
        .map(|wanted| {
            [
                (RETENTION, wanted.retention_ms.to_string()),
                (RECORD_BYTES, wanted.batch_bytes_max.to_string()),
                (IN_SYNC, wanted.min_insync.to_string()),
                (CLEANUP, "delete".to_owned()),
            ]
        })
        .collect();
    let topics: Vec<NewTopic<'_>> = missing
        .iter()
        .zip(&settings)
        .map(|(wanted, settings)| {
            let partitions = i32::try_from(wanted.partitions).unwrap_or(i32::MAX);
            let replication = TopicReplication::Fixed(i32::from(wanted.replication));
            let topic = NewTopic::new(&wanted.name, partitions, replication);
            settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let results = connection.admin.create_topics(&topics, &connection.admin_options()).await;
    let results = results.map_err(|error| connection.failed("creating topics", &error))?;
    let mut changes = Vec::with_capacity(missing.len());
    for (wanted, result) in missing.iter().zip(results) {
        match result {
            Ok(name) => changes.push(Change::Created { name, partitions: wanted.partitions }),
            // Somebody else was faster.
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(KafkaError::Create { topic, reason: refused(wanted, code) });
            }
        }
    }
    Ok(changes)
}

fn refused(wanted: &WantedTopic, code: Code) -> String {
    match code {
        Code::InvalidReplicationFactor => format!(
            "there are fewer brokers than copies ({}); start more brokers or set replication to their number",
            wanted.replication
        ),
        Code::PolicyViolation => {
            "a policy of the cluster forbids it; create it there with the settings of `sluice topics describe`"
                .to_owned()
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            "this user may not create topics; grant it, or create them as another one".to_owned()
        }
        code => code.to_string(),
    }
}

async fn mend(
    connection: &Connection,
    row: &TopicRow,
    found: &FoundTopic,
    changes: &mut Vec<Change>,
) -> Result<(), KafkaError> {
    let wanted = &row.wanted;
    if found.partitions < wanted.partitions {
        let more = NewPartitions::new(&wanted.name, wanted.partitions as usize);
        let what = format!("adding partitions to topic {}", wanted.name);
        let results = connection.admin.create_partitions([&more], &connection.admin_options()).await;
        let results = results.map_err(|error| connection.failed(&what, &error))?;
        if let Some(Err((_, code))) = results.into_iter().next() {
            return Err(KafkaError::Admin { what, reason: code.to_string() });
        }
        changes.push(Change::Grown {
            name: wanted.name.clone(),
            from: found.partitions,
            to: wanted.partitions,
        });
    }
    let settings: Vec<(&'static str, String)> = row
        .differences
        .iter()
        .filter(|difference| difference.mended_by_create)
        .filter(|difference| [RETENTION, RECORD_BYTES, IN_SYNC, CLEANUP].contains(&difference.what))
        .map(|difference| (difference.what, difference.wanted.clone()))
        .collect();
    if settings.is_empty() {
        return Ok(());
    }
    let name = wanted.name.clone();
    let asked = settings.clone();
    let answer =
        connection.blocking(move |client| native::set_configs(client, &name, &asked, ONE_TRY * 3)).await;
    answer.map_err(|(_, reason)| KafkaError::Admin {
        what: format!("changing settings of topic {}", wanted.name),
        reason,
    })?;
    for difference in &row.differences {
        if settings.iter().any(|(setting, _)| *setting == difference.what) {
            changes.push(Change::Set {
                name: wanted.name.clone(),
                setting: difference.what,
                from: difference.found.clone(),
                to: difference.wanted.clone(),
            });
        }
    }
    Ok(())
}

/// Every topic as it should be and as it is, over a connection that is there.
pub(crate) async fn describe_over(
    connection: &Connection,
    options: &KafkaOptions,
) -> Result<Vec<TopicRow>, KafkaError> {
    let plan = plan(options);
    let names: Vec<String> = plan.iter().map(|wanted| wanted.name.clone()).collect();
    let described = connection.describe(names).await?;
    let present: Vec<&str> =
        described.iter().filter(|topic| topic.life.is_some()).map(|topic| topic.name.as_str()).collect();
    let resources: Vec<ResourceSpecifier<'_>> =
        present.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    // Who may not read settings can still work: they are then not looked at.
    let settings = match resources.is_empty() {
        true => Vec::new(),
        false => connection
            .admin
            .describe_configs(&resources, &connection.admin_options())
            .await
            .map_err(|error| connection.failed("reading the settings of topics", &error))?,
    };
    let setting = |topic: &str, name: &str| {
        let at = present.iter().position(|present| *present == topic)?;
        settings.get(at)?.as_ref().ok()?.get(name)?.value.clone()
    };
    let rows = plan.into_iter().map(|wanted| {
        let found = described.iter().find(|topic| topic.name == wanted.name).and_then(|topic| {
            Some(FoundTopic {
                life: topic.life.clone()?,
                partitions: topic.partitions,
                replication: topic.replicas,
                min_insync: setting(&topic.name, IN_SYNC).and_then(|value| value.parse().ok()),
                retention_ms: setting(&topic.name, RETENTION).and_then(|value| value.parse().ok()),
                batch_bytes_max: setting(&topic.name, RECORD_BYTES).and_then(|value| value.parse().ok()),
                cleanup: setting(&topic.name, CLEANUP),
            })
        });
        let differences = differences(&wanted, found.as_ref());
        TopicRow { wanted, found, differences }
    });
    Ok(rows.collect())
}
