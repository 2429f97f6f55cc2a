//! The polling thread of a member: it takes records and rebalances from librdkafka and puts them where the member
//! takes them. It waits for nobody (hazard 34).
//!
//! There are two clients: one is the member and never delivers a record, the other reads and knows no group. With
//! one for both, librdkafka stops reading every partition from the moment a rebalance begins until it is answered:
//! a member that finishes what it has of one partition would hear nothing of the others (G6).

use super::asking::{Asking, Unknown, list};
use super::context::{MemberContext, Rebalance};
use super::hurry::Hurry;
use super::place::place;
use super::seat::{RECORDS_MAX, Seat};
use crate::kafka::client::{AGAIN, Events, ONE_TRY};
use crate::kafka::connection::Connection;
use crate::kafka::gather::Gather;
use crate::kafka::log::TopicInfo;
use crate::kafka::options::GroupProtocol;
use crate::kafka::reader::watermarks;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_runtime::ports::log::{LogError, Partition, RevokeGuard};
use sluice_runtime::{Clock, SystemClock};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a poll waits for records while nothing happens; a rebalance is noticed after it …
const QUIET: Duration = Duration::from_millis(25);

/// … and while somebody is waited for.
const ALERT: Duration = Duration::from_millis(5);

/// A rebalance has several steps, each of which librdkafka waits for; the next comes by then.
const NEXT_STEP: Duration = Duration::from_millis(500);

/// Commits that are under way at the end of a revocation have so long to end.
const LAST_COMMITS: Duration = Duration::from_secs(1);

/// The thread's state.
pub(crate) struct Poller {
    /// The member.
    pub(crate) consumer: Arc<BaseConsumer<MemberContext>>,
    /// Reads what the member has.
    pub(crate) fetcher: Arc<BaseConsumer<Events>>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) info: Arc<TopicInfo>,
    pub(crate) connection: Connection,
    pub(crate) drain: Duration,
    /// Rebalances that are not answered, the first is being worked at.
    rebalances: VecDeque<Rebalance>,
    revoking: Option<Revoking>,
    /// Where each partition that is delivered stands.
    next: BTreeMap<Partition, u64>,
    /// Those that are not fetched because the member has not taken what there is.
    full: BTreeSet<Partition>,
    /// While the member waits for partitions of others; `None` where asking does not help.
    hurry: Option<Hurry>,
    /// It has left a group that is gone, and joins it again when it has let go of all that it had.
    is_rejoining: bool,
    /// A further step of a rebalance may come until then.
    stepping_until: Duration,
    /// Positions are not asked for before: the last question had no answer.
    ask_from: Duration,
}

/// A revocation that the member is finishing.
struct Revoking {
    partitions: Vec<Partition>,
    done: oneshot::Receiver<()>,
    deadline: Duration,
    /// The member has finished, or its time is over: only commits under way are waited for.
    ended_at: Option<Duration>,
}

impl Poller {
    pub(crate) fn new(
        consumer: Arc<BaseConsumer<MemberContext>>,
        fetcher: Arc<BaseConsumer<Events>>,
        seat: Arc<Seat>,
        info: Arc<TopicInfo>,
        connection: Connection,
        drain: Duration,
        protocol: GroupProtocol,
    ) -> Self {
        let (rebalances, revoking) = (VecDeque::new(), None);
        let (next, full) = (BTreeMap::new(), BTreeSet::new());
        // With the classic protocol it would begin a rebalance of the whole group.
        let hurry = (protocol == GroupProtocol::Consumer).then(|| Hurry::new(SystemClock.monotonic()));
        let stepping_until = Duration::ZERO;
        Self {
            consumer,
            fetcher,
            seat,
            info,
            connection,
            drain,
            rebalances,
            revoking,
            next,
            full,
            hurry,
            is_rejoining: false,
            stepping_until,
            ask_from: Duration::ZERO,
        }
    }

