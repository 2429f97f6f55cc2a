//! Memberships: a polling thread that only demultiplexes, a committing thread, and a seat between them and the
//! member.

mod asking;
mod commits;
mod context;
mod hurry;
mod member;
mod place;
mod poller;
mod seat;

use super::client::{self, Events};
use super::connection::Connection;
use super::framing::Framing;
use super::log::TopicInfo;
use super::options::KafkaOptions;
use commits::Commits;
use context::MemberContext;
use member::{MemberCommitter, MemberDeliveries};
use poller::Poller;
use rdkafka::consumer::{BaseConsumer, Consumer};
use seat::Seat;
use sluice_runtime::ports::log::{LogError, Membership};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Becomes a member. Blocks for a moment.
pub(crate) fn join(
    options: &KafkaOptions,
    connection: &Connection,
    group: &str,
    info: Arc<TopicInfo>,
    framing: Option<Arc<dyn Framing>>,
) -> Result<Membership, LogError> {
    let failed = |reason: String| LogError::Storage(format!("joining group {group}: {reason}"));
    let context = MemberContext::new(connection.trouble.clone());
    let consumer: BaseConsumer<MemberContext> = client::member(options, group)
        .create_with_context(context)
        .map_err(|error| failed(error.to_string()))?;
    consumer.subscribe(&[&info.name]).map_err(|error| failed(error.to_string()))?;
    let fetcher: BaseConsumer<Events> = client::fetcher(options, info.topic)
        .create_with_context(Events { trouble: connection.trouble.clone() })
        .map_err(|error| failed(error.to_string()))?;
    let (consumer, fetcher, seat) = (Arc::new(consumer), Arc::new(fetcher), Arc::new(Seat::default()));
    connection.trouble.lifeline.hold(&consumer);
    connection.trouble.lifeline.hold(&fetcher);

    let (send, received) = mpsc::channel();
    let commits = Commits {
        consumer: Arc::downgrade(&consumer),
        seat: seat.clone(),
        info: info.clone(),
        trouble: connection.trouble.clone(),
    };
    let drain = Duration::from_millis(u64::from(options.drain_ms));
    let protocol = options.group_protocol;
    let poller =
        Poller::new(consumer, fetcher, seat.clone(), info.clone(), connection.clone(), drain, protocol);
    spawn("kafka-commit", move || commits.run(&received)).map_err(failed)?;
    // Whoever drops the consumer last closes it, which leaves the group.
    spawn("kafka-poll", move || drop(poller.run())).map_err(failed)?;
    Ok(Membership {
        deliveries: Box::new(MemberDeliveries::new(seat.clone(), info.clone(), framing)),
        committer: Arc::new(MemberCommitter::new(seat, info, send)),
    })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map(drop).map_err(|error| error.to_string())
}
