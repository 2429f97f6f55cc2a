//! Which work somebody does now, of all processes on the same engines: the members of each consumer group.

use crate::node::Work;
use sluice_runtime::ports::log::{Attendance, Log, Topic};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long the log is waited for: without it a status says less, and is there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Work that campaigns wait for, with the group of those who do it.
const GROUPS: [(Work, &str, Topic); 4] = [
    (Work::Expander, "expander", Topic::Launches),
    (Work::Sender, "sender", Topic::Chunks),
    (Work::Receipts, "receipts", Topic::Receipts),
    (Work::Completion, "completion", Topic::Progress),
];

/// Who works. A process that was killed counts until its session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Working([Attendance; GROUPS.len()]);

impl Working {
    /// Asks the log; `None` where it gives no answer soon.
    pub async fn ask(log: &dyn Log) -> Option<Self> {
        let of = |place: usize| log.attendance(GROUPS[place].1, GROUPS[place].2);
        let asked = async { tokio::try_join!(of(0), of(1), of(2), of(3)) };
        let (expander, sender, receipts, completion) =
            tokio::time::timeout(ANSWERS_WITHIN, asked).await.ok()?.ok()?;
        Some(Self([expander, sender, receipts, completion]))
    }

    /// Processes that do this work.
    fn members(&self, work: Work) -> u32 {
        let place = GROUPS.iter().position(|(of, ..)| *of == work);
        place.map_or(0, |place| self.0[place].members)
    }

    /// Whether a process does this work.
    pub fn does(&self, work: Work) -> bool {
        self.members(work) > 0
    }

    /// Whether no process does any.
    pub fn is_nobody(&self) -> bool {
        self.0.iter().all(|attendance| attendance.members == 0)
    }

    /// The partitions of `chunks` that a process has, and sends for their pages.
    pub fn shards(&self) -> BTreeSet<u32> {
        let sender = GROUPS.iter().position(|(work, ..)| *work == Work::Sender);
        let assigned = sender.map(|place| self.0[place].assigned.iter().map(|partition| partition.0));
        assigned.into_iter().flatten().collect()
    }

    /// `expander 1, sender 0, receipts 2, completion 2`.
    pub fn says(&self) -> String {
        let each = GROUPS
            .iter()
            .zip(&self.0)
            .map(|((work, ..), attendance)| format!("{} {}", work.as_str(), attendance.members));
        each.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sluice_engine::{Engine, EngineOptions};
    use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
    use sluice_runtime::ports::log::Partition;
    use std::sync::Arc;

    /// One process for each of `works`; whoever sends has these shards.
    pub(crate) fn working(works: &[Work], shards: &[u32]) -> Working {
        Working(GROUPS.map(|(work, ..)| {
            let assigned = shards.iter().filter(|_| work == Work::Sender).map(|shard| Partition(*shard));
            Attendance { members: u32::from(works.contains(&work)), assigned: assigned.collect() }
        }))
    }

    #[tokio::test]
    async fn g3_d8_who_works_is_known_by_the_groups() {
        let place = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(place.path(), EngineOptions::default()).unwrap());
        let log = EmbeddedLog::open(engine, EmbeddedLogOptions::default()).unwrap();
        let nobody = Working::ask(&log).await.unwrap();
        assert!(nobody.is_nobody() && nobody.shards().is_empty());
        let _sends = log.join("sender", Topic::Chunks).await.unwrap();
        let one = Working::ask(&log).await.unwrap();
        assert!(one.does(Work::Sender) && !one.does(Work::Expander) && !one.is_nobody());
        assert_eq!(one.says(), "expander 0, sender 1, receipts 0, completion 0");
        assert_eq!(one.shards().len() as u32, log.partitions(Topic::Chunks));
    }
}
