//! Where a member begins to read, and why it can't.

use crate::kafka::client::{Events, ONE_TRY, code};
use crate::kafka::log::TopicInfo;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_runtime::ports::log::{LogError, Partition, Position};
use std::collections::BTreeMap;

/// Where a partition is read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: Partition,
    pub(crate) position: Position,
    /// Why nothing can be read there.
    pub(crate) broken: Option<LogError>,
}

/// Where a group begins that committed there, in a partition with these bounds.
pub(crate) fn place(
    info: &TopicInfo,
    partition: Partition,
    committed: Option<u64>,
    start: u64,
    end: u64,
) -> Place {
    let topic = info.topic;
    let broken = committed.and_then(|known| {
        if known < start {
            let (asked, start) = (Position(known), Position(start));
            return Some(LogError::BelowStart { topic, partition, asked, start });
        }
        let (known, end) = (Position(known), Position(end));
        (known > end).then_some(LogError::Behind { topic, partition, end, known })
    });
    Place { partition, position: Position(committed.unwrap_or(start)), broken }
}

/// The first kept or the next offset of all partitions of a list, asked for at once: with a question a partition, pages
/// of a member that takes many over would wait for all of them. Blocks. Where there is no answer, the leaders are asked
/// for, as by [`crate::kafka::reader::watermarks`].
pub(crate) fn bounds(
    consumer: &BaseConsumer<Events>,
    topic: &str,
    mut list: TopicPartitionList,
    bound: Bound,
) -> Result<BTreeMap<Partition, u64>, Code> {
    let asked = list.set_all_offsets(bound.asked()).and_then(|()| consumer.offsets_for_times(list, ONE_TRY));
    let found = asked.map_err(code).and_then(|found| {
        let offset = |element: &TopicPartitionListElem<'_>| {
            element.error().map_err(code)?;
            let partition = Partition(u32::try_from(element.partition()).unwrap_or_default());
            match element.offset() {
                ClientOffset::Offset(offset) => Ok((partition, offset.max(0).cast_unsigned())),
                // As it was asked: there was no answer for it.
                _ => Err(Code::Fail),
            }
        };
        found.elements().iter().map(offset).collect()
    });
    if found.is_err() {
        drop(consumer.fetch_metadata(Some(topic), ONE_TRY));
    }
    found
}

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Of the first kept record.
    Start,
    /// After the last one.
    End,
}

impl Bound {
    /// As a "time" of the request for offsets by time: Kafka has a special one for each.
    fn asked(self) -> ClientOffset {
        match self {
            Self::Start => ClientOffset::Beginning,
            Self::End => ClientOffset::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_runtime::ports::log::Topic;

    #[test]
    fn hazards_17_and_26_a_position_outside_the_partition_is_an_error_and_never_a_skip() {
        let info = TopicInfo {
            topic: Topic::Chunks,
            name: "chunks".to_owned(),
            partitions: 1,
            generation: 1,
            life: String::new(),
        };
        let at = |committed| place(&info, Partition(0), committed, 10, 20);
        assert_eq!((at(None).position, at(None).broken), (Position(10), None));
        for inside in [10, 15, 20] {
            assert_eq!((at(Some(inside)).position, at(Some(inside)).broken), (Position(inside), None));
        }
        assert!(matches!(at(Some(9)).broken, Some(LogError::BelowStart { start: Position(10), .. })));
        assert!(matches!(at(Some(21)).broken, Some(LogError::Behind { end: Position(20), .. })));
    }
}
