//! The keys of the log's tables. Numbers are big-endian, so that keys lie in the order of their numbers.

use sluice_runtime::ports::log::{Partition, Topic};

/// Stored; never given another meaning.
pub(crate) fn topic_code(topic: Topic) -> u8 {
    match topic {
        Topic::Launches => 1,
        Topic::Control => 2,
        Topic::Sends => 3,
        Topic::Chunks => 4,
        Topic::WebhooksRaw => 5,
        Topic::Receipts => 6,
        Topic::Progress => 7,
        Topic::Events => 8,
        Topic::DeadLetters => 9,
    }
}

/// A topic's row: its partitions and generation.
pub(crate) fn topic_row(topic: Topic) -> [u8; 2] {
    [b't', topic_code(topic)]
}

/// A partition's row: the first kept offset.
pub(crate) fn start_row(topic: Topic, partition: Partition) -> [u8; 6] {
    let [a, b, c, d] = partition.0.to_be_bytes();
    [b's', topic_code(topic), a, b, c, d]
}

/// What the keys of all blocks of a partition begin with.
pub(crate) fn block_prefix(topic: Topic, partition: Partition) -> [u8; 5] {
    let [a, b, c, d] = partition.0.to_be_bytes();
    [topic_code(topic), a, b, c, d]
}

/// The block whose first record has the offset `base`.
pub(crate) fn block(topic: Topic, partition: Partition, base: u64) -> [u8; 13] {
    let mut key = [0; 13];
    key[..5].copy_from_slice(&block_prefix(topic, partition));
    key[5..].copy_from_slice(&base.to_be_bytes());
    key
}

/// The offset in the key of a block.
pub(crate) fn block_base(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(5..)?.try_into().ok()?))
}

/// The committed position of a group.
pub(crate) fn commit_row(group: &str, topic: Topic, partition: Partition) -> Vec<u8> {
    let mut key = vec![topic_code(topic)];
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(group.as_bytes());
    key
}
