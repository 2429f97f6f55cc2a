//! Where a member begins to read, and why it can't.

use crate::kafka::log::TopicInfo;
use sluice_runtime::ports::log::{LogError, Partition, Position};

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
