//! Appending: one thread hands records to librdkafka in the order of the calls, another hears what became of
//! them, and a ticket resolves when the last record of its batch is acknowledged.

use super::client;
use super::framing::Framing;
use super::options::KafkaOptions;
use super::trouble::Trouble;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use sluice_runtime::ports::log::{AppendTicket, LogError, NewRecord, Partition, Topic};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// While librdkafka's queue is full it is asked again after this.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// What is on its way when the log is closed has so long to be acknowledged.
const FLUSH: Duration = Duration::from_secs(2);

type Answer = oneshot::Sender<Result<Range<u64>, LogError>>;

struct Job {
    topic: Topic,
    partition: Partition,
    records: Vec<NewRecord>,
    answer: Answer,
}

/// Appends, whatever calls it. Dropping it closes the producer after a last flush.
pub(crate) struct Appender {
    jobs: mpsc::Sender<Job>,
    is_closing: Arc<AtomicBool>,
}

impl Appender {
    /// Starts the threads.
    pub(crate) fn start(
        options: &KafkaOptions,
        names: Arc<BTreeMap<Topic, String>>,
        framing: Arc<OnceLock<Arc<dyn Framing>>>,
        trouble: Arc<Trouble>,
    ) -> Result<Self, String> {
        let context = Deliveries { trouble: trouble.clone() };
        let producer: ThreadedProducer<Deliveries> =
            client::producer(options).create_with_context(context).map_err(|error| error.to_string())?;
        let producer = Arc::new(producer);
        trouble.lifeline.hold(&producer);
        let (jobs, received) = mpsc::channel();
        let is_closing = Arc::new(AtomicBool::new(false));
        let feeder = Feeder {
            producer,
            names,
            framing,
            record_bytes_max: options.record_bytes_max as usize,
            is_closing: is_closing.clone(),
            reframed: Vec::new(),
        };
        std::thread::Builder::new()
            .name("kafka-append".to_owned())
            .spawn(move || feeder.run(&received))
            .map_err(|error| error.to_string())?;
        Ok(Self { jobs, is_closing })
    }

    /// Enqueues a batch for a partition that is there.
    pub(crate) fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        let (answer, ticket) = AppendTicket::pair();
        // A thread that is gone drops the answer, and the ticket says that the log is closed.
        drop(self.jobs.send(Job { topic, partition, records, answer }));
        ticket
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

/// The thread that hands records over.
struct Feeder {
    producer: Arc<ThreadedProducer<Deliveries>>,
    names: Arc<BTreeMap<Topic, String>>,
    framing: Arc<OnceLock<Arc<dyn Framing>>>,
    record_bytes_max: usize,
    is_closing: Arc<AtomicBool>,
    reframed: Vec<u8>,
}

impl Feeder {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            self.feed(job);
        }
        // Whoever wanted to know has its answer or is gone.
        drop(self.producer.flush(FLUSH));
    }

    fn feed(&mut self, job: Job) {
        let Job { topic, partition, records, answer } = job;
        let answer_now = |answer: Answer, with| drop(answer.send(with));
        let Some(name) = self.names.get(&topic).cloned() else {
            return answer_now(answer, Err(LogError::NoPartition { topic, partition }));
        };
        if let Some((code, reason)) = self.producer.client().fatal_error() {
            return answer_now(answer, Err(fatal(code, &reason)));
        }
        let size = |record: &NewRecord| record.key.len() + record.value.len();
        // Before anything of the batch goes out: it is refused as a whole.
        if let Some(large) = records.iter().map(size).find(|size| *size > self.record_bytes_max) {
            let max = self.record_bytes_max;
            let text =
                format!("a record of {large} bytes for {topic}: at most {max} are taken (record_bytes_max)");
            return answer_now(answer, Err(LogError::Storage(text)));
        }
        if records.is_empty() {
            return answer_now(answer, Ok(0..0));
        }
        let batch = Arc::new(Batch::new(topic, records.len(), answer));
        let framing = self.framing.get().cloned();
        for (index, record) in records.iter().enumerate() {
            self.reframed.clear();
            let is_reframed = framing
                .as_ref()
                .is_some_and(|framing| framing.outgoing(topic, &record.value, &mut self.reframed));
            let value: &[u8] = if is_reframed { &self.reframed } else { &record.value };
            if let Err(error) = self.send(&name, partition, &record.key, value, &batch) {
                // Those before it are on their way and count down by themselves.
                return batch.failed(records.len() - index, error);
            }
        }
    }

    fn send(
        &self,
        topic: &str,
        partition: Partition,
        key: &[u8],
        value: &[u8],
        batch: &Arc<Batch>,
    ) -> Result<(), LogError> {
        let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
        let record =
            BaseRecord::with_opaque_to(topic, batch.clone()).partition(number).key(key).payload(value);
        let mut refused = match self.producer.send(record) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        loop {
            let (error, record) = refused;
            match error.rdkafka_error_code() {
                Some(Code::QueueFull) if !self.is_closing.load(Ordering::Relaxed) => {}
                Some(Code::QueueFull) => return Err(LogError::Closed),
                Some(Code::Fatal) => {
                    let (code, reason) =
                        self.producer.client().fatal_error().unwrap_or((Code::Fatal, String::new()));
                    return Err(fatal(code, &reason));
                }
                _ => return Err(LogError::Storage(format!("{topic}: {error}"))),
            }
            std::thread::sleep(FULL_WAIT);
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(again) => refused = again,
            }
        }
    }
}