    /// Until the member has left. Gives both clients back, to be closed in this order.
    pub(crate) fn run(mut self) -> (Arc<BaseConsumer<MemberContext>>, Arc<BaseConsumer<Events>>) {
        while !self.seat.has_left() {
            self.rejoin();
            self.hurry();
            self.gather();
            while let Some(rebalance) = self.consumer.context().next_rebalance() {
                self.rebalances.push_back(rebalance);
            }
            self.go_on_revoking();
            self.answer_rebalances();
            self.fetch_again();
        }
        self.leave()
    }

    /// Joins again where the brokers have lost the group, with its members and positions, or somebody deleted it:
    /// librdkafka takes no notice of what its heartbeats are answered then. The first one that joins makes the group
    /// anew, and the others hear that they are no members of it.
    fn rejoin(&mut self) {
        if self.seat.heard_that_group_is_gone() && !self.is_rejoining {
            tracing::warn!(topic = self.info.name, "the brokers know nothing of the group: joining it again");
            self.consumer.unsubscribe();
            self.is_rejoining = true;
        }
        let has_let_go = || self.consumer.assignment().is_ok_and(|assigned| assigned.count() == 0);
        if self.is_rejoining
            && self.revoking.is_none()
            && self.rebalances.is_empty()
            && has_let_go()
            && self.consumer.subscribe(&[&self.info.name]).is_ok()
        {
            self.is_rejoining = false;
            self.hurry_again();
        }
    }

    /// The member joins again, and others have its partitions meanwhile.
    fn hurry_again(&mut self) {
        self.hurry = self.hurry.map(|_| Hurry::new(SystemClock.monotonic()));
    }

    /// Asks the group whether there is something for this member, if it is time to: subscribing once more to the same
    /// has librdkafka send a heartbeat at once, and changes nothing for the broker.
    fn hurry(&mut self) {
        let now = SystemClock.monotonic();
        if !self.is_rejoining && self.hurry.as_mut().is_some_and(|hurry| hurry.asks(now)) {
            // A member that can't ask hears of it with its next heartbeat.
            drop(self.consumer.subscribe(&[&self.info.name]));
        }
    }

