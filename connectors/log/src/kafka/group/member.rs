//! Both halves of a membership.

use super::commits::Commit;
use super::seat::{News, Seat, Turn};
use crate::kafka::framing::{Framing, reframe};
use crate::kafka::log::TopicInfo;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_runtime::ports::log::{
    Committer, Deliveries, Delivery, LogError, Partition, Position, StoredRecord,
};
use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// The reading half.
pub(crate) struct MemberDeliveries {
    seat: Arc<Seat>,
    info: Arc<TopicInfo>,
    framing: Option<Arc<dyn Framing>>,
    /// Records behind one whose schema is being asked for; the other partitions go on.
    held: BTreeMap<Partition, Held>,
}

struct Held {
    /// The first is the one that is being resolved.
    records: Vec<StoredRecord>,
    resolved: oneshot::Receiver<Bytes>,
}

impl MemberDeliveries {
    pub(crate) fn new(seat: Arc<Seat>, info: Arc<TopicInfo>, framing: Option<Arc<dyn Framing>>) -> Self {
        Self { seat, info, framing, held: BTreeMap::new() }
    }

    fn news(&mut self, news: News) -> Delivery {
        match news {
            News::Assigned { partition, position } => {
                Delivery::Assigned { partition, position, generation: self.info.generation }
            }
            News::Revoking { partitions, done } => {
                self.held.retain(|partition, _| !partitions.contains(partition));
                Delivery::Revoking { partitions, done }
            }
            News::Lost { partitions } => {
                self.held.retain(|partition, _| !partitions.contains(partition));
                Delivery::Lost { partitions }
            }
        }
    }

    /// What can be delivered of the records now; the rest is held.
    fn frame(&mut self, partition: Partition, mut records: Vec<StoredRecord>) -> Option<Delivery> {
        if let Some(framing) = self.framing.clone() {
            let ready = reframe(&*framing, self.info.topic, &mut records);
            if ready < records.len() {
                self.hold(framing, partition, records.split_off(ready));
            }
        }
        (!records.is_empty()).then_some(Delivery::Records { partition, records })
    }

    fn hold(&mut self, framing: Arc<dyn Framing>, partition: Partition, records: Vec<StoredRecord>) {
        let (done, resolved) = oneshot::channel();
        let (topic, seat) = (self.info.topic, self.seat.clone());
        let value = records.first().map(|record| record.value.clone()).unwrap_or_default();
        tokio::spawn(async move {
            let mut done = done;
            tokio::select! {
                biased;
                () = done.closed() => {}
                value = framing.resolve(topic, value) => {
                    // Nobody may wait for it any more.
                    drop(done.send(value));
                    seat.wake();
                }
            }
        });
        self.held.insert(partition, Held { records, resolved });
    }

    /// Records whose schema is known now.
    fn resolved(&mut self) -> Option<Delivery> {
        let partitions: Vec<Partition> = self.held.keys().copied().collect();
        for partition in partitions {
            if self.seat.is_paused(partition) {
                continue;
            }
            let Some(held) = self.held.get_mut(&partition) else { continue };
            let value = match held.resolved.try_recv() {
                Ok(value) => value,
                Err(oneshot::error::TryRecvError::Empty) => continue,
                // It gave up without an answer: the reader sees the value as it came.
                Err(oneshot::error::TryRecvError::Closed) => {
                    held.records.first().map(|record| record.value.clone()).unwrap_or_default()
                }
            };
            let Some(mut held) = self.held.remove(&partition) else { continue };
            let rest = held.records.split_off(1.min(held.records.len()));
            held.records.iter_mut().for_each(|record| record.value = value.clone());
            let mut records = held.records;
            if let Some(Delivery::Records { records: more, .. }) = self.frame(partition, rest) {
                records.extend(more);
            }
            return Some(Delivery::Records { partition, records });
        }
        None
    }

    fn turn(&mut self) -> Option<Result<Delivery, LogError>> {
        loop {
            let held = &self.held;
            match self.seat.take(|partition| held.contains_key(&partition)) {
                Some(Turn::News(news)) => return Some(Ok(self.news(news))),
                Some(Turn::Records(partition, records)) => {
                    if let Some(delivery) = self.frame(partition, records) {
                        return Some(Ok(delivery));
                    }
                }
                Some(Turn::Failed(error)) => return Some(self.resolved().ok_or(error)),
                None => return self.resolved().map(Ok),
            }
        }
    }
}

#[async_trait]
impl Deliveries for MemberDeliveries {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        loop {
            // A member with a backlog never waits: let others run now and then.
            tokio::task::coop::consume_budget().await;
            // Nothing is awaited between taking and returning, so a cancelled call loses nothing.
            if let Some(turn) = self.turn() {
                return turn;
            }
            self.seat.changed().await;
        }
    }
}

impl Drop for MemberDeliveries {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

/// The committing half.
pub(crate) struct MemberCommitter {
    seat: Arc<Seat>,
    info: Arc<TopicInfo>,
    commits: mpsc::Sender<Commit>,
}

impl MemberCommitter {
    pub(crate) fn new(seat: Arc<Seat>, info: Arc<TopicInfo>, commits: mpsc::Sender<Commit>) -> Self {
        Self { seat, info, commits }
    }
}

#[async_trait]
impl Committer for MemberCommitter {
    async fn commit(&self, partition: Partition, position: Position) -> Result<(), LogError> {
        let fenced = LogError::Fenced { topic: self.info.topic, partition };
        let Some(assignment) = self.seat.owned(partition) else { return Err(fenced) };
        let (answer, committed) = oneshot::channel();
        let sent = self.commits.send(Commit { partition, position, assignment, answer });
        if sent.is_err() {
            return Err(fenced);
        }
        committed.await.unwrap_or(Err(fenced))
    }

    fn pause(&self, partition: Partition) {
        self.seat.pause(partition);
    }

    fn resume(&self, partition: Partition) {
        self.seat.resume(partition);
    }
}
