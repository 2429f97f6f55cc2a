//! The consumer of `campaign.launches`: a launch becomes a row; the row becomes a job of whoever has the partition
//! that the campaign's id hashes to. No work is done in this loop, so it hears of everything at once.

use crate::error::ExpanderError;
use crate::intake::take;
use crate::job::Ended;
use crate::jobs::{Cause, Jobs};
use crate::positions::Positions;
use crate::sweep::{Looked, look};
use crate::waiting::Waiting;
use crate::{ExpanderOptions, ExpanderPorts};
use sluice_core::{CampaignRow, CampaignState};
use sluice_runtime::Shutdown;
use sluice_runtime::ports::log::{Deliveries, Delivery, Partition, RevokeGuard, StoredRecord, Topic};
use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The consumer group.
const GROUP: &str = "expander";

/// Launches that wait, above which their partition delivers no more.
const PENDING_MAX: usize = 64;

type Work<T> = Pin<Box<dyn Future<Output = Result<T, ExpanderError>> + Send>>;

/// See [`crate::Expander::run`].
pub(crate) async fn run(
    ports: ExpanderPorts,
    options: ExpanderOptions,
    mut shutdown: Shutdown,
) -> Result<(), ExpanderError> {
    let membership = tokio::select! {
        biased;
        () = shutdown.stopping() => return Ok(()),
        joined = ports.log.join(GROUP, Topic::Launches) => joined?,
    };
    let mut deliveries = membership.deliveries;
    let mut launches = Launches {
        positions: Arc::new(Positions::new(membership.committer)),
        jobs: Jobs::new(ports.clone(), options.clone()),
        pending: VecDeque::new(),
        paused: BTreeSet::new(),
        waiting: Waiting::default(),
        fresh: BTreeSet::new(),
        look_due: false,
        leaving: Vec::new(),
        ports,
        options,
    };
    tokio::select! {
        biased;
        () = shutdown.stopping() => {}
        // After an error jobs are dropped with the set.
        ended = launches.consume(&mut *deliveries) => return ended,
    }
    launches.drain(&mut *deliveries).await
}

/// The launch that is handled now.
struct Taking {
    partition: Partition,
    work: Work<Option<(Partition, CampaignRow)>>,
}

/// Partitions that go to another member when their jobs have ended.
struct Leaving {
    partitions: BTreeSet<Partition>,
    /// On the monotonic clock; `None` once it has passed and the jobs are dropped.
    deadline: Option<Duration>,
    /// Dropped with this: the partitions may go.
    _guard: RevokeGuard,
}

struct Launches {
    ports: ExpanderPorts,
    options: ExpanderOptions,
    jobs: Jobs,
    positions: Arc<Positions>,
    /// Launches to be handled, in order.
    pending: VecDeque<(Partition, StoredRecord)>,
    paused: BTreeSet<Partition>,
    waiting: Waiting,
    /// Assigned since the last look.
    fresh: BTreeSet<Partition>,
    look_due: bool,
    leaving: Vec<Leaving>,
}

impl Launches {
    async fn consume(&mut self, deliveries: &mut dyn Deliveries) -> Result<(), ExpanderError> {
        let mut sweep = tokio::time::interval(Duration::from_millis(self.options.sweep_ms));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sweep.reset();
        let mut taking: Option<Taking> = None;
        let mut looking: Option<Work<Looked>> = None;
        loop {
            if taking.is_none() {
                taking = self.begin();
            }
            if looking.is_none() && std::mem::take(&mut self.look_due) {
                let (ports, positions) = (self.ports.clone(), self.positions.clone());
                let fresh = self.fresh.clone();
                looking = Some(Box::pin(async move { look(ports, &positions, fresh).await }));
            }
            let due_in = self.due_in();
            let deadline = self.leaving.iter().filter_map(|leaving| leaving.deadline).min();
            let wait = deadline.map(|at| at.saturating_sub(self.ports.clock.monotonic()));
            tokio::select! {
                biased;
                Some(ended) = self.jobs.next_end() => {
                    // What it launched, and its next time, are in the store.
                    self.look_due |= self.jobs.ended(ended)? == Ended::Waits;
                    self.let_go();
                }
                () = tokio::time::sleep(due_in.unwrap_or_default()), if due_in.is_some() => self.start_due(),
                delivery = deliveries.next() => self.hear(delivery?, &mut taking),
                taken = work(taking.as_mut().map(|taking| &mut taking.work)) => {
                    taking = None;
                    if let Some((home, row)) = taken? {
                        self.start(home, row, |row| Cause::Launched(Box::new(row)));
                    }
                }
                looked = work(looking.as_mut()) => {
                    looking = None;
                    self.looked(looked?);
                }
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => self.hurry(),
                _ = sweep.tick() => self.look_due = true,
            }
        }
    }

