//! Appends on their way: one queue per process and partition, so that the order of calls is kept.

use super::{Shared, SimLog};
use sluice_runtime::ports::log::{AppendTicket, LogError, NewRecord, Partition, Topic};
use sluice_simulation::ProcessId;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use tokio::sync::oneshot;

type Key = (ProcessId, Topic, Partition);

#[derive(Default)]
pub(super) struct Queues {
    /// A key is here as long as a task works on its queue.
    waiting: BTreeMap<Key, VecDeque<Batch>>,
}

struct Batch {
    records: Vec<NewRecord>,
    answer: oneshot::Sender<Result<Range<u64>, LogError>>,
}

/// Batches that become durable together: a group commit.
const TOGETHER_MAX: u64 = 16;

impl SimLog {
    pub(super) fn enqueue(
        &self,
        process: ProcessId,
        topic: Topic,
        partition: Partition,
        records: Vec<NewRecord>,
    ) -> AppendTicket {
        let (answer, ticket) = AppendTicket::pair();
        let mut shared = self.shared();
        if let Err(error) = shared.partition(topic, partition) {
            drop(answer.send(Err(error)));
            return ticket;
        }
        let key = (process, topic, partition);
        if let Some(queue) = shared.queues.waiting.get_mut(&key) {
            queue.push_back(Batch { records, answer });
        } else {
            shared.queues.waiting.insert(key, VecDeque::from([Batch { records, answer }]));
            tokio::spawn(self.clone().work(key));
        }
        ticket
    }

    /// Works on a queue until it is empty. The effects end it where the process dies; what is queued then is
    /// lost, and its tickets stay open.
    async fn work(self, key: Key) {
        let (process, topic, partition) = key;
        loop {
            self.world.effect(process, "log append").await;
            let together = self.world.draw(|random| random.between(1, TOGETHER_MAX)) as usize;
            let Some(batches) = self.shared().take(key, together) else { return };
            let mut answers = Vec::new();
            for Batch { mut records, answer } in batches {
                let split_ppm = self.world.faults(process).log.split_ppm;
                let length = records.len() as u64;
                let rest = match self.world.draw(|random| (random.chance(split_ppm), random.below(length))) {
                    (true, at) if length > 1 => records.split_off(at as usize),
                    _ => Vec::new(),
                };
                let mut range = self.store(topic, partition, records);
                if !rest.is_empty() {
                    self.world.effect(process, "log append, second part").await;
                    let second = self.store(topic, partition, rest);
                    range = if range.is_empty() { second } else { range.start..second.end };
                }
                answers.push((answer, range));
            }
            self.world.effect(process, "log appended").await;
            for (answer, range) in answers {
                // A ticket nobody waits for any more is fine.
                drop(answer.send(Ok(range)));
            }
        }
    }

    fn store(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> Range<u64> {
        let mut shared = self.shared();
        let Ok(data) = shared.partition(topic, partition) else { return 0..0 };
        let start = data.end();
        data.push(records);
        let end = data.end();
        for ((_, of), group) in &shared.groups {
            if *of == topic {
                group.wake_all();
            }
        }
        start..end
    }
}

impl Shared {
    /// The next batches of a queue; `None` ends the work on it.
    fn take(&mut self, key: Key, together: usize) -> Option<Vec<Batch>> {
        let queue = self.queues.waiting.get_mut(&key)?;
        if queue.is_empty() {
            self.queues.waiting.remove(&key);
            return None;
        }
        let count = together.min(queue.len());
        Some(queue.drain(..count).collect())
    }
}
