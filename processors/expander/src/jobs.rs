//! The campaigns that this process works on: started, asked to stop, ended.

use crate::error::ExpanderError;
use crate::job::{Ended, Job};
use crate::{ExpanderOptions, ExpanderPorts};
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::log::Partition;
use sluice_runtime::{ShutdownTrigger, shutdown};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

/// What a job's task gives back.
pub(crate) type JobEnd = Result<(CampaignId, Result<Ended, ExpanderError>), JoinError>;

/// Why a job is started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cause {
    /// Its launch was read just now, and made this row.
    Launched(Box<CampaignRow>),
    /// A look at the store found it; its row may have moved since.
    Found {
        /// Whoever waits for its seal may not have been woken.
        wakes: bool,
    },
    /// Its time has come.
    Due,
}

struct Running {
    partition: Partition,
    soon: ShutdownTrigger,
    now: ShutdownTrigger,
}

/// At most one job a campaign: a second one would only fence the first.
pub(crate) struct Jobs {
    ports: ExpanderPorts,
    options: ExpanderOptions,
    places: Arc<Semaphore>,
    set: JoinSet<(CampaignId, Result<Ended, ExpanderError>)>,
    running: BTreeMap<CampaignId, Running>,
    /// Campaigns whose rows can't be used: not tried again before their partition is assigned again.
    broken: BTreeMap<CampaignId, Partition>,
}

impl Jobs {
    pub(crate) fn new(ports: ExpanderPorts, options: ExpanderOptions) -> Self {
        Self {
            places: Arc::new(Semaphore::new(options.expansions_max)),
            ports,
            options,
            set: JoinSet::new(),
            running: BTreeMap::new(),
            broken: BTreeMap::new(),
        }
    }

    /// Starts a job, unless the campaign has one, or none can help it.
    pub(crate) fn start(&mut self, partition: Partition, id: CampaignId, cause: Cause) {
        if self.is_known(id) {
            return;
        }
        let (ports, options, places) = (self.ports.clone(), self.options.clone(), self.places.clone());
        let job = Job { ports, options, id, places, cause };
        let ((soon, stop_soon), (now, stop_now)) = (shutdown::channel(), shutdown::channel());
        self.running.insert(id, Running { partition, soon, now });
        self.set.spawn(async move { (id, job.run(stop_soon, stop_now).await) });
    }

    /// Whether it has a job, or none can help it.
    pub(crate) fn is_known(&self, id: CampaignId) -> bool {
        self.running.contains_key(&id) || self.broken.contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Whether any of these partitions has a job.
    pub(crate) fn any_of(&self, partitions: &BTreeSet<Partition>) -> bool {
        self.running.values().any(|running| partitions.contains(&running.partition))
    }

    /// A new assignment: what could not be helped is tried again.
    pub(crate) fn assigned(&mut self, partition: Partition) {
        self.broken.retain(|_, of| *of != partition);
    }

    /// Asks the jobs of these partitions to finish what is being written, and to begin nothing.
    pub(crate) fn stop_soon(&self, partitions: &BTreeSet<Partition>) {
        self.of(partitions).for_each(|running| running.soon.stop());
    }

    /// Drops the jobs of these partitions where they stand: as safe as a crash.
    pub(crate) fn stop_now(&self, partitions: &BTreeSet<Partition>) {
        self.of(partitions).for_each(|running| running.now.stop());
    }

    /// Asks all jobs to finish, or drops them.
    pub(crate) fn stop_all(&self, at_once: bool) {
        for running in self.running.values() {
            if at_once { running.now.stop() } else { running.soon.stop() }
        }
    }

    fn of(&self, partitions: &BTreeSet<Partition>) -> impl Iterator<Item = &Running> {
        self.running.values().filter(move |running| partitions.contains(&running.partition))
    }

    /// The next end of a job; `None` where there is none. Cancel-safe.
    pub(crate) async fn next_end(&mut self) -> Option<JobEnd> {
        self.set.join_next().await
    }

    /// Takes a job's end in.
    pub(crate) fn ended(&mut self, end: JobEnd) -> Result<Ended, ExpanderError> {
        let (id, ended) = end.map_err(|error| ExpanderError::Panicked(error.to_string()))?;
        let (ended, running) = (ended?, self.running.remove(&id));
        if let (Ended::Broken, Some(running)) = (ended, running) {
            self.broken.insert(id, running.partition);
        }
        Ok(ended)
    }
}
