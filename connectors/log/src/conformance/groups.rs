//! Groups: assignment, delivery, commits, hand-over.

use super::{CHUNKS, ONE, START, ZERO, a_while, append, names, next, records, silence, values, within};
use sluice_runtime::ports::log::{
    Attendance, Deliveries, Delivery, Log, LogError, Membership, Partition, Position,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything a member has heard of its partitions.
#[derive(Default)]
struct Heard {
    positions: BTreeMap<Partition, Position>,
    values: BTreeMap<Partition, Vec<String>>,
}

impl Heard {
    /// Takes one delivery in; a revocation is not expected.
    fn hear(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Assigned { partition, position, .. } => {
                assert!(self.positions.insert(partition, position).is_none(), "{partition:?} assigned twice");
            }
            Delivery::Records { partition, records } => {
                let position = self.positions.get_mut(&partition).expect("assigned before its records");
                assert!(!records.is_empty());
                for record in &records {
                    assert!(record.offset.0 >= position.0, "in order, from the assigned position on");
                    *position = record.offset.next();
                }
                self.values.entry(partition).or_default().extend(values(&records));
            }
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Hears until as many partitions were assigned.
    async fn assigned(deliveries: &mut Box<dyn Deliveries>, count: usize) -> Self {
        let mut heard = Self::default();
        while heard.positions.len() < count {
            heard.hear(next(deliveries).await);
        }
        heard
    }

    /// Hears until as many records of a partition came in all.
    async fn until(&mut self, deliveries: &mut Box<dyn Deliveries>, partition: Partition, count: usize) {
        while self.values.get(&partition).map_or(0, Vec::len) < count {
            self.hear(next(deliveries).await);
        }
    }
}

async fn member(log: &dyn Log) -> Membership {
    within("join", log.join("group", CHUNKS)).await.unwrap()
}

fn all_partitions(log: &dyn Log) -> usize {
    log.partitions(CHUNKS) as usize
}

/// A lone member gets every partition, from its start, with its generation.
pub async fn a_member_reads_from_the_start_and_goes_on(log: &dyn Log) {
    append(log, ZERO, records("a", 1_500)).await;
    let mut member = member(log).await;
    let generation = log.bounds(CHUNKS, ZERO).await.unwrap().generation;
    let mut heard = Heard::default();
    while heard.positions.len() < all_partitions(log) {
        let delivery = next(&mut member.deliveries).await;
        if let Delivery::Assigned { position, generation: given, .. } = &delivery {
            assert_eq!((*position, *given), (START, generation));
        }
        heard.hear(delivery);
    }
    heard.until(&mut member.deliveries, ZERO, 1_500).await;
    append(log, ZERO, records("b", 3)).await;
    heard.until(&mut member.deliveries, ZERO, 1_503).await;
    assert_eq!(heard.values[&ZERO], [names("a", 1_500), names("b", 3)].concat());
    silence(&mut member.deliveries).await;
}

/// Not where it read, and not where another partition is.
pub async fn a_member_begins_where_the_group_committed(log: &dyn Log) {
    append(log, ZERO, records("a", 10)).await;
    assert_eq!(log.committed("group", CHUNKS, ZERO).await, Ok(None));
    {
        let mut first = member(log).await;
        let mut heard = Heard::default();
        heard.until(&mut first.deliveries, ZERO, 10).await;
        within("commit", first.committer.commit(ZERO, Position(4))).await.unwrap();
        assert_eq!(log.committed("group", CHUNKS, ZERO).await, Ok(Some(Position(4))));
    }
    assert_eq!(log.committed("group", CHUNKS, ONE).await, Ok(None));
    let mut second = member(log).await;
    let mut heard = Heard::default();
    heard.until(&mut second.deliveries, ZERO, 6).await;
    assert_eq!(heard.values[&ZERO], names("a", 10)[4..]);
}

/// Each has its own positions and all records.
pub async fn groups_do_not_know_each_other(log: &dyn Log) {
    append(log, ZERO, records("a", 10)).await;
    let mut left = within("join", log.join("left", CHUNKS)).await.unwrap();
    let mut right = within("join", log.join("right", CHUNKS)).await.unwrap();
    for member in [&mut left, &mut right] {
        let mut heard = Heard::default();
        heard.until(&mut member.deliveries, ZERO, 10).await;
    }
    within("commit", left.committer.commit(ZERO, Position(10))).await.unwrap();
    assert_eq!(log.committed("right", CHUNKS, ZERO).await, Ok(None));
}

/// Without polling: `next` is pending before the append.
pub async fn a_waiting_member_hears_of_new_records(log: &dyn Log) {
    let mut member = member(log).await;
    let mut heard = Heard::assigned(&mut member.deliveries, all_partitions(log)).await;
    let waiting = heard.until(&mut member.deliveries, ONE, 1);
    let appending = async {
        tokio::time::sleep(a_while() / 3).await;
        append(log, ONE, records("a", 1)).await;
    };
    tokio::join!(waiting, appending);
    assert_eq!(heard.values[&ONE], names("a", 1));
}

/// `next` may be dropped at any point, as `select!` does.
pub async fn a_cancelled_wait_loses_nothing(log: &dyn Log) {
    let mut member = member(log).await;
    let mut heard = Heard::default();
    for batch in 0..5 {
        append(log, ZERO, records(&format!("b{batch}"), 300)).await;
        let mut cancelled = 0;
        while heard.values.get(&ZERO).map_or(0, Vec::len) < 300 * (batch + 1) {
            tokio::select! {
                biased;
                delivery = member.deliveries.next() => heard.hear(delivery.unwrap()),
                () = tokio::task::yield_now() => cancelled += 1,
            }
            assert!(cancelled < 10_000_000, "waited in vain");
        }
    }
    let expected: Vec<String> = (0..5).flat_map(|batch| names(&format!("b{batch}"), 300)).collect();
    assert_eq!(heard.values[&ZERO], expected);
}

/// The others go on; the assignment and the order stay.
pub async fn a_paused_partition_is_silent_until_it_is_resumed(log: &dyn Log) {
    let mut member = member(log).await;
    let mut heard = Heard::assigned(&mut member.deliveries, all_partitions(log)).await;
    member.committer.pause(ZERO);
    append(log, ZERO, records("a", 5)).await;
    append(log, ONE, records("b", 5)).await;
    heard.until(&mut member.deliveries, ONE, 5).await;
    silence(&mut member.deliveries).await;
    within("commit", member.committer.commit(ZERO, Position(0))).await.unwrap();
    member.committer.resume(ZERO);
    heard.until(&mut member.deliveries, ZERO, 5).await;
    assert_eq!(heard.values[&ZERO], names("a", 5));
}

/// A backlog of one partition holds up no other.
pub async fn g6_a_full_partition_does_not_silence_another(log: &dyn Log) {
    let backlog = 40_000;
    append(log, ZERO, records("a", backlog)).await;
    append(log, ONE, records("b", 1)).await;
    let mut member = member(log).await;
    let mut heard = Heard::default();
    heard.until(&mut member.deliveries, ONE, 1).await;
    let before = heard.values.get(&ZERO).map_or(0, Vec::len);
    assert!(before <= backlog / 2, "{before} records of the backlog came first");
}

/// Hears until partitions are revoked; gives them and the guard.
async fn revoked(
    deliveries: &mut Box<dyn Deliveries>,
) -> (Vec<Partition>, sluice_runtime::ports::log::RevokeGuard) {
    loop {
        match next(deliveries).await {
            Delivery::Revoking { partitions, done } => return (partitions, done),
            Delivery::Lost { partitions } => panic!("lost {partitions:?} without being asked"),
            _ => {}
        }
    }
}

/// Hears assignments and records until `partitions` are assigned; gives their positions.
async fn takes_over(deliveries: &mut Box<dyn Deliveries>, partitions: &[Partition]) -> Vec<Position> {
    let mut heard = Heard::default();
    while !partitions.iter().all(|partition| heard.positions.contains_key(partition)) {
        match next(deliveries).await {
            Delivery::Assigned { partition, position, .. } => {
                assert!(heard.positions.insert(partition, position).is_none());
            }
            Delivery::Records { .. } => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    assert!(heard.positions.keys().all(|partition| partitions.contains(partition)), "{:?}", heard.positions);
    partitions.iter().map(|partition| heard.positions[partition]).collect()
}

/// While the guard of the revocation lives nobody else has the partitions, and commits still count.
pub async fn a_second_member_waits_for_the_first_to_finish(log: &dyn Log) {
    let mut first = member(log).await;
    Heard::assigned(&mut first.deliveries, all_partitions(log)).await;
    for partition in 0..log.partitions(CHUNKS) {
        append(log, Partition(partition), records("a", 10)).await;
    }
    let mut second = member(log).await;
    let (partitions, guard) = revoked(&mut first.deliveries).await;
    assert!(!partitions.is_empty() && partitions.len() < all_partitions(log), "{partitions:?}");
    silence(&mut second.deliveries).await;
    for partition in &partitions {
        within("commit", first.committer.commit(*partition, Position(7))).await.unwrap();
    }
    drop(guard);
    let positions = takes_over(&mut second.deliveries, &partitions).await;
    assert!(positions.iter().all(|position| *position == Position(7)), "{positions:?}");
}

/// One that does not know yet that it is a former one, too.
pub async fn hazard_6_a_former_member_commits_nothing(log: &dyn Log) {
    let mut first = member(log).await;
    Heard::assigned(&mut first.deliveries, all_partitions(log)).await;
    let mut second = member(log).await;
    let (partitions, guard) = revoked(&mut first.deliveries).await;
    let refused =
        |answer: Result<(), LogError>| assert!(matches!(answer, Err(LogError::Fenced { .. })), "{answer:?}");
    refused(within("commit", second.committer.commit(partitions[0], Position(1))).await);
    drop(guard);
    takes_over(&mut second.deliveries, &partitions).await;
    for partition in &partitions {
        refused(within("commit", first.committer.commit(*partition, Position(9))).await);
        assert_eq!(log.committed("group", CHUNKS, *partition).await, Ok(None));
        within("commit", second.committer.commit(*partition, START)).await.unwrap();
    }
    let kept = (0..log.partitions(CHUNKS)).map(Partition).find(|partition| !partitions.contains(partition));
    within("commit", first.committer.commit(kept.unwrap(), START)).await.unwrap();
}

/// Also without goodbye; its committer is refused from then on.
pub async fn who_leaves_hands_its_partitions_to_the_others(log: &dyn Log) {
    let mut first = member(log).await;
    Heard::assigned(&mut first.deliveries, all_partitions(log)).await;
    let mut second = member(log).await;
    let (moved, guard) = revoked(&mut first.deliveries).await;
    drop(guard);
    takes_over(&mut second.deliveries, &moved).await;
    let Membership { deliveries, committer } = first;
    drop(deliveries);
    let rest: BTreeSet<Partition> = (0..log.partitions(CHUNKS)).map(Partition).collect();
    let rest: Vec<Partition> = rest.into_iter().filter(|partition| !moved.contains(partition)).collect();
    takes_over(&mut second.deliveries, &rest).await;
    let answer = within("commit", committer.commit(rest[0], Position(1))).await;
    assert!(matches!(answer, Err(LogError::Fenced { .. })), "{answer:?}");
}

/// Who asks need not be a member.
pub async fn d8_who_is_in_a_group_is_told(log: &dyn Log) {
    let attendance = async || within("attendance", log.attendance("group", CHUNKS)).await.unwrap();
    assert_eq!(attendance().await, Attendance::default(), "nobody ever joined");
    let mut first = member(log).await;
    Heard::assigned(&mut first.deliveries, all_partitions(log)).await;
    let all: BTreeSet<Partition> = (0..log.partitions(CHUNKS)).map(Partition).collect();
    assert_eq!(attendance().await, Attendance { members: 1, assigned: all.clone() });
    let mut second = member(log).await;
    let (moved, guard) = revoked(&mut first.deliveries).await;
    assert_eq!(attendance().await.members, 2);
    drop(guard);
    takes_over(&mut second.deliveries, &moved).await;
    assert_eq!(attendance().await, Attendance { members: 2, assigned: all });
    drop((first, second));
    let left = async {
        while attendance().await != Attendance::default() {
            tokio::time::sleep(a_while() / 10).await;
        }
    };
    within("that nobody is left", left).await;
    let other = within("attendance", log.attendance("other", CHUNKS)).await.unwrap();
    assert_eq!(other, Attendance::default());
}

/// A committed position below the start is an error for the member, which decides; nothing is skipped.
pub async fn hazard_26_a_group_is_told_that_its_position_was_removed(log: &dyn Log) {
    append(log, ZERO, records("a", 1_000)).await;
    {
        let mut former = member(log).await;
        Heard::assigned(&mut former.deliveries, all_partitions(log)).await;
        within("commit", former.committer.commit(ZERO, Position(10))).await.unwrap();
    }
    log.trim(CHUNKS, ZERO, Position(900)).await.unwrap();
    let mut member = member(log).await;
    for _ in 0..100 {
        match within("delivery", member.deliveries.next()).await {
            Ok(Delivery::Records { partition, records }) if partition == ZERO => {
                panic!("skipped to {:?}", records[0].offset)
            }
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, LogError::BelowStart { partition: ZERO, asked: Position(10), .. }));
                return;
            }
        }
    }
    panic!("nothing was said");
}
