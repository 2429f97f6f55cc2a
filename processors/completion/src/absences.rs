//! Partitions that no process has, and for how long: what is to be done for them is done by nobody.
//!
//! The log is asked now and then while something waits; one answer says nothing, since partitions move and processes
//! start again. What was not looked at is not known.

use sluice_core::CampaignId;
use sluice_core::partition::partition_of;
use sluice_runtime::ports::log::{Log, LogError, Partition, Topic};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the log is waited for: campaigns are to end meanwhile, whoever is away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// How often the log is asked while campaigns become quiet, before they are asked for their reason.
const OFTEN: u32 = 8;

/// Who reads a topic, as far as that was asked.
#[derive(Debug)]
struct Absence {
    group: &'static str,
    topic: Topic,
    /// When it was asked last.
    asked: Option<Duration>,
    /// The partitions that nobody has, and since when.
    since: BTreeMap<Partition, Duration>,
}

impl Absence {
    fn new(group: &'static str, topic: Topic) -> Self {
        Self { group, topic, asked: None, since: BTreeMap::new() }
    }

    /// Takes in who was there at `now`. Absences of which nobody knows what was in between begin again.
    fn note(&mut self, nobodys: impl Iterator<Item = Partition>, after: Duration, now: Duration) {
        let is_watched = self.asked.is_some_and(|asked| now.saturating_sub(asked) <= after);
        let before = std::mem::take(&mut self.since);
        let since = |partition| before.get(&partition).copied().filter(|_| is_watched).unwrap_or(now);
        self.since = nobodys.map(|partition| (partition, since(partition))).collect();
        self.asked = Some(now);
    }

    async fn look(&mut self, log: &dyn Log, after: Duration, now: Duration) {
        if self.asked.is_some_and(|asked| now.saturating_sub(asked) < after / OFTEN) {
            return;
        }
        let answer = tokio::time::timeout(ANSWERS_WITHIN, log.attendance(self.group, self.topic)).await;
        match answer.unwrap_or_else(|_| Err(LogError::Storage("no answer".to_owned()))) {
            Ok(there) => {
                let all = (0..log.partitions(self.topic)).map(Partition);
                self.note(all.filter(|partition| !there.assigned.contains(partition)), after, now);
            }
            // A login that may not ask, or a broker that is away: nothing is known then.
            Err(error) => {
                tracing::debug!(group = self.group, %error, "can't ask who is in the group");
                *self = Self { asked: Some(now), ..Self::new(self.group, self.topic) };
            }
        }
    }

    fn is_long(&self, partition: Partition, long: Duration, now: Duration) -> bool {
        self.since.get(&partition).is_some_and(|since| now.saturating_sub(*since) >= long)
    }
}

/// Work that nobody does.
#[derive(Debug)]
pub(crate) struct Absences {
    after: Duration,
    senders: Absence,
    expanders: Absence,
}

impl Absences {
    /// Of campaigns that are asked for their reason after `after`: those who are looked at from an eighth of it on are
    /// known by then.
    pub(crate) fn new(after: Duration) -> Self {
        Self {
            after,
            senders: Absence::new(crate::descriptors::SENDER_GROUP, Topic::Chunks),
            expanders: Absence::new("expander", Topic::Launches),
        }
    }

    /// Asks again, if that was not done just now.
    pub(crate) async fn look(&mut self, log: &dyn Log, now: Duration) {
        self.senders.look(log, self.after, now).await;
        self.expanders.look(log, self.after, now).await;
    }

    /// How often it asks.
    pub(crate) fn every(&self) -> Duration {
        self.after / OFTEN
    }

    /// Whether nobody has sent for a shard for long.
    pub(crate) fn nobody_sends(&self, shard: u32, now: Duration) -> bool {
        self.senders.is_long(Partition(shard), self.after / 2, now)
    }

    /// Whether nobody has expanded the campaigns for long that are at home where this one is.
    pub(crate) fn nobody_expands(&self, log: &dyn Log, id: CampaignId, now: Duration) -> bool {
        let home = Partition(partition_of(&id.0, log.partitions(Topic::Launches)));
        self.expanders.is_long(home, self.after / 2, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_an_absence_is_long_only_if_it_was_watched_all_the_while() {
        let (after, long) = (Duration::from_secs(120), Duration::from_secs(60));
        let s = Duration::from_secs;
        let mut absence = Absence::new("sender", Topic::Chunks);
        let none = || [Partition(0), Partition(1)].into_iter();
        (0..=3).for_each(|at| absence.note(none(), after, s(at * 15)));
        assert!(!absence.is_long(Partition(0), long, s(45)));
        absence.note([Partition(1)].into_iter(), after, s(60));
        assert!(absence.is_long(Partition(1), long, s(60)) && !absence.is_long(Partition(0), long, s(60)));
        absence.note(none(), after, s(75));
        assert!(!absence.is_long(Partition(0), long, s(120)), "it was there in between");
        absence.note(none(), after, s(300));
        assert!(!absence.is_long(Partition(1), long, s(300)), "nobody looked for minutes");
    }
}
