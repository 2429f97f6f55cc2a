//! The consumer of `campaign.launches`: a launch becomes a row and a job beside it, never work in this loop.

use crate::announce::{announce, is_unannounced, wake};
use crate::error::{ExpanderError, StepError};
use crate::job::Job;
use crate::patience::until_answered;
use crate::{ExpanderOptions, ExpanderPorts};
use sluice_core::launch::validate;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_runtime::Shutdown;
use sluice_runtime::ports::log::{Committer, Delivery, LogError, NewRecord, Partition, StoredRecord, Topic};
use sluice_runtime::ports::store::{Created, StoreError};
use sluice_schemas::{CampaignLaunch, DeadLetter, decode, encode};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

/// The consumer group.
const GROUP: &str = "expander";

/// See [`crate::Expander::run`].
pub(crate) async fn run(
    ports: ExpanderPorts,
    options: ExpanderOptions,
    mut shutdown: Shutdown,
) -> Result<(), ExpanderError> {
    let mut launches = Launches {
        places: Arc::new(Semaphore::new(options.expansions_max)),
        jobs: JoinSet::new(),
        running: BTreeSet::new(),
        ports,
        options,
        shutdown: shutdown.clone(),
    };
    let ended = tokio::select! {
        biased;
        () = shutdown.stopping() => Ok(()),
        ended = launches.consume() => ended,
    };
    // They hear of the shutdown themselves; after an error they are dropped with the set.
    if ended.is_ok() {
        while let Some(job) = launches.jobs.join_next().await {
            launches.note_end(job)?;
        }
    }
    ended
}

struct Launches {
    ports: ExpanderPorts,
    options: ExpanderOptions,
    places: Arc<Semaphore>,
    jobs: JoinSet<(CampaignId, Result<(), ExpanderError>)>,
    /// Campaigns that have a job here: a second one would only fence the first.
    running: BTreeSet<CampaignId>,
    shutdown: Shutdown,
}

impl Launches {
    async fn consume(&mut self) -> Result<(), ExpanderError> {
        self.resume().await?;
        let mut membership = self.ports.log.join(GROUP, Topic::Launches).await?;
        loop {
            tokio::select! {
                biased;
                Some(job) = self.jobs.join_next() => self.note_end(job)?,
                delivery = membership.deliveries.next() => {
                    self.handle(delivery?, membership.committer.as_ref()).await?;
                }
            }
        }
    }

    /// What a former process left: events that may be missing, expansions that are not sealed.
    async fn resume(&mut self) -> Result<(), ExpanderError> {
        let store = self.ports.store.clone();
        let campaigns = until_answered("campaigns", || store.campaigns()).await.map_err(fatal)?;
        for row in campaigns {
            let tells = matches!(row.state, CampaignState::Running | CampaignState::Failed);
            if tells && is_unannounced(&row) {
                self.announce(&row).await?;
            }
            match row.seal {
                _ if row.state.is_ended() => {}
                None => self.start(row.id),
                // The stop may have come between the seal and the wake-up that follows it (hazard 21).
                Some(_) => wake(&self.ports, row.id).await.map_err(fatal)?,
            }
        }
        Ok(())
    }

