//! A member's seat: what the polling thread puts there and what the member takes, with bounds.

use sluice_runtime::ports::log::{LogError, Partition, Position, RevokeGuard, StoredRecord};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Records of one delivery at most.
pub(crate) const RECORDS_MAX: usize = 1_000;

/// Bytes of keys and values of one delivery, after which no record is added.
pub(crate) const BYTES_MAX: usize = 1 << 20;

/// What a member has not heard yet. Comes before all records.
#[derive(Debug)]
pub(crate) enum News {
    Assigned { partition: Partition, position: Position },
    Revoking { partitions: Vec<Partition>, done: RevokeGuard },
    Lost { partitions: Vec<Partition> },
}

/// What is in a turn.
#[derive(Debug)]
pub(crate) enum Turn {
    News(News),
    Records(Partition, Vec<StoredRecord>),
    Failed(LogError),
}

#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<StoredRecord>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    news: VecDeque<News>,
    waiting: BTreeMap<Partition, Waiting>,
    /// Silent because the member wants it.
    paused: BTreeSet<Partition>,
    /// Those that the member may commit, with the number of the assignment.
    owned: BTreeMap<Partition, u64>,
    assignments: u64,
    /// Why nothing of a partition can be delivered.
    broken: BTreeMap<Partition, LogError>,
    /// Why nothing can be delivered at all.
    failed: Option<LogError>,
    served_last: Option<Partition>,
    commits_under_way: usize,
    /// The brokers know nothing of the group.
    is_group_gone: bool,
    has_left: bool,
}

/// Shared by the polling thread, the committing thread and both halves of the membership.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: Mutex<State>,
    changed: Notify,
}

impl Seat {
    // The polling thread.

    /// The partition is this member's. `broken` says why nothing of it can be delivered.
    pub(crate) fn assign(&self, partition: Partition, position: Position, broken: Option<LogError>) {
        let mut state = self.state();
        state.assignments += 1;
        let number = state.assignments;
        state.owned.insert(partition, number);
        state.waiting.insert(partition, Waiting::default());
        state.broken.remove(&partition);
        if let Some(error) = broken {
            state.broken.insert(partition, error);
        }
        state.news.push_back(News::Assigned { partition, position });
        self.changed.notify_one();
    }

    /// The partition can't go on.
    pub(crate) fn break_off(&self, partition: Partition, error: LogError) {
        self.state().broken.insert(partition, error);
        self.changed.notify_one();
    }

    /// The partitions go; what was not delivered of them never is, commits still count.
    pub(crate) fn revoke(&self, partitions: Vec<Partition>, done: RevokeGuard) {
        let mut state = self.state();
        state.forget_records(&partitions);
        state.news.push_back(News::Revoking { partitions, done });
        self.changed.notify_one();
    }

    /// The partitions are gone: commits are refused from now on. `is_told` says so to the member.
    pub(crate) fn lose(&self, partitions: &[Partition], is_told: bool) {
        let mut state = self.state();
        state.forget_records(partitions);
        for partition in partitions {
            state.owned.remove(partition);
        }
        if is_told && !partitions.is_empty() {
            state.news.push_back(News::Lost { partitions: partitions.to_vec() });
        }
        self.changed.notify_one();
    }

    /// The membership can't go on at all.
    pub(crate) fn fail(&self, error: LogError) {
        let mut state = self.state();
        state.owned.clear();
        state.failed.get_or_insert(error);
        self.changed.notify_one();
    }

    /// Adds records of one partition; says whether it has enough for now.
    pub(crate) fn deliver(&self, partition: Partition, records: Vec<StoredRecord>) -> bool {
        let mut state = self.state();
        let Some(waiting) = state.waiting.get_mut(&partition) else { return false };
        waiting.bytes += records.iter().map(size).sum::<usize>();
        waiting.records.extend(records);
        let is_full = waiting.is_full();
        self.changed.notify_one();
        is_full
    }

    /// Whether the partition takes records again.
    pub(crate) fn has_room(&self, partition: Partition) -> bool {
        self.state().waiting.get(&partition).is_none_or(|waiting| waiting.records.is_empty())
    }

    pub(crate) fn has_left(&self) -> bool {
        self.state().has_left
    }

    /// Whether somebody heard that the brokers know nothing of the group, since it was asked last.
    pub(crate) fn heard_that_group_is_gone(&self) -> bool {
        std::mem::take(&mut self.state().is_group_gone)
    }

    pub(crate) fn commits_under_way(&self) -> usize {
        self.state().commits_under_way
    }

    // The committing thread.

    /// The brokers know nothing of the group.
    pub(crate) fn group_is_gone(&self) {
        self.state().is_group_gone = true;
    }

    // The member.

    /// What the member hears next, if there is anything. `is_held` are partitions whose records wait for
    /// something else.
    pub(crate) fn take(&self, is_held: impl Fn(Partition) -> bool) -> Option<Turn> {
        let mut state = self.state();
        if let Some(news) = state.news.pop_front() {
            return Some(Turn::News(news));
        }
        if let Some(error) = &state.failed {
            return Some(Turn::Failed(error.clone()));
        }
        // Partitions take turns: the one that was served last comes last.
        let can_be_served = |(partition, waiting): (&Partition, &Waiting)| {
            let is_ready =
                !waiting.records.is_empty() && !state.paused.contains(partition) && !is_held(*partition);
            is_ready.then_some(*partition)
        };
        let ready: Vec<Partition> = state.waiting.iter().filter_map(can_be_served).collect();
        let after = ready.iter().find(|partition| Some(**partition) > state.served_last);
        if let Some(partition) = after.or(ready.first()).copied() {
            state.served_last = Some(partition);
            let records = state.waiting.get_mut(&partition).map(Waiting::take).unwrap_or_default();
            return Some(Turn::Records(partition, records));
        }
        // The others have had their turn.
        state.broken.values().next().cloned().map(Turn::Failed)
    }

