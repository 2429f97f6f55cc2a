//! Asks the brokers where a member begins to read what it was given.

use super::context::MemberContext;
use super::place::{Bound, Place, bounds, place};
use crate::kafka::client::{Events, ONE_TRY, code};
use crate::kafka::connection::Connection;
use crate::kafka::log::TopicInfo;
use crate::kafka::native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_runtime::ports::log::{LogError, Partition};
use std::thread::ScopedJoinHandle;

/// Who asks.
pub(super) struct Asking<'a> {
    /// The member.
    pub(super) consumer: &'a BaseConsumer<MemberContext>,
    /// Reads what the member has.
    pub(super) fetcher: &'a BaseConsumer<Events>,
    pub(super) info: &'a TopicInfo,
    pub(super) connection: &'a Connection,
}

/// Why a position is not known.
pub(super) enum Unknown {
    /// Ask again.
    Now(Code),
    Never(LogError),
}

impl Asking<'_> {
    /// Where `partitions` are read from: where the group committed, or at the first kept record. Blocks.
    pub(super) fn places(&self, partitions: &[Partition]) -> Result<Vec<Place>, Unknown> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let unknown = |error: ClientError| Unknown::Now(code(error));
        // All at the same time: until the last is answered, the pages of these partitions stand still.
        let bound = |bound| bounds(self.fetcher, &self.info.name, list(&self.info.name, partitions), bound);
        let (life, committed, start, end) = std::thread::scope(|scope| {
            let life = scope.spawn(|| self.check_life());
            let start = scope.spawn(|| bound(Bound::Start));
            let end = scope.spawn(|| bound(Bound::End));
            let committed = self.consumer.committed_offsets(list(&self.info.name, partitions), ONE_TRY);
            (joined(life), committed, joined(start), joined(end))
        });
        life?;
        let (start, end) = (start.map_err(Unknown::Now)?, end.map_err(Unknown::Now)?);
        let mut places = Vec::with_capacity(partitions.len());
        for element in committed.map_err(unknown)?.elements() {
            element.error().map_err(unknown)?;
            let partition = Partition(u32::try_from(element.partition()).unwrap_or_default());
            let (Some(start), Some(end)) = (start.get(&partition), end.get(&partition)) else {
                return Err(Unknown::Now(Code::Fail));
            };
            let committed = match element.offset() {
                ClientOffset::Offset(offset) => Some(offset.max(0).cast_unsigned()),
                _ => None,
            };
            places.push(place(self.info, partition, committed, *start, *end));
        }
        Ok(places)
    }

    /// A topic that was made anew while this process runs begins at 0 again: nothing that is known of it holds
    /// any more (hazard 17).
    fn check_life(&self) -> Result<(), Unknown> {
        let names = [self.info.name.clone()];
        let described = native::describe_topics(self.connection.admin.inner(), &names, ONE_TRY);
        match described.map_err(Unknown::Now)?.into_iter().next().and_then(|topic| topic.life) {
            Some(life) if life == self.info.life => Ok(()),
            Some(_) => {
                let text = format!("topic {} was made anew while it was in use; start again", self.info.name);
                Err(Unknown::Never(LogError::Storage(text)))
            }
            None => Err(Unknown::Now(Code::UnknownTopicOrPartition)),
        }
    }
}

/// What a thread brought; its panic goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Partitions of a topic.
pub(super) fn list(topic: &str, partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, i32::try_from(partition.0).unwrap_or(i32::MAX));
    }
    list
}