fn fatal(code: Code, reason: &str) -> LogError {
    LogError::Storage(format!("the producer lost the order of its records: {code} ({reason}); start again"))
}

/// A batch whose records are on their way.
struct Batch {
    topic: Topic,
    left: AtomicUsize,
    first: AtomicU64,
    end: AtomicU64,
    outcome: Mutex<Outcome>,
}

struct Outcome {
    failure: Option<LogError>,
    answer: Option<Answer>,
}

impl Batch {
    fn new(topic: Topic, records: usize, answer: Answer) -> Self {
        Self {
            topic,
            left: AtomicUsize::new(records),
            first: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(0),
            outcome: Mutex::new(Outcome { failure: None, answer: Some(answer) }),
        }
    }

    fn delivered(&self, offset: u64) {
        self.first.fetch_min(offset, Ordering::Relaxed);
        self.end.fetch_max(offset + 1, Ordering::Relaxed);
        self.count_down(1);
    }

    fn failed(&self, records: usize, error: LogError) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).failure.get_or_insert(error);
        self.count_down(records);
    }

    fn count_down(&self, records: usize) {
        if self.left.fetch_sub(records, Ordering::AcqRel) != records {
            return;
        }
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let range = self.first.load(Ordering::Relaxed)..self.end.load(Ordering::Relaxed);
        let result = outcome.failure.take().map_or(Ok(range), Err);
        if let Some(answer) = outcome.answer.take() {
            // Nobody may wait for it any more.
            drop(answer.send(result));
        }
    }
}

/// Hears what became of each record.
struct Deliveries {
    trouble: Arc<Trouble>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.trouble.heard(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        match result {
            Ok(message) => match u64::try_from(message.offset()) {
                Ok(offset) => batch.delivered(offset),
                // A repeated request whose first answer is forgotten: stored, but who knows where.
                Err(_) => batch.failed(
                    1,
                    LogError::Storage(format!("{}: a record was stored at an unknown place", batch.topic)),
                ),
            },
            Err((error, _)) => {
                let failure = match error.rdkafka_error_code() {
                    Some(Code::PurgeQueue | Code::PurgeInflight) => LogError::Closed,
                    Some(code) => {
                        self.trouble.failed(&format!("appending to {}", batch.topic), code);
                        LogError::Storage(format!("{}: {code}", batch.topic))
                    }
                    None => LogError::Storage(format!("{}: {error}", batch.topic)),
                };
                batch.failed(1, failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ticket_resolves_with_the_last_of_its_records() {
        let (answer, mut ticket) = AppendTicket::pair();
        let batch = Batch::new(Topic::Sends, 3, answer);
        batch.delivered(8);
        batch.delivered(7);
        assert!(futures_ready(&mut ticket).is_none());
        batch.delivered(11);
        assert_eq!(ticket.await, Ok(7..12));
    }

    #[tokio::test]
    async fn one_record_that_failed_fails_the_batch_once_all_are_settled() {
        let (answer, mut ticket) = AppendTicket::pair();
        let batch = Batch::new(Topic::Sends, 4, answer);
        batch.delivered(8);
        batch.failed(2, LogError::Closed);
        assert!(futures_ready(&mut ticket).is_none());
        batch.delivered(9);
        assert_eq!(ticket.await, Err(LogError::Closed));
    }

    fn futures_ready(ticket: &mut AppendTicket) -> Option<Result<Range<u64>, LogError>> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(ticket).poll(&mut context) {
            std::task::Poll::Ready(result) => Some(result),
            std::task::Poll::Pending => None,
        }
    }

    use std::future::Future;
}