    /// Resolves when something may have changed since the last [`Seat::take`]. For one waiter.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Makes the waiter look again.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn pause(&self, partition: Partition) {
        self.state().paused.insert(partition);
    }

    pub(crate) fn resume(&self, partition: Partition) {
        self.state().paused.remove(&partition);
        self.changed.notify_one();
    }

    pub(crate) fn is_paused(&self, partition: Partition) -> bool {
        self.state().paused.contains(&partition)
    }

    /// The member goes. Commits are refused from now on.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.has_left = true;
        state.owned.clear();
        state.news.clear();
        state.waiting.clear();
    }

    // Commits.

    /// The number of the assignment under which the member has the partition.
    pub(crate) fn owned(&self, partition: Partition) -> Option<u64> {
        self.state().owned.get(&partition).copied()
    }

    /// Begins a commit if the partition is still this member's under that assignment: until [`Seat::committed`] it
    /// stays so for the group.
    pub(crate) fn begin_commit(&self, partition: Partition, assignment: u64) -> bool {
        let mut state = self.state();
        let is_owned = state.owned.get(&partition) == Some(&assignment);
        state.commits_under_way += usize::from(is_owned);
        is_owned
    }

    /// Ends so many commits.
    pub(crate) fn committed(&self, count: usize) {
        let mut state = self.state();
        state.commits_under_way = state.commits_under_way.saturating_sub(count);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_records(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.waiting.remove(partition);
            self.paused.remove(partition);
            self.broken.remove(partition);
        }
    }
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX
    }

    /// One delivery.
    fn take(&mut self) -> Vec<StoredRecord> {
        let (mut count, mut bytes) = (0, 0);
        while count < self.records.len().min(RECORDS_MAX) && (count == 0 || bytes < BYTES_MAX) {
            bytes += size(&self.records[count]);
            count += 1;
        }
        self.bytes -= bytes;
        self.records.drain(..count).collect()
    }
}

fn size(record: &StoredRecord) -> usize {
    record.key.len() + record.value.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sluice_runtime::ports::log::{Offset, Topic};
    use std::time::Duration;

    fn records(count: u64) -> Vec<StoredRecord> {
        let record = |offset| StoredRecord {
            offset: Offset(offset),
            key: Bytes::new(),
            value: "v".into(),
            appended_ms: None,
        };
        (0..count).map(record).collect()
    }

    fn seat(partitions: u32) -> Seat {
        let seat = Seat::default();
        for number in 0..partitions {
            seat.assign(Partition(number), Position(0), None);
            assert!(matches!(take(&seat), Some(Turn::News(News::Assigned { .. }))));
        }
        seat
    }

    fn take(seat: &Seat) -> Option<Turn> {
        seat.take(|_| false)
    }

    fn served(turn: Option<Turn>) -> (u32, usize) {
        let Some(Turn::Records(partition, records)) = turn else { panic!("{turn:?}") };
        (partition.0, records.len())
    }

    #[test]
    fn g6_partitions_take_turns_and_a_full_one_is_told() {
        let seat = seat(2);
        assert!(seat.deliver(Partition(0), records(2_500)));
        assert!(!seat.deliver(Partition(1), records(1)));
        let turns: Vec<_> = (0..4).map(|_| served(take(&seat))).collect();
        assert_eq!(turns, [(0, 1_000), (1, 1), (0, 1_000), (0, 500)]);
        assert!(seat.has_room(Partition(0)) && take(&seat).is_none());
    }

    #[test]
    fn nothing_of_a_revoked_partition_is_delivered_and_commits_still_count() {
        let seat = seat(2);
        seat.deliver(Partition(0), records(5));
        let assignment = seat.owned(Partition(0)).unwrap();
        let (guard, _done) = RevokeGuard::new(Duration::ZERO);
        seat.revoke(vec![Partition(0)], guard);
        seat.deliver(Partition(0), records(5));
        assert!(matches!(take(&seat), Some(Turn::News(News::Revoking { .. }))));
        assert!(take(&seat).is_none());
        assert!(seat.begin_commit(Partition(0), assignment));
        assert_eq!(seat.commits_under_way(), 1);
        seat.committed(1);
        seat.lose(&[Partition(0)], false);
        assert!(!seat.begin_commit(Partition(0), assignment) && take(&seat).is_none());
    }

    #[test]
    fn hazard_6_a_commit_of_an_earlier_assignment_is_refused() {
        let seat = seat(1);
        let earlier = seat.owned(Partition(0)).unwrap();
        seat.lose(&[Partition(0)], true);
        seat.assign(Partition(0), Position(0), None);
        assert!(!seat.begin_commit(Partition(0), earlier));
        assert!(matches!(take(&seat), Some(Turn::News(News::Lost { .. }))));
        assert!(matches!(take(&seat), Some(Turn::News(News::Assigned { .. }))));
    }

    #[test]
    fn hazard_26_a_broken_partition_is_told_after_the_others_had_their_turn() {
        let seat = seat(1);
        let error = LogError::NoPartition { topic: Topic::Chunks, partition: Partition(7) };
        seat.assign(Partition(7), Position(3), Some(error.clone()));
        seat.deliver(Partition(0), records(1));
        assert!(matches!(take(&seat), Some(Turn::News(News::Assigned { .. }))));
        assert_eq!(served(take(&seat)), (0, 1));
        for _ in 0..2 {
            assert!(matches!(take(&seat), Some(Turn::Failed(told)) if told == error));
        }
    }
}