    fn begin(&mut self) -> Option<Taking> {
        let (partition, record) = self.pending.pop_front()?;
        if self.pending.is_empty() {
            for partition in std::mem::take(&mut self.paused) {
                self.positions.pause(partition, false);
            }
        }
        let (ports, positions) = (self.ports.clone(), self.positions.clone());
        let work = Box::pin(async move { take(ports, &positions, partition, record).await });
        Some(Taking { partition, work })
    }

    fn hear(&mut self, delivery: Delivery, taking: &mut Option<Taking>) {
        match delivery {
            Delivery::Assigned { partition, position, .. } => {
                self.positions.assigned(partition, position);
                self.jobs.assigned(partition);
                self.fresh.insert(partition);
                self.look_due = true;
            }
            Delivery::Records { partition, records } => {
                self.pending.extend(records.into_iter().map(|record| (partition, record)));
                if self.pending.len() > PENDING_MAX && self.paused.insert(partition) {
                    self.positions.pause(partition, true);
                }
            }
            Delivery::Revoking { partitions, done } => {
                let partitions = self.forget(partitions, taking);
                self.jobs.stop_soon(&partitions);
                self.leaving.push(Leaving { partitions, deadline: Some(done.deadline), _guard: done });
                self.let_go();
            }
            Delivery::Lost { partitions } => {
                let partitions = self.forget(partitions, taking);
                self.jobs.stop_now(&partitions);
            }
        }
    }

    /// Nothing of these partitions is begun any more. A launch that is handled is dropped where it stands: the new
    /// member reads it again.
    fn forget(&mut self, partitions: Vec<Partition>, taking: &mut Option<Taking>) -> BTreeSet<Partition> {
        let partitions: BTreeSet<Partition> = partitions.into_iter().collect();
        self.waiting.forget(&partitions);
        for partition in &partitions {
            self.positions.gone(*partition);
            self.fresh.remove(partition);
            self.paused.remove(partition);
        }
        self.pending.retain(|(partition, _)| !partitions.contains(partition));
        taking.take_if(|taking| partitions.contains(&taking.partition));
        partitions
    }

    fn looked(&mut self, looked: Looked) {
        for (partition, row) in looked.found {
            let wakes = looked.fresh.contains(&partition);
            self.start(partition, row, |_| Cause::Found { wakes });
        }
        self.fresh.retain(|partition| !looked.fresh.contains(partition));
    }

    /// One that is scheduled waits for its time first.
    fn start(&mut self, home: Partition, row: CampaignRow, cause: impl FnOnce(CampaignRow) -> Cause) {
        match row.state {
            _ if !self.positions.has(home) => {}
            CampaignState::Scheduled => self.waiting.note(home, &row),
            _ => self.jobs.start(home, row.id, cause(row)),
        }
    }

    /// How long nobody's time comes; the wall's clock may be set meanwhile, which every sweep notices.
    fn due_in(&self) -> Option<Duration> {
        let left_ms = self.waiting.next_ms()?.saturating_sub(self.ports.clock.wall_ms());
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        Some(left.min(Duration::from_millis(self.options.sweep_ms)))
    }

    fn start_due(&mut self) {
        for (home, id) in self.waiting.take_due(self.ports.clock.wall_ms()) {
            self.jobs.start(home, id, Cause::Due);
        }
    }

    /// Partitions without jobs may go.
    fn let_go(&mut self) {
        let jobs = &self.jobs;
        self.leaving.retain(|leaving| jobs.any_of(&leaving.partitions));
    }

    /// Jobs that took too long are dropped; their partitions go when they are.
    fn hurry(&mut self) {
        let now = self.ports.clock.monotonic();
        for leaving in &mut self.leaving {
            if leaving.deadline.take_if(|deadline| *deadline <= now).is_some() {
                self.jobs.stop_now(&leaving.partitions);
            }
        }
    }

    /// Ends the jobs inside the group: whoever leaves first has its expansions taken over while they are written.
    async fn drain(mut self, deliveries: &mut dyn Deliveries) -> Result<(), ExpanderError> {
        self.jobs.stop_all(false);
        let mut late = std::pin::pin!(tokio::time::sleep(Duration::from_millis(self.options.drain_ms)));
        let (mut is_late, mut listens) = (false, true);
        let mut held: Vec<RevokeGuard> = Vec::new();
        while !self.jobs.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = self.jobs.next_end() => {
                    self.jobs.ended(ended)?;
                }
                () = &mut late, if !is_late => {
                    is_late = true;
                    self.jobs.stop_all(true);
                }
                delivery = deliveries.next(), if listens => match delivery {
                    Ok(Delivery::Revoking { done, .. }) => held.push(done),
                    Ok(Delivery::Lost { partitions }) => {
                        self.jobs.stop_now(&partitions.into_iter().collect());
                    }
                    // Nothing new is begun.
                    Ok(Delivery::Assigned { .. } | Delivery::Records { .. }) => {}
                    Err(_) => listens = false,
                },
            }
        }
        Ok(())
    }
}

/// The work's end, or never where there is none.
async fn work<T>(work: Option<&mut Work<T>>) -> Result<T, ExpanderError> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
