//! librdkafka's configuration for each use, and what its clients say besides records.

use super::options::{GroupProtocol, KafkaOptions};
use super::security;
use super::trouble::Trouble;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use sluice_runtime::ports::log::Topic;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, error, warn};

/// A request that waits for brokers is given up after this, and made again.
pub(crate) const ONE_TRY: Duration = Duration::from_secs(2);

/// Between two tries.
pub(crate) const AGAIN: Duration = Duration::from_millis(200);

/// A record's overhead and that of its batch, generously.
pub(crate) const OVERHEAD_BYTES: u32 = 64 << 10;

/// What every client has in common.
pub(crate) fn base(options: &KafkaOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    // Theirs first: what the guarantees hang on is set after it.
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    let brokers: Vec<&str> = options.brokers.split(',').map(str::trim).collect();
    config
        .set("bootstrap.servers", brokers.join(","))
        .set("client.id", "sluice")
        // A connection that is silently gone is noticed sooner than after the default of a minute, and made
        // again within a second, so that work goes on at once when brokers are back.
        .set("socket.timeout.ms", "15000")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "1000")
        .set("allow.auto.create.topics", "false");
    config.set_log_level(RDKafkaLogLevel::Warning);
    security::apply(options, &mut config);
    config
}

/// Appends: acknowledged by all copies, in order, once, however long brokers are away.
pub(crate) fn producer(options: &KafkaOptions) -> ClientConfig {
    let mut config = base(options);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("max.in.flight.requests.per.connection", "5")
        .set("message.timeout.ms", "0")
        .set("request.timeout.ms", "15000")
        .set("message.max.bytes", (options.record_bytes_max + OVERHEAD_BYTES / 2).to_string());
    defaults(
        options,
        &mut config,
        &[
            ("compression.type", "lz4"),
            ("linger.ms", "2"),
            ("batch.size", "524288"),
            ("batch.num.messages", "20000"),
            ("queue.buffering.max.messages", "500000"),
            ("queue.buffering.max.kbytes", "262144"),
        ],
    );
    config
}

/// Reads without a group. librdkafka wants a group's name all the same; it is never joined.
pub(crate) fn reader(options: &KafkaOptions) -> ClientConfig {
    let mut config = consumer(options, "reader");
    config.set("enable.partition.eof", "true");
    defaults(
        options,
        &mut config,
        &[
            // A broker answers one fetch of a client at a time: one that waits for new records at an old place
            // holds up the first one at a new place.
            ("fetch.wait.max.ms", "10"),
            ("fetch.queue.backoff.ms", "2"),
            // A record that is fetched ahead costs librdkafka several hundred bytes beside its own: 200,000 of them took
            // 170 MB a reader, and several hundred MB of memory that its threads free in each other's heaps. Some
            // windows of a page are enough; a fetch ends with the batch in which it gets to its bytes.
            ("fetch.message.max.bytes", "262144"),
            ("queued.min.messages", "10000"),
            ("queued.max.messages.kbytes", "2048"),
        ],
    );
    config
}

/// A member of a group.
pub(crate) fn member(options: &KafkaOptions, group: &str) -> ClientConfig {
    let mut config = consumer(options, group);
    match options.group_protocol {
        GroupProtocol::Consumer => {
            config.set("group.protocol", "consumer");
        }
        GroupProtocol::Classic => {
            config
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", options.session_timeout_ms.to_string())
                .set(
                    "heartbeat.interval.ms",
                    (options.session_timeout_ms / 10).clamp(100, 3_000).to_string(),
                );
        }
    }
    // It is the rebalance timeout too: a member that holds partitions back longer loses them.
    let poll_max = options.drain_ms.saturating_add(60_000).max(options.session_timeout_ms);
    config.set("max.poll.interval.ms", poll_max.to_string());
    // It reads nothing: the fetcher beside it does.
    config.set("queued.min.messages", "1");
    config
}

/// Reads for a member what it has of a topic, without joining.
pub(crate) fn fetcher(options: &KafkaOptions, topic: Topic) -> ClientConfig {
    let mut config = consumer(options, "reader");
    defaults(
        options,
        &mut config,
        &[
            ("fetch.wait.max.ms", fetch_wait_ms(topic)),
            ("fetch.queue.backoff.ms", "5"),
            ("fetch.message.max.bytes", "1048576"),
            ("queued.min.messages", "2000"),
            ("queued.max.messages.kbytes", "2048"),
        ],
    );
    config
}

/// How long a broker holds a fetch back while a topic has nothing new. A record that comes ends it at once, so this only
/// says how often an idle member asks, and what a partition that the member is just given waits at most for a fetch
/// that is under way: at `chunks` pages stand still meanwhile. Half a dozen members that asked twenty times a second
/// cost a broker more than the sends of a busy page.
fn fetch_wait_ms(topic: Topic) -> &'static str {
    match topic {
        Topic::Chunks => "50",
        _ => "250",
    }
}

/// Looks at what a group committed; never joins it.
pub(crate) fn consumer(options: &KafkaOptions, group: &str) -> ClientConfig {
    let mut config = base(options);
    config
        .set("group.id", options.group_name(group))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("receive.message.max.bytes", (256_u32 << 20).to_string());
    config
}

/// What librdkafka says is wrong, in its own terms.
pub(crate) fn code(error: ClientError) -> Code {
    error.rdkafka_error_code().unwrap_or(Code::Fail)
}

/// Sets what the properties do not name.
fn defaults(options: &KafkaOptions, config: &mut ClientConfig, values: &[(&str, &str)]) {
    for (name, value) in values {
        if !options.properties.contains_key(*name) {
            config.set(*name, *value);
        }
    }
}

/// Hears what a client says besides records: errors become [`Trouble`], the rest is logged.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    pub(crate) trouble: Arc<Trouble>,
}

impl ClientContext for Events {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: ClientError, reason: &str) {
        self.trouble.heard(&error, reason);
    }
}

impl ConsumerContext for Events {}

/// The target of librdkafka's own lines, so that a filter can tell them from ours.
const TARGET: &str = "librdkafka";

/// librdkafka's own lines. Connections that fail are told as trouble, once.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(target: TARGET, facility, "librdkafka: {message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning if facility != "FAIL" => {
            warn!(target: TARGET, facility, "librdkafka: {message}");
        }
        _ => debug!(target: TARGET, facility, "librdkafka: {message}"),
    }
}
