//! The yardstick of benchmarks: bare librdkafka with the settings of the log, and the removal of what a benchmark
//! made.
//!
//! Guarantee: only topics whose prefix begins with [`SCRATCH`] are written or removed here.
//!
//! What it does not do: it is no second way to append. Nothing that Sluice relies on goes through it.

use super::client;
use super::connection::{Connection, blocking};
use super::error::KafkaError;
use super::options::{GroupProtocol, KafkaOptions};
use rdkafka::admin::ResourceSpecifier;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use sluice_runtime::ports::log::{NewRecord, Topic};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How the prefix of a benchmark's topics begins.
pub const SCRATCH: &str = "sluice-bench-";

/// Records in a row for one partition, as many as the log's users append at once.
const BURST: usize = 1_024;

/// While librdkafka's queue is full it is asked again after this.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// A flush at the end may take so long.
const FLUSH: Duration = Duration::from_secs(60);

/// Produces `count` records, those of `records` over and over, in bursts to one partition after the other; the
/// settings are the log's. Gives the time until the last one is acknowledged.
///
/// # Errors
/// When the prefix is not a benchmark's, or a record is refused.
pub async fn produce(
    options: &KafkaOptions,
    topic: Topic,
    records: Vec<NewRecord>,
    count: usize,
) -> Result<Duration, KafkaError> {
    check_prefix(options)?;
    if records.is_empty() {
        return Ok(Duration::ZERO);
    }
    let (name, partitions) = (options.topic_name(topic), options.partitions(topic).max(1) as usize);
    let tally = Tally::default();
    let created = client::producer(options).create_with_context(tally.clone());
    let producer: ThreadedProducer<Tally> = created.map_err(|error| KafkaError::Client(error.to_string()))?;
    blocking(move || {
        let began = SystemClock.monotonic();
        for (number, record) in records.iter().cycle().take(count).enumerate() {
            let partition = (number / BURST % partitions) as i32;
            send(&producer, &name, partition, record)?;
        }
        producer.flush(FLUSH).map_err(|error| refused(&name, error))?;
        let took = SystemClock.monotonic() - began;
        match tally.failed.load(Ordering::Relaxed) {
            0 => Ok(took),
            failed => Err(refused(&name, format!("{failed} of {count} records were not stored"))),
        }
    })
    .await
}

fn send(
    producer: &ThreadedProducer<Tally>,
    topic: &str,
    partition: i32,
    record: &NewRecord,
) -> Result<(), KafkaError> {
    let mut bare = BaseRecord::to(topic).partition(partition).key(&record.key[..]).payload(&record.value[..]);
    while let Err((error, back)) = producer.send(bare) {
        if error.rdkafka_error_code() != Some(Code::QueueFull) {
            return Err(refused(topic, error));
        }
        std::thread::sleep(FULL_WAIT);
        bare = back;
    }
    Ok(())
}

fn refused(topic: &str, reason: impl ToString) -> KafkaError {
    KafkaError::Admin { what: format!("producing to {topic}"), reason: reason.to_string() }
}

/// Removes a benchmark's topics; one that is gone already is fine.
///
/// # Errors
/// When the prefix is not a benchmark's, or the brokers refuse.
pub async fn remove_topics(options: &KafkaOptions) -> Result<(), KafkaError> {
    check_prefix(options)?;
    let connection = Connection::open(options).await?;
    let names = Topic::ALL.map(|topic| options.topic_name(topic));
    let names = names.each_ref().map(String::as_str);
    let what = "removing the topics of a benchmark";
    let results = connection.admin.delete_topics(&names, &connection.admin_options()).await;
    for result in results.map_err(|error| connection.failed(what, &error))? {
        match result {
            Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => {}
            Err((topic, code)) => {
                return Err(KafkaError::Admin {
                    what: format!("{what} ({topic})"),
                    reason: code.to_string(),
                });
            }
        }
    }
    Ok(())
}

/// After so many ms of silence a member is out of its group: with the `consumer` protocol the brokers' setting
/// (KIP-848: `group.consumer.session.timeout.ms`), otherwise ours. `None` where the brokers don't tell.
///
/// # Errors
/// When no broker answers.
pub async fn session_timeout_ms(options: &KafkaOptions) -> Result<Option<u64>, KafkaError> {
    if options.group_protocol == GroupProtocol::Classic {
        return Ok(Some(u64::from(options.session_timeout_ms)));
    }
    let connection = Connection::open(options).await?;
    let what = "asking the brokers for the session timeout";
    let timeout = connection.timeout;
    let metadata = connection.blocking(move |client| client.fetch_metadata(None, timeout)).await;
    let metadata = metadata.map_err(|error| connection.failed(what, &error))?;
    let Some(broker) = metadata.brokers().first() else { return Ok(None) };
    let resource = [ResourceSpecifier::Broker(broker.id())];
    let described = connection.admin.describe_configs(&resource, &connection.admin_options()).await;
    let described = described.map_err(|error| connection.failed(what, &error))?;
    let value = described
        .first()
        .and_then(|resource| resource.as_ref().ok()?.get("group.consumer.session.timeout.ms")?.value.clone());
    Ok(value.and_then(|value| value.parse().ok()))
}

fn check_prefix(options: &KafkaOptions) -> Result<(), KafkaError> {
    match options.prefix.starts_with(SCRATCH) {
        true => Ok(()),
        false => Err(KafkaError::Options(format!(
            "prefix: `{}` is not that of a benchmark, which begins with {SCRATCH}",
            options.prefix
        ))),
    }
}

/// Counts what was not stored.
#[derive(Clone, Default)]
struct Tally {
    failed: Arc<AtomicUsize>,
}

impl ClientContext for Tally {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        tracing::warn!(%error, reason, "the bare producer of a benchmark");
    }
}

impl ProducerContext for Tally {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn topics_of_a_real_installation_are_neither_written_nor_removed() {
        for prefix in ["", "prod.", "x-sluice-bench-"] {
            let options = KafkaOptions { prefix: prefix.to_owned(), ..KafkaOptions::default() };
            let refused = remove_topics(&options).await.unwrap_err();
            assert!(matches!(refused, KafkaError::Options(_)), "{refused}");
            let refused = produce(&options, Topic::Sends, Vec::new(), 1).await.unwrap_err();
            assert!(refused.to_string().starts_with("prefix: "), "{refused}");
        }
    }
}
