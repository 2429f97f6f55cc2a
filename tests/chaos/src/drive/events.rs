//! What downstream systems hear: the records of `campaign.events`.

use crate::{Error, Result};
use async_trait::async_trait;
use sluice_log::{KafkaLog, KafkaOptions};
use sluice_runtime::ports::log::{Generations, Log, Partition, ReadLimit, Topic};
use sluice_schemas::{CampaignEvent, decode};

const LIMIT: ReadLimit = ReadLimit { records_max: 1_000, bytes_max: 1 << 20 };

/// A reader that stores nothing needs no numbers for the lives of topics.
struct OneLife;

#[async_trait]
impl Generations for OneLife {
    async fn generation(&self, _topic: &str, _life: &str) -> std::result::Result<u32, String> {
        Ok(1)
    }
}

/// Every event so far.
///
/// # Errors
/// The broker can't be reached, or a record can't be read.
pub async fn read(options: KafkaOptions) -> Result<Vec<CampaignEvent>> {
    let log = KafkaLog::connect(options, &OneLife).await.map_err(|error| Error::Events(error.to_string()))?;
    let mut events = Vec::new();
    for number in 0..log.partitions(Topic::Events) {
        let partition = Partition(number);
        let failed = |error: sluice_runtime::ports::log::LogError| Error::Events(error.to_string());
        let mut from = log.bounds(Topic::Events, partition).await.map_err(failed)?.start;
        loop {
            let records = log.read(Topic::Events, partition, from, LIMIT).await.map_err(failed)?;
            let Some(last) = records.last() else { break };
            from = last.offset.next();
            for record in &records {
                let event = decode::<CampaignEvent>(&record.value);
                events.push(event.map_err(|error| Error::Events(error.to_string()))?);
            }
        }
    }
    Ok(events)
}
