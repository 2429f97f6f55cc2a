//! One launch record: it becomes a campaign row, or a dead letter.

use crate::ExpanderPorts;
use crate::error::{ExpanderError, fatal};
use crate::patience::until_answered;
use crate::positions::Positions;
use sluice_core::launch::{LaunchProblem, validate};
use sluice_core::partition::partition_of;
use sluice_core::schedule::starts_ms;
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, StoredRecord, Topic};
use sluice_runtime::ports::store::{Created, StoreError};
use sluice_schemas::{CampaignLaunch, DeadLetter, decode, encode};

/// The partition of launches whose owner expands the campaign. It is computed from the id, not taken from where
/// the launch lies: whoever produces launches may use any partitioner.
pub(crate) fn home_of(id: CampaignId, log: &dyn Log) -> Partition {
    Partition(partition_of(&id.0, log.partitions(Topic::Launches)))
}

/// Handles a record and commits it. The campaign, if this process is to work on it: at home here, and here is
/// where it is known to be at home right now.
pub(crate) async fn take(
    ports: ExpanderPorts,
    positions: &Positions,
    partition: Partition,
    record: StoredRecord,
) -> Result<Option<(Partition, CampaignRow)>, ExpanderError> {
    let position = record.offset.next();
    let row = create(&ports, partition, record).await?;
    // At once: the row is what is kept, not the record (hazard 33). Refused: the new member reads the record again
    // and finds the row.
    let is_ours = positions.advance(partition, position).await?;
    let Some(row) = row else { return Ok(None) };
    let home = home_of(row.id, &*ports.log);
    let starts = if home == partition { is_ours } else { positions.is_ours(home).await? };
    Ok(starts.then_some((home, row)))
}

/// The campaign's row; `None` for a record nobody can use.
async fn create(
    ports: &ExpanderPorts,
    partition: Partition,
    record: StoredRecord,
) -> Result<Option<CampaignRow>, ExpanderError> {
    let launch: CampaignLaunch = match decode(&record.value) {
        Ok(launch) => launch,
        Err(error) => return bury(ports, partition, record, error.to_string()).await,
    };
    let rules = match validate(&launch) {
        Ok(valid) => valid.rules,
        Err(problems) => return bury(ports, partition, record, told(&problems)).await,
    };
    let now_ms = ports.clock.wall_ms();
    let late = rules.too_late(&launch.rules, now_ms);
    let row = match starts_ms(&rules, now_ms) {
        _ if !late.is_empty() => {
            // It came too late for the one who wrote it as well, and its campaign is not there: one that is stays as it
            // is, however late its launch is read again.
            let too_late = |at_ms: i64| rules.too_late(&launch.rules, at_ms.min(now_ms));
            let when_written = record.appended_ms.map(too_late).unwrap_or_default();
            let id = CampaignId::of(&launch.tenant, &launch.campaign);
            let known = || until_answered("campaign", || ports.store.campaign(id));
            if !when_written.is_empty() && known().await.map_err(fatal)?.is_none() {
                return bury(ports, partition, record, told(&when_written)).await;
            }
            let reason = format!("its launch was read too late: {}", told(&late));
            CampaignRow::never_started(launch, now_ms, now_ms, reason)
        }
        Some(starts_at_ms) => CampaignRow::scheduled(launch, now_ms, starts_at_ms),
        None => CampaignRow::launched(launch, now_ms),
    };
    let created = until_answered("create_campaign", || async {
        match ports.store.create_campaign(row.clone()).await {
            // Another campaign's name has the same id: a fault of this launch, not of an epoch.
            Err(StoreError::Fenced(_)) => Ok(None),
            other => other.map(Some),
        }
    });
    match created.await.map_err(fatal)? {
        None => {
            let reason = "another campaign has the same id; launch it under another name".to_owned();
            bury(ports, partition, record, reason).await
        }
        Some(Created::New(row)) => {
            let (campaign, channel) = (&row.launch.campaign, row.launch.channel);
            match &row.reason {
                Some(reason) => {
                    tracing::warn!(campaign, %channel, reason, "launched and ended: nobody is called")
                }
                None => tracing::info!(campaign, %channel, state = row.state.as_str(), "launched"),
            }
            Ok(Some(row))
        }
        Some(Created::Existing(there)) => {
            let campaign = &there.launch.campaign;
            if there.launch == row.launch {
                tracing::info!(campaign, "launched before: it is started once");
            } else {
                tracing::warn!(campaign, "launched before with other content, which stands");
            }
            Ok(Some(there))
        }
    }
}

fn told(problems: &[LaunchProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A record nobody can use is kept with the reason, and does not hold up others.
async fn bury<T>(
    ports: &ExpanderPorts,
    partition: Partition,
    record: StoredRecord,
    reason: String,
) -> Result<Option<T>, ExpanderError> {
    let (topic, log) = (Topic::Launches, &ports.log);
    tracing::error!(%topic, partition = partition.0, offset = record.offset.0, reason, "a launch is refused");
    let letter = DeadLetter {
        topic: topic.name().to_owned(),
        partition: i32::try_from(partition.0).unwrap_or(i32::MAX),
        offset: i64::try_from(record.offset.0).unwrap_or(i64::MAX),
        reason,
        at_ms: ports.clock.wall_ms(),
        key: record.key.to_vec(),
        value: record.value.to_vec(),
    };
    let value = encode(&letter).into();
    let to = Partition(partition.0 % log.partitions(Topic::DeadLetters).max(1));
    log.append(Topic::DeadLetters, to, vec![NewRecord { key: record.key, value }]).await?;
    Ok(None)
}
