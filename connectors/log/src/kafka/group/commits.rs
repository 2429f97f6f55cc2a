//! Commits: a thread that makes one request of all that came together, because a commit waits for the brokers and
//! the polling thread must not.

use super::context::MemberContext;
use super::seat::Seat;
use crate::kafka::client::{AGAIN, code};
use crate::kafka::log::TopicInfo;
use crate::kafka::trouble::Trouble;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_runtime::ports::log::{LogError, Partition, Position};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// A group that is about to settle takes the commit soon.
const SETTLING: Duration = Duration::from_millis(20);

/// A commit under way.
pub(crate) struct Commit {
    pub(crate) partition: Partition,
    pub(crate) position: Position,
    /// Under which the member had the partition when it asked.
    pub(crate) assignment: u64,
    pub(crate) answer: oneshot::Sender<Result<(), LogError>>,
}

/// What became of a request.
enum Answer {
    Done,
    /// The group has another one in this member's place.
    Fenced,
    Again(Duration),
    Failed(String),
}

/// The thread.
pub(crate) struct Commits {
    /// The polling thread's: closing it must not wait for a committer that somebody keeps.
    pub(crate) consumer: Weak<BaseConsumer<MemberContext>>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) info: Arc<TopicInfo>,
    pub(crate) trouble: Arc<Trouble>,
}

impl Commits {
    /// Until nobody has the committing half any more.
    pub(crate) fn run(self, received: &mpsc::Receiver<Commit>) {
        while let Ok(first) = received.recv() {
            let mut batch = vec![first];
            batch.extend(received.try_iter());
            self.commit(batch);
        }
    }

    fn commit(&self, mut batch: Vec<Commit>) {
        loop {
            // Looked at again before each request: a former member may have become one while it waited (hazard 6).
            let (begun, refused): (Vec<_>, Vec<_>) = batch.into_iter().partition(|commit| {
                !commit.answer.is_closed() && self.seat.begin_commit(commit.partition, commit.assignment)
            });
            refused.into_iter().for_each(|commit| self.refuse(commit));
            if begun.is_empty() {
                return;
            }
            let answer = self.request(&begun);
            self.seat.committed(begun.len());
            match answer {
                Answer::Done => {
                    return begun.into_iter().for_each(|commit| drop(commit.answer.send(Ok(()))));
                }
                Answer::Fenced => return begun.into_iter().for_each(|commit| self.refuse(commit)),
                Answer::Failed(reason) => {
                    for commit in begun {
                        drop(commit.answer.send(Err(LogError::Storage(reason.clone()))));
                    }
                    return;
                }
                Answer::Again(wait) => {
                    std::thread::sleep(wait);
                    batch = begun;
                }
            }
        }
    }

    /// One request of the last position of each partition. Blocks until the brokers have answered.
    fn request(&self, commits: &[Commit]) -> Answer {
        let Some(consumer) = self.consumer.upgrade() else { return Answer::Fenced };
        if consumer.assignment_lost() {
            return Answer::Fenced;
        }
        let latest: BTreeMap<Partition, Position> =
            commits.iter().map(|commit| (commit.partition, commit.position)).collect();
        let mut list = TopicPartitionList::with_capacity(latest.len());
        for (partition, position) in latest {
            let offset = ClientOffset::Offset(i64::try_from(position.0).unwrap_or(i64::MAX));
            let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
            if let Err(error) = list.add_partition_offset(&self.info.name, number, offset) {
                return Answer::Failed(error.to_string());
            }
        }
        let code = match consumer.commit(&list, CommitMode::Sync) {
            // The group may have gone on without this member while the request was under way: then nobody may
            // rely on it, although it was stored.
            Ok(()) if consumer.assignment_lost() => return Answer::Fenced,
            Ok(()) => return Answer::Done,
            Err(error) => code(error),
        };
        match code {
            Code::UnknownMemberId
            | Code::IllegalGeneration
            | Code::FencedMemberEpoch
            | Code::FencedInstanceId
            | Code::AssignmentLost => Answer::Fenced,
            // The member is told by nobody else: librdkafka goes on with its heartbeats.
            Code::GroupIdNotFound => {
                self.seat.group_is_gone();
                Answer::Fenced
            }
            // The member has not heard of the group's newest state: it will, and then it has the partition or not.
            Code::StaleMemberEpoch | Code::RebalanceInProgress => Answer::Again(SETTLING),
            Code::DestroyBroker | Code::State => Answer::Fenced,
            code if self.trouble.failed(&format!("committing to {}", self.info.name), code) => {
                Answer::Again(AGAIN)
            }
            code => Answer::Failed(format!("committing to {}: {code}", self.info.name)),
        }
    }

    fn refuse(&self, commit: Commit) {
        let (topic, partition) = (self.info.topic, commit.partition);
        drop(commit.answer.send(Err(LogError::Fenced { topic, partition })));
    }
}
