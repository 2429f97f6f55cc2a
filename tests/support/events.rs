//! What downstream systems hear: the records of `campaign.events`.

use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::ports::log::{Log, Partition, ReadLimit, Topic};
use sluice_schemas::{CampaignEvent, CampaignEventKind, decode};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// The end events in a data directory that no process has open.
pub fn ends(data: &Path) -> Vec<CampaignEvent> {
    let is_end = |event: &CampaignEvent| {
        matches!(
            event.kind,
            CampaignEventKind::Completed | CampaignEventKind::Cancelled | CampaignEventKind::Failed
        )
    };
    of(data).into_iter().filter(is_end).collect()
}

/// Every event in a data directory that no process has open. A crash, or two who tell of the same step at once, may
/// repeat one, with the same id (G8): repeated ones are left out.
pub fn of(data: &Path) -> Vec<CampaignEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = Arc::new(Engine::open(data, EngineOptions::default()).unwrap());
    let log = EmbeddedLog::open(Arc::clone(&engine), EmbeddedLogOptions::default()).unwrap();
    let events = runtime.block_on(read(&log));
    drop(log);
    engine.close();
    let mut told = BTreeSet::new();
    events.into_iter().filter(|event| told.insert(event.id.clone())).collect()
}

async fn read(log: &EmbeddedLog) -> Vec<CampaignEvent> {
    let limit = ReadLimit { records_max: 1_000, bytes_max: 1 << 20 };
    let mut events = Vec::new();
    for number in 0..log.partitions(Topic::Events) {
        let partition = Partition(number);
        let mut from = log.bounds(Topic::Events, partition).await.unwrap().start;
        loop {
            let records = log.read(Topic::Events, partition, from, limit).await.unwrap();
            let Some(last) = records.last() else { break };
            from = last.offset.next();
            events.extend(records.iter().map(|record| decode::<CampaignEvent>(&record.value).unwrap()));
        }
    }
    events
}
