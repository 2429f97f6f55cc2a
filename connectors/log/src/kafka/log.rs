//! The log itself: topics bound to their lives, and the port over appender, readers and groups.

use super::client::{self, AGAIN, Events, ONE_TRY};
use super::connection::{Connection, blocking};
use super::differences;
use super::error::KafkaError;
use super::framing::{self, Framing};
use super::group;
use super::health::Health;
use super::native;
use super::options::KafkaOptions;
use super::producer::Appender;
use super::reader::watermarks;
use super::readers::Readers;
use super::topics;
use super::trouble::Trouble;
use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_runtime::ports::log::{
    AppendTicket, Attendance, Bounds, Generations, Log, LogError, Membership, NewRecord, Partition, Position,
    ReadLimit, StoredRecord, Topic,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::oneshot;

/// The log on Kafka. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct KafkaLog {
    inner: Arc<Inner>,
}

/// A topic of this log.
#[derive(Debug, Clone)]
pub(crate) struct TopicInfo {
    pub(crate) topic: Topic,
    pub(crate) name: String,
    pub(crate) partitions: u32,
    pub(crate) generation: u32,
    pub(crate) life: String,
}

struct Inner {
    options: KafkaOptions,
    topics: BTreeMap<Topic, Arc<TopicInfo>>,
    connection: Connection,
    appender: Appender,
    readers: Readers,
    framing: Arc<OnceLock<Arc<dyn Framing>>>,
    /// Held by whoever asks who is in a group.
    attending: Arc<tokio::sync::Mutex<()>>,
    /// Clients that look at what a group committed.
    groups: Mutex<BTreeMap<String, Arc<BaseConsumer<Events>>>>,
    _health: Health,
}

impl KafkaLog {
    /// Connects, looks at the topics, and binds the life of each to its number.
    ///
    /// # Errors
    /// When no broker answers, the login is refused, or a topic is not as the options ask for: each error says
    /// what to do.
    pub async fn connect(options: KafkaOptions, generations: &dyn Generations) -> Result<Self, KafkaError> {
        let connection = Connection::open(&options).await?;
        let rows = topics::describe_over(&connection, &options).await?;
        if let Some(refusal) = differences::refusal(&rows) {
            return Err(refusal);
        }
        let mut topics = BTreeMap::new();
        for row in rows {
            let (topic, name) = (row.wanted.topic, row.wanted.name);
            let Some(found) = row.found else { return Err(KafkaError::MissingTopics(vec![name])) };
            let generation = generations
                .generation(&name, &found.life)
                .await
                .map_err(|reason| KafkaError::Generation { topic, reason })?;
            let partitions = found.partitions;
            topics
                .insert(topic, Arc::new(TopicInfo { topic, name, partitions, generation, life: found.life }));
        }
        let names: BTreeMap<Topic, String> =
            topics.iter().map(|(topic, info)| (*topic, info.name.clone())).collect();
        let (names, trouble) = (Arc::new(names), connection.trouble.clone());
        let framing = Arc::new(OnceLock::new());
        let appender = Appender::start(&options, names.clone(), framing.clone(), trouble.clone())
            .map_err(KafkaError::Client)?;
        let readers = Readers::new(&options, names, trouble);
        let health = Health::watch(connection.clone()).map_err(KafkaError::Client)?;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                topics,
                connection,
                appender,
                readers,
                framing,
                attending: Arc::default(),
                groups: Mutex::default(),
                _health: health,
            }),
        })
    }

    /// Changes the header of values on their way out and in from now on. The first one stays.
    #[must_use]
    pub fn with_framing(self, framing: Arc<dyn Framing>) -> Self {
        // A second one is not taken: records of one log have one framing.
        drop(self.inner.framing.set(framing));
        self
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KafkaLog({})", self.inner.options.brokers)
    }
}

impl Inner {
    fn info(&self, topic: Topic, partition: Partition) -> Result<&Arc<TopicInfo>, LogError> {
        let info = self.topics.get(&topic).filter(|info| partition.0 < info.partitions);
        info.ok_or(LogError::NoPartition { topic, partition })
    }

    /// First kept and next offset, however long the brokers take to say so.
    async fn watermarks(&self, info: &Arc<TopicInfo>, partition: Partition) -> Result<(u64, u64), LogError> {
        let (consumer, topic) = (self.connection.questions.clone(), info.clone());
        let ask = move || watermarks(&consumer, &topic.name, partition);
        again(&self.connection.trouble, &format!("asking for the bounds of {}", info.name), ask).await
    }

    fn group(&self, group: &str) -> Result<Arc<BaseConsumer<Events>>, LogError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumer) = groups.get(group) {
            return Ok(consumer.clone());
        }
        let events = Events { trouble: self.connection.trouble.clone() };
        let consumer: BaseConsumer<Events> = client::consumer(&self.options, group)
            .create_with_context(events)
            .map_err(|error| LogError::Storage(format!("group {group}: {error}")))?;
        let consumer = Arc::new(consumer);
        self.connection.trouble.lifeline.hold(&consumer);
        groups.insert(group.to_owned(), consumer.clone());
        Ok(consumer)
    }
}

/// Asks until there is an answer or a refusal that is final.
async fn again<T: Send + 'static>(
    trouble: &Trouble,
    what: &str,
    ask: impl Fn() -> Result<T, Code> + Clone + Send + 'static,
) -> Result<T, LogError> {
    loop {
        match blocking(ask.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(code) if trouble.failed(what, code) => tokio::time::sleep(AGAIN).await,
            Err(code) => return Err(LogError::Storage(format!("{what}: {code}"))),
        }
    }
}