    /// Polls what is there, at most one delivery.
    fn gather(&mut self) {
        let now = SystemClock.monotonic();
        let is_rebalancing = now < self.stepping_until || self.hurry.is_some_and(|hurry| hurry.lasts(now));
        let is_waited_for = self.revoking.is_some() || !self.full.is_empty() || !self.rebalances.is_empty();
        let is_alert = is_rebalancing || is_waited_for;
        let mut wait = if is_alert { ALERT } else { QUIET };
        let mut gathered: BTreeMap<Partition, Gather> = BTreeMap::new();
        // The member's own queue: rebalances and what ends the membership, no records that count.
        for _ in 0..RECORDS_MAX {
            match self.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => end_if_fatal(&self.seat, &error),
            }
        }
        let mut outside = false;
        for _ in 0..RECORDS_MAX {
            match self.fetcher.poll(wait) {
                None => break,
                Some(Ok(message)) => take(&mut self.next, &mut gathered, &message),
                Some(Err(error)) => outside |= is_outside(&error),
            }
            wait = Duration::ZERO;
        }
        let mut full = Vec::new();
        for (partition, gather) in gathered {
            if self.seat.deliver(partition, gather.finish()) && self.full.insert(partition) {
                full.push(partition);
            }
        }
        if !full.is_empty() {
            drop(self.fetcher.pause(&self.list(&full)));
        }
        if outside {
            self.look_for_broken();
        }
    }

    /// Partitions whose records were taken are fetched again.
    fn fetch_again(&mut self) {
        let seat = &self.seat;
        let taken: Vec<Partition> = self.full.extract_if(.., |partition| seat.has_room(*partition)).collect();
        if !taken.is_empty() {
            drop(self.fetcher.resume(&self.list(&taken)));
        }
    }

    fn answer_rebalances(&mut self) {
        while self.revoking.is_none()
            && SystemClock.monotonic() >= self.ask_from
            && let Some(rebalance) = self.rebalances.pop_front()
        {
            self.stepping_until = SystemClock.monotonic() + NEXT_STEP;
            match rebalance {
                Rebalance::Assign(partitions) => {
                    if !self.assign(&partitions) {
                        // The brokers do not answer: tried again in a moment.
                        self.ask_from = SystemClock.monotonic() + AGAIN;
                        self.rebalances.push_front(Rebalance::Assign(partitions));
                        return;
                    }
                }
                Rebalance::Revoke { partitions, is_lost } if is_lost || partitions.is_empty() => {
                    if is_lost {
                        self.hurry_again();
                    }
                    self.seat.lose(&partitions, true);
                    self.unassign(&partitions);
                }
                Rebalance::Revoke { partitions, .. } => self.revoke(partitions),
            }
        }
    }

    /// Begins where the group committed, or at the first kept record; `false` when that can't be found out now.
    fn assign(&mut self, partitions: &[Partition]) -> bool {
        let places = match self.asking().places(partitions) {
            Ok(places) => places,
            Err(Unknown::Now(code)) => {
                self.connection
                    .trouble
                    .failed(&format!("asking for the position of {}", self.info.name), code);
                return false;
            }
            Err(Unknown::Never(error)) => {
                self.seat.fail(error);
                Vec::new()
            }
        };
        let mut fetched = TopicPartitionList::with_capacity(places.len());
        for place in places {
            if place.broken.is_none() {
                let number = i32::try_from(place.partition.0).unwrap_or(i32::MAX);
                let offset = ClientOffset::Offset(i64::try_from(place.position.0).unwrap_or(i64::MAX));
                if let Err(error) = fetched.add_partition_offset(&self.info.name, number, offset) {
                    self.seat.fail(LogError::Storage(format!("{}: {error}", self.info.name)));
                }
                self.next.insert(place.partition, place.position.0);
            }
            self.seat.assign(place.partition, place.position, place.broken);
        }
        // The member has them, and reads nothing itself.
        let mut list = self.list(partitions);
        drop(list.set_all_offsets(ClientOffset::End));
        let assigned = self.consumer.incremental_assign(&list);
        drop(self.consumer.pause(&list));
        let assigned = assigned.and_then(|()| match fetched.count() {
            0 => Ok(()),
            _ => self.fetcher.incremental_assign(&fetched),
        });
        if let Err(error) = assigned {
            self.seat.fail(LogError::Storage(format!("{}: assignment: {error}", self.info.name)));
        }
        true
    }

    fn asking(&self) -> Asking<'_> {
        let Self { consumer, fetcher, info, connection, .. } = self;
        Asking { consumer, fetcher, info, connection }
    }

    /// Tells the member, which goes on committing until it has finished.
    fn revoke(&mut self, partitions: Vec<Partition>) {
        self.forget(&partitions);
        let deadline = SystemClock.monotonic() + self.drain;
        let (guard, done) = RevokeGuard::new(deadline);
        self.seat.revoke(partitions.clone(), guard);
        self.revoking = Some(Revoking { partitions, done, deadline, ended_at: None });
    }

    fn go_on_revoking(&mut self) {
        let Some(revoking) = &mut self.revoking else { return };
        let now = SystemClock.monotonic();
        let is_done = !matches!(revoking.done.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        let is_lost = self.consumer.assignment_lost();
        if revoking.ended_at.is_none() && (is_done || is_lost || now >= revoking.deadline) {
            revoking.ended_at = Some(now);
            // No commit begins any more.
            self.seat.lose(&revoking.partitions, !is_done || is_lost);
        }
        let Some(ended_at) = revoking.ended_at else { return };
        // One that is under way must not come after those of the next owner.
        if self.seat.commits_under_way() > 0 && !is_lost && now - ended_at < LAST_COMMITS {
            return;
        }
        if let Some(revoking) = self.revoking.take() {
            self.stepping_until = now + NEXT_STEP;
            self.unassign(&revoking.partitions);
        }
    }

    fn unassign(&mut self, partitions: &[Partition]) {
        self.forget(partitions);
        if let Err(error) = self.consumer.incremental_unassign(&self.list(partitions)) {
            self.seat.fail(LogError::Storage(format!("{}: revocation: {error}", self.info.name)));
        }
    }

    /// Reads nothing more of them.
    fn forget(&mut self, partitions: &[Partition]) {
        let read: Vec<Partition> =
            partitions.iter().copied().filter(|partition| self.next.remove(partition).is_some()).collect();
        for partition in &read {
            if self.full.remove(partition) {
                // Whoever gets it back finds it going.
                drop(self.fetcher.resume(&self.list(&[*partition])));
            }
        }
        if !read.is_empty()
            && let Err(error) = self.fetcher.incremental_unassign(&self.list(&read))
        {
            self.seat.fail(LogError::Storage(format!("{}: revocation: {error}", self.info.name)));
        }
    }

    /// Something is outside its partition's bounds; librdkafka does not say which.
    fn look_for_broken(&mut self) {
        let positions: Vec<(Partition, u64)> = self.next.iter().map(|(at, next)| (*at, *next)).collect();
        for (partition, next) in positions {
            let Ok((start, end)) = watermarks(&self.connection.questions, &self.info.name, partition) else {
                // It does not fetch any more, so it has to begin again in any case.
                self.seek(partition, next);
                continue;
            };
            match place(&self.info, partition, Some(next), start, end).broken {
                Some(error) => {
                    self.forget(&[partition]);
                    self.seat.break_off(partition, error);
                }
                None => self.seek(partition, next),
            }
        }
    }

    fn seek(&self, partition: Partition, next: u64) {
        let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
        let offset = ClientOffset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        // A partition that is not there any more needs none.
        drop(self.fetcher.seek(&self.info.name, number, offset, ONE_TRY));
    }

    /// Answers what librdkafka waits for, so that closing does not wait.
    fn leave(mut self) -> (Arc<BaseConsumer<MemberContext>>, Arc<BaseConsumer<Events>>) {
        self.consumer.context().leave();
        if let Some(revoking) = self.revoking.take() {
            self.unassign(&revoking.partitions);
        }
        while let Some(rebalance) = self.consumer.context().next_rebalance() {
            self.rebalances.push_back(rebalance);
        }
        for rebalance in std::mem::take(&mut self.rebalances) {
            match rebalance {
                Rebalance::Assign(partitions) => {
                    let mut list = self.list(&partitions);
                    drop(list.set_all_offsets(ClientOffset::End));
                    drop(self.consumer.incremental_assign(&list));
                }
                Rebalance::Revoke { partitions, .. } => self.unassign(&partitions),
            }
        }
        (self.consumer, self.fetcher)
    }

    fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        list(&self.info.name, partitions)
    }
}

/// Copies a record of a partition that is delivered.
fn take(
    next: &mut BTreeMap<Partition, u64>,
    gathered: &mut BTreeMap<Partition, Gather>,
    message: &BorrowedMessage<'_>,
) {
    let partition = Partition(u32::try_from(message.partition()).unwrap_or_default());
    let offset = message.offset().max(0).cast_unsigned();
    // What was fetched before a revocation is nobody's.
    let Some(next) = next.get_mut(&partition).filter(|next| offset >= **next) else { return };
    *next = offset + 1;
    gathered.entry(partition).or_default().add(message);
}

/// Whether a position was outside its partition.
fn is_outside(error: &ClientError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::AutoOffsetReset | Code::OffsetOutOfRange))
}

/// What ends the membership is told to the member. Other errors are trouble, and heal.
fn end_if_fatal(seat: &Seat, error: &ClientError) {
    if let ClientError::MessageConsumptionFatal(code) = error {
        let hint = match code {
            Code::UnsupportedVersion | Code::UnsupportedFeature => {
                "; the brokers are older than Kafka 4.0: set group_protocol to classic"
            }
            _ => "",
        };
        seat.fail(LogError::Storage(format!("the membership ended: {code}{hint}")));
    }
}