    async fn handle(&mut self, delivery: Delivery, committer: &dyn Committer) -> Result<(), ExpanderError> {
        // A launch is handled and committed before the next is looked at, so a partition can be given away at
        // any time.
        let Delivery::Records { partition, records } = delivery else { return Ok(()) };
        for record in records {
            let position = record.offset.next();
            self.launch(partition, record).await?;
            // At once: the row is what is kept, not the record (hazard 33).
            match committer.commit(partition, position).await {
                Ok(()) => {}
                // The new member reads it again and finds the row.
                Err(LogError::Fenced { .. }) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn launch(&mut self, partition: Partition, record: StoredRecord) -> Result<(), ExpanderError> {
        let launch: CampaignLaunch = match decode(&record.value) {
            Ok(launch) => launch,
            Err(error) => return self.bury(partition, record, error.to_string()).await,
        };
        if let Err(problems) = validate(&launch) {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return self.bury(partition, record, problems.join("; ")).await;
        }
        let row = CampaignRow::launched(launch, self.ports.clock.wall_ms());
        let store = &self.ports.store;
        let created = until_answered("create_campaign", || async {
            match store.create_campaign(row.clone()).await {
                // Another campaign's name has the same id: a fault of this launch, not of an epoch.
                Err(StoreError::Fenced(_)) => Ok(None),
                other => other.map(Some),
            }
        });
        let row = match created.await.map_err(fatal)? {
            None => {
                let reason = "another campaign has the same id; launch it under another name".to_owned();
                return self.bury(partition, record, reason).await;
            }
            Some(Created::New(row)) => {
                tracing::info!(campaign = row.launch.campaign, channel = %row.launch.channel, "launched");
                row
            }
            Some(Created::Existing(there)) => {
                if there.launch == row.launch {
                    tracing::info!(campaign = there.launch.campaign, "launched before: it is started once");
                } else {
                    tracing::warn!(
                        campaign = there.launch.campaign,
                        "launched before with other content, which stands"
                    );
                }
                there
            }
        };
        if row.state == CampaignState::Running && is_unannounced(&row) {
            self.announce(&row).await?;
        }
        if row.seal.is_none() && !row.state.is_ended() {
            self.start(row.id);
        }
        Ok(())
    }

    async fn announce(&self, row: &CampaignRow) -> Result<(), ExpanderError> {
        match announce(&self.ports, row).await {
            Err(StepError::Fatal(error)) => Err(error),
            Err(error) => {
                tracing::error!(campaign = row.launch.campaign, %error, "its event can't be noted");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Starts the campaign's job beside this loop, unless it has one.
    fn start(&mut self, id: CampaignId) {
        if !self.running.insert(id) {
            return;
        }
        let job =
            Job { ports: self.ports.clone(), options: self.options.clone(), id, places: self.places.clone() };
        let shutdown = self.shutdown.clone();
        self.jobs.spawn(async move { (id, job.run(shutdown).await) });
    }

    fn note_end(
        &mut self,
        job: Result<(CampaignId, Result<(), ExpanderError>), JoinError>,
    ) -> Result<(), ExpanderError> {
        let (id, ended) = job.map_err(|error| ExpanderError::Panicked(error.to_string()))?;
        self.running.remove(&id);
        ended
    }

    /// A record nobody can use is kept with the reason, and does not hold up others.
    async fn bury(
        &self,
        partition: Partition,
        record: StoredRecord,
        reason: String,
    ) -> Result<(), ExpanderError> {
        let (topic, log) = (Topic::Launches, &self.ports.log);
        tracing::error!(%topic, partition = partition.0, offset = record.offset.0, reason, "a launch is refused");
        let letter = DeadLetter {
            topic: topic.name().to_owned(),
            partition: i32::try_from(partition.0).unwrap_or(i32::MAX),
            offset: i64::try_from(record.offset.0).unwrap_or(i64::MAX),
            reason,
            at_ms: self.ports.clock.wall_ms(),
            key: record.key.to_vec(),
            value: record.value.to_vec(),
        };
        let value = encode(&letter).into();
        let to = Partition(partition.0 % log.partitions(Topic::DeadLetters).max(1));
        log.append(Topic::DeadLetters, to, vec![NewRecord { key: record.key, value }]).await?;
        Ok(())
    }
}

/// Outside of an expansion every refusal stops the expander: the loop can't skip a launch.
fn fatal(error: StepError) -> ExpanderError {
    match error {
        StepError::Fatal(error) => error,
        StepError::Campaign(error) => ExpanderError::Store(error),
        other => ExpanderError::Store(StoreError::Fenced(other.to_string())),
    }
}