/// What a group committed for a partition, once. Blocks.
fn committed(
    consumer: &BaseConsumer<Events>,
    topic: &str,
    partition: Partition,
) -> Result<Option<Position>, Code> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, i32::try_from(partition.0).unwrap_or(i32::MAX));
    let answer = consumer.committed_offsets(list, ONE_TRY);
    // Serves what the client has to say.
    drop(consumer.poll(std::time::Duration::ZERO));
    let answer = answer.map_err(client::code)?;
    let Some(element) = answer.elements().into_iter().next() else { return Err(Code::Fail) };
    element.error().map_err(client::code)?;
    Ok(match element.offset() {
        ClientOffset::Offset(offset) => Some(Position(offset.max(0).cast_unsigned())),
        _ => None,
    })
}

#[async_trait]
impl Log for KafkaLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.inner.topics.get(&topic).map_or(0, |info| info.partitions)
    }

    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        if let Err(error) = self.inner.info(topic, partition) {
            let (answer, ticket) = AppendTicket::pair();
            // The ticket is still here, so the answer arrives.
            drop(answer.send(Err(error)));
            return ticket;
        }
        self.inner.appender.append(topic, partition, records)
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        self.inner.info(topic, partition)?;
        let mut records = self.inner.readers.read(topic, partition, from.0, limit).await?;
        framing::reframe_all(self.inner.framing.get(), topic, &mut records).await;
        Ok(records)
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let info = self.inner.info(topic, partition)?;
        let (start, end) = self.inner.watermarks(info, partition).await?;
        Ok(Bounds { start: Position(start), end: Position(end), generation: info.generation })
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Membership, LogError> {
        let info = self.inner.info(topic, Partition(0))?.clone();
        let (options, connection) = (self.inner.options.clone(), self.inner.connection.clone());
        let (group, framing) = (group.to_owned(), self.inner.framing.get().cloned());
        let inner = self.inner.clone();
        blocking(move || {
            let membership = group::join(&options, &connection, &group, info, framing)?;
            if topic == Topic::Chunks {
                // Who gets some of its partitions reads the sends of their pages next.
                inner.readers.prepare(Topic::Sends)?;
            }
            Ok(membership)
        })
        .await
    }

    async fn committed(
        &self,
        group: &str,
        topic: Topic,
        partition: Partition,
    ) -> Result<Option<Position>, LogError> {
        let info = self.inner.info(topic, partition)?.clone();
        let consumer = self.inner.group(group)?;
        let what = format!("asking what group {group} committed");
        let ask = move || committed(&consumer, &info.name, partition);
        again(&self.inner.connection.trouble, &what, ask).await
    }

    async fn attendance(&self, group: &str, topic: Topic) -> Result<Attendance, LogError> {
        let info = self.inner.info(topic, Partition(0))?.clone();
        let name = self.inner.options.group_name(group);
        let what = format!("asking who is in group {name}");
        loop {
            // One at a time: a question whose asker is gone waits for its answer all the same.
            let turn = self.inner.attending.clone().lock_owned().await;
            let (admin, name, topic) = (self.inner.connection.admin.clone(), name.clone(), info.name.clone());
            let (answer, answered) = oneshot::channel();
            // A thread of its own: the runtime of a process that stops would wait for a blocking task.
            let ask = move || {
                let _turn = turn;
                // Nobody may wait for it any more.
                drop(answer.send(native::attendance(admin.inner(), &name, &topic)));
            };
            std::thread::Builder::new()
                .name("kafka-groups".to_owned())
                .spawn(ask)
                .map_err(|error| LogError::Storage(format!("{what}: {error}")))?;
            match answered.await.unwrap_or(Err(Code::Fail)) {
                Ok(there) => return Ok(there),
                Err(code) if self.inner.connection.trouble.failed(&what, code) => {
                    tokio::time::sleep(AGAIN).await;
                }
                Err(code) => return Err(LogError::Storage(format!("{what}: {code}"))),
            }
        }
    }

    async fn trim(&self, topic: Topic, partition: Partition, position: Position) -> Result<(), LogError> {
        let info = self.inner.info(topic, partition)?;
        let what = format!("trimming {}", info.name);
        loop {
            let (start, end) = self.inner.watermarks(info, partition).await?;
            let to = position.0.min(end);
            if to <= start {
                return Ok(());
            }
            let request = {
                let mut list = TopicPartitionList::with_capacity(1);
                let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
                let offset = ClientOffset::Offset(i64::try_from(to).unwrap_or(i64::MAX));
                list.add_partition_offset(&info.name, number, offset)
                    .map_err(|error| LogError::Storage(format!("{what}: {error}")))?;
                let connection = &self.inner.connection;
                connection.admin.delete_records(&list, &connection.admin_options())
            };
            let code = match request.await {
                Ok(answer) => {
                    let elements = answer.elements();
                    elements.first().and_then(|element| element.error().err()).map(client::code)
                }
                Err(error) => Some(client::code(error)),
            };
            match code {
                None => {
                    self.inner.readers.forget(topic, partition);
                    return Ok(());
                }
                Some(code) if self.inner.connection.trouble.failed(&what, code) => {
                    tokio::time::sleep(AGAIN).await;
                }
                Some(code) => return Err(LogError::Storage(format!("{what}: {code}"))),
            }
        }
    }

    fn trouble(&self) -> Option<String> {
        // Without brokers nobody asks for schemas.
        self.inner.connection.trouble.text().or_else(|| self.inner.framing.get()?.trouble())
    }
}
