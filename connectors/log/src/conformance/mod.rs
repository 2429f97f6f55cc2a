//! What the log port promises, as assertions: each function takes an empty log and panics where a guarantee
//! does not hold.
//!
//! The log has at least two partitions of [`Topic::Chunks`]. The functions need tokio's timer: they wait for
//! what must not happen, and give up on what does not happen.
#![expect(clippy::unwrap_used, reason = "test support: a failed call is a failed test")]

mod groups;
mod records;

pub use groups::*;
pub use records::*;

use bytes::Bytes;
use sluice_runtime::ports::log::{
    Deliveries, Delivery, Log, NewRecord, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Runs every property at the pace of a log on other machines: what has not happened after `a_while` is taken not to
/// happen. It should be longer than the group takes to move a partition.
pub async fn run_all_at(a_while: Duration, make: impl AsyncFn() -> Arc<dyn Log>) {
    PACE.scope(a_while, run_all(make)).await;
}

/// Runs every property, each on a log of its own that `make` gives, empty.
pub async fn run_all(make: impl AsyncFn() -> Arc<dyn Log>) {
    batches_lie_in_the_order_of_the_calls(&*make().await).await;
    what_was_read_once_is_read_again(&*make().await).await;
    a_read_keeps_to_its_limit(&*make().await).await;
    a_read_begins_at_any_record(&*make().await).await;
    empty_and_large_values_come_back_whole(&*make().await).await;
    topics_and_partitions_are_apart(&*make().await).await;
    a_missing_partition_is_an_error(&*make().await).await;
    bounds_name_the_first_and_the_next_record(&*make().await).await;
    hazard_26_reading_what_was_removed_is_an_error(&*make().await).await;

    a_member_reads_from_the_start_and_goes_on(&*make().await).await;
    a_member_begins_where_the_group_committed(&*make().await).await;
    groups_do_not_know_each_other(&*make().await).await;
    a_waiting_member_hears_of_new_records(&*make().await).await;
    a_cancelled_wait_loses_nothing(&*make().await).await;
    a_paused_partition_is_silent_until_it_is_resumed(&*make().await).await;
    g6_a_full_partition_does_not_silence_another(&*make().await).await;
    a_second_member_waits_for_the_first_to_finish(&*make().await).await;
    hazard_6_a_former_member_commits_nothing(&*make().await).await;
    who_leaves_hands_its_partitions_to_the_others(&*make().await).await;
    d8_who_is_in_a_group_is_told(&*make().await).await;
    hazard_26_a_group_is_told_that_its_position_was_removed(&*make().await).await;
}

pub(crate) const CHUNKS: Topic = Topic::Chunks;
pub(crate) const ZERO: Partition = Partition(0);
pub(crate) const ONE: Partition = Partition(1);
pub(crate) const START: Position = Position(0);

/// No limit that matters here.
pub(crate) const ALL: ReadLimit = ReadLimit { records_max: 100_000, bytes_max: 100 << 20 };

/// What takes longer than this does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

tokio::task_local! {
    static PACE: Duration;
}

/// What has not happened by then is taken not to happen.
pub(crate) fn a_while() -> Duration {
    PACE.try_with(|pace| *pace).unwrap_or(Duration::from_millis(60))
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Records named `name`-0 to `name`-(`count` − 1).
pub(crate) fn records(name: &str, count: usize) -> Vec<NewRecord> {
    (0..count)
        .map(|number| NewRecord {
            key: Bytes::from(format!("key-{}", number % 5)),
            value: Bytes::from(format!("{name}-{number}")),
        })
        .collect()
}

pub(crate) async fn append(
    log: &dyn Log,
    partition: Partition,
    batch: Vec<NewRecord>,
) -> std::ops::Range<u64> {
    within("append", log.append(CHUNKS, partition, batch)).await.unwrap()
}

pub(crate) fn values(records: &[StoredRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.value).into_owned()).collect()
}

pub(crate) fn names(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

pub(crate) async fn next(deliveries: &mut Box<dyn Deliveries>) -> Delivery {
    within("delivery", deliveries.next()).await.unwrap()
}

/// Nothing is delivered for a while.
pub(crate) async fn silence(deliveries: &mut Box<dyn Deliveries>) {
    if let Ok(delivery) = tokio::time::timeout(a_while(), deliveries.next()).await {
        panic!("unexpected {delivery:?}");
    }
}
