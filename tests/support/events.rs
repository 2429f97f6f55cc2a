//! What downstream systems hear: the records of `campaign.events`.

use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::ports::log::{Log, Partition, ReadLimit, Topic};
use sluice_schemas::{CampaignEvent, CampaignEventKind, decode};
use std::path::Path;
use std::sync::Arc;

/// The end events in a data directory that no process has open. A crash may repeat a record, with the same id (G8):
/// repeated ones are left out.
pub fn ends(data: &Path) -> Vec<CampaignEvent> {
    let is_end = |event: &CampaignEvent| {
        matches!(
            event.kind,
            CampaignEventKind::Completed | CampaignEventKind::Cancelled | CampaignEventKind::Failed
        )
    };
    let mut ends: Vec<_> = of(data).into_iter().filter(is_end).collect();
    ends.dedup_by(|left, right| left.id == right.id);
    ends
}

/// Every event in a data directory that no process has open.
pub fn of(data: &Path) -> Vec<CampaignEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = Arc::new(Engine::open(data, EngineOptions::default()).unwrap());
    let log = EmbeddedLog::open(Arc::clone(&engine), EmbeddedLogOptions::default()).unwrap();
    let events = runtime.block_on(read(&log));
    drop(log);
    engine.close();
    events
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
