//! A log that keeps what is appended, refuses it, or gives no answer.

use async_trait::async_trait;
use sluice_http::{ChannelKeys, Gateway, GatewayOptions};
use sluice_runtime::SystemClock;
use sluice_runtime::ports::log::{
    AppendTicket, Attendance, Bounds, Log, LogError, Membership, NewRecord, Partition, Position, ReadLimit,
    StoredRecord, Topic,
};
use sluice_schemas::{Channel, WebhookReceived};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

type Resolve = oneshot::Sender<Result<Range<u64>, LogError>>;

#[derive(Default)]
pub(crate) struct FakeLog {
    refuses: bool,
    holds: bool,
    /// Of appends without an answer.
    held: Mutex<Vec<Resolve>>,
    appended: Mutex<Vec<(Topic, Partition, NewRecord)>>,
}

impl FakeLog {
    /// A log that takes nothing.
    pub(crate) fn refusing() -> Self {
        Self { refuses: true, ..Self::default() }
    }

    /// A log that gives no answer before [`FakeLog::answer`].
    pub(crate) fn holding() -> Self {
        Self { holds: true, ..Self::default() }
    }

    /// Answers what was appended so far.
    pub(crate) fn answer(&self) {
        for resolve in self.held.lock().unwrap().drain(..) {
            resolve.send(Ok(0..1)).unwrap();
        }
    }

    /// Appends that have no answer.
    pub(crate) fn unanswered(&self) -> usize {
        self.held.lock().unwrap().len()
    }

    /// Partition, key and record of every webhook.
    pub(crate) fn webhooks(&self) -> Vec<(u32, String, WebhookReceived)> {
        let appended = self.appended.lock().unwrap();
        appended
            .iter()
            .map(|(topic, partition, record)| {
                assert_eq!(*topic, Topic::WebhooksRaw);
                let key = String::from_utf8(record.key.to_vec()).unwrap();
                (partition.0, key, sluice_schemas::decode(&record.value).unwrap())
            })
            .collect()
    }
}

#[async_trait]
impl Log for FakeLog {
    fn partitions(&self, _: Topic) -> u32 {
        16
    }

    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        let (resolve, ticket) = AppendTicket::pair();
        if self.holds {
            self.held.lock().unwrap().push(resolve);
            return ticket;
        }
        let mut appended = self.appended.lock().unwrap();
        let first = appended.len() as u64;
        let answer = if self.refuses {
            Err(LogError::Storage("no space left on device".to_owned()))
        } else {
            appended.extend(records.into_iter().map(|record| (topic, partition, record)));
            Ok(first..appended.len() as u64)
        };
        resolve.send(answer).unwrap();
        ticket
    }

    async fn read(
        &self,
        _: Topic,
        _: Partition,
        _: Position,
        _: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        Err(LogError::Closed)
    }

    async fn bounds(&self, _: Topic, _: Partition) -> Result<Bounds, LogError> {
        Err(LogError::Closed)
    }

    async fn join(&self, _: &str, _: Topic) -> Result<Membership, LogError> {
        Err(LogError::Closed)
    }

    async fn committed(&self, _: &str, _: Topic, _: Partition) -> Result<Option<Position>, LogError> {
        Err(LogError::Closed)
    }

    async fn attendance(&self, _: &str, _: Topic) -> Result<Attendance, LogError> {
        Err(LogError::Closed)
    }

    async fn trim(&self, _: Topic, _: Partition, _: Position) -> Result<(), LogError> {
        Err(LogError::Closed)
    }
}

/// A gateway with keys for WhatsApp and the generic channel.
pub(crate) fn gateway(log: &Arc<FakeLog>) -> Gateway {
    let channels = BTreeMap::from([
        (Channel::Whatsapp, ChannelKeys::new("app-secret", "verify-me")),
        (Channel::Http, ChannelKeys::new("http-secret", "")),
    ]);
    let options =
        GatewayOptions { webhook_bytes_max: 10_000, launch_bytes_max: 1_000, channels, ..Default::default() };
    let log: Arc<dyn Log> = log.clone();
    Gateway { options: Arc::new(options), log, clock: Arc::new(SystemClock), control: None }
}
