//! Reading without a group: a place of the log that is being read, with what librdkafka fetches ahead of it.

use super::client::{AGAIN, Events, ONE_TRY, code};
use super::gather::Gather;
use super::trouble::{RefusalKind, Trouble};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset as ClientOffset, TopicPartitionList};
use sluice_runtime::ports::log::{LogError, Partition, Position, ReadLimit, StoredRecord, Topic};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;

/// One poll waits so long at most, and then looks whether anybody still wants the records.
const POLL: Duration = Duration::from_millis(50);

/// Records that should be there and don't come: ask for the bounds again.
const STALLED: Duration = Duration::from_secs(2);

/// After librdkafka said "the end" where there should be records, they have so long to come. What remains
/// then are places without a record (marks of transactions).
const END_MEANT: Duration = Duration::from_millis(300);

/// A partition that brokers which work don't know for so long has been taken away.
const GONE: Duration = Duration::from_secs(10);

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: Topic,
    pub(crate) partition: Partition,
    pub(crate) from: u64,
}

/// A consumer at a place of the log.
pub(crate) struct Cursor {
    consumer: Arc<BaseConsumer<Events>>,
    trouble: Arc<Trouble>,
    /// What follows if one goes on polling.
    at: Option<Place>,
    is_assigned: bool,
    /// The end of the partition when it was last asked for, or a later one.
    known_end: u64,
}

/// What stops a read besides its end.
enum Stop {
    /// Nobody waits for it any more.
    Abandoned,
    Refused(LogError),
}

impl Cursor {
    pub(crate) fn new(consumer: BaseConsumer<Events>, trouble: Arc<Trouble>) -> Self {
        let consumer = Arc::new(consumer);
        trouble.lifeline.hold(&consumer);
        Self { consumer, trouble, at: None, is_assigned: false, known_end: 0 }
    }

    /// Learns where a topic is, if brokers answer now. Blocks.
    pub(crate) fn connect(&self, topic_name: &str) {
        drop(self.consumer.fetch_metadata(Some(topic_name), ONE_TRY));
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> Option<Place> {
        self.at
    }

    /// What was fetched ahead is not used any more.
    pub(crate) fn leave(&mut self) {
        self.at = None;
    }

    /// Stops fetching ahead.
    pub(crate) fn rest(&mut self) {
        self.at = None;
        if self.is_assigned {
            self.is_assigned = false;
            drop(self.consumer.unassign());
        }
        // Serves what the client has to say.
        drop(self.consumer.poll(Duration::ZERO));
    }

    /// Reads; `None` when `is_wanted` said no.
    pub(crate) fn read(
        &mut self,
        topic_name: &str,
        place: Place,
        limit: ReadLimit,
        is_wanted: &dyn Fn() -> bool,
    ) -> Option<Result<Vec<StoredRecord>, LogError>> {
        if limit.records_max == 0 {
            return Some(Ok(Vec::new()));
        }
        match self.gather(topic_name, place, limit, is_wanted) {
            Ok(records) => Some(Ok(records)),
            Err(stop) => {
                self.at = None;
                match stop {
                    Stop::Abandoned => None,
                    Stop::Refused(error) => Some(Err(error)),
                }
            }
        }
    }

    fn gather(
        &mut self,
        topic_name: &str,
        place: Place,
        limit: ReadLimit,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<Vec<StoredRecord>, Stop> {
        let mut gather = Gather::default();
        let mut next = place.from;
        if self.at == Some(place) {
            // Going on: what was fetched ahead is taken without asking anybody.
            while self.poll_one(Duration::ZERO, &mut gather, &mut next).is_record() {
                if is_full(&gather, limit) {
                    break;
                }
            }
            self.known_end = self.known_end.max(next);
        } else {
            self.at = None;
            self.known_end = 0;
        }
        let mut quiet_since = SystemClock.monotonic();
        let mut end_said = false;
        while !is_full(&gather, limit) {
            if next >= self.known_end && !gather.is_empty() {
                break;
            }
            if next >= self.known_end || self.at.is_none() {
                let (start, end) = self.bounds(topic_name, place, is_wanted)?;
                if place.from < start {
                    let (asked, start) = (Position(place.from), Position(start));
                    let Place { topic, partition, .. } = place;
                    return Err(Stop::Refused(LogError::BelowStart { topic, partition, asked, start }));
                }
                if place.from >= end {
                    return Ok(Vec::new());
                }
                self.known_end = end;
                if self.at.is_none() {
                    self.assign(topic_name, place).map_err(Stop::Refused)?;
                }
                (quiet_since, end_said) = (SystemClock.monotonic(), false);
            }
            match self.poll_one(POLL, &mut gather, &mut next) {
                Polled::Record => {
                    end_said = false;
                    continue;
                }
                Polled::End => end_said = true,
                Polled::Outside => {
                    // The next turn, or the next read, asks for the bounds.
                    self.at = None;
                    if !gather.is_empty() {
                        break;
                    }
                }
                Polled::Nothing => {}
            }
            if !is_wanted() {
                return Err(Stop::Abandoned);
            }
            let quiet = SystemClock.monotonic() - quiet_since;
            if end_said && quiet > END_MEANT {
                // Nothing but marks up to the end.
                break;
            }
            if quiet > STALLED && gather.is_empty() {
                // Is it still there? The next turn asks.
                self.at = None;
            }
        }
        self.known_end = self.known_end.max(next);
        self.at = self.at.map(|_| Place { from: next, ..place });
        Ok(gather.finish())
    }

    fn poll_one(&mut self, wait: Duration, gather: &mut Gather, next: &mut u64) -> Polled {
        match self.consumer.poll(wait) {
            None => Polled::Nothing,
            Some(Ok(message)) => {
                let offset = message.offset().max(0).cast_unsigned();
                if offset >= *next {
                    gather.add(&message);
                    *next = offset + 1;
                }
                Polled::Record
            }
            Some(Err(ClientError::PartitionEOF(_))) => Polled::End,
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => Polled::Outside,
                // Said by the client as trouble already; it goes on by itself.
                _ => Polled::Nothing,
            },
        }
    }

    fn assign(&mut self, topic_name: &str, place: Place) -> Result<(), LogError> {
        let failed = |error: ClientError| LogError::Storage(format!("{topic_name}: {error}"));
        let offset = ClientOffset::Offset(i64::try_from(place.from).unwrap_or(i64::MAX));
        let mut list = TopicPartitionList::with_capacity(1);
        let number = i32::try_from(place.partition.0).unwrap_or(i32::MAX);
        list.add_partition_offset(topic_name, number, offset).map_err(failed)?;
        self.consumer.assign(&list).map_err(failed)?;
        (self.at, self.is_assigned) = (Some(place), true);
        Ok(())
    }

    /// First kept and next offset, however long the brokers take to say so.
    fn bounds(
        &self,
        topic_name: &str,
        place: Place,
        is_wanted: &dyn Fn() -> bool,
    ) -> Result<(u64, u64), Stop> {
        let began = SystemClock.monotonic();
        loop {
            match watermarks(&self.consumer, topic_name, place.partition) {
                Ok(bounds) => return Ok(bounds),
                Err(code @ Code::UnknownPartition) if SystemClock.monotonic() - began > GONE => {
                    let what = format!("reading partition {} of {topic_name}: {code}", place.partition.0);
                    self.trouble.refused(RefusalKind::Topic, &what);
                }
                Err(code) if self.trouble.failed(&format!("reading {topic_name}"), code) => {}
                Err(code) => return Err(Stop::Refused(LogError::Storage(format!("{topic_name}: {code}")))),
            }
            if !is_wanted() {
                return Err(Stop::Abandoned);
            }
            std::thread::sleep(AGAIN);
        }
    }
}

/// Asks for the first kept and the next offset of a partition, once. Blocks. Where there is no answer it asks for the
/// partition's leader, so that the next try goes there: a client that reads nothing from the partition takes the leader
/// it once learnt for the true one for minutes, also when that broker is dead.
pub(crate) fn watermarks<C: rdkafka::consumer::ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic_name: &str,
    partition: Partition,
) -> Result<(u64, u64), Code> {
    let number = i32::try_from(partition.0).unwrap_or(i32::MAX);
    match consumer.fetch_watermarks(topic_name, number, ONE_TRY) {
        Ok((start, end)) => Ok((start.max(0).cast_unsigned(), end.max(0).cast_unsigned())),
        Err(error) => {
            drop(consumer.fetch_metadata(Some(topic_name), ONE_TRY));
            Err(code(error))
        }
    }
}

fn is_full(gather: &Gather, limit: ReadLimit) -> bool {
    gather.len() >= limit.records_max || (!gather.is_empty() && gather.bytes() >= limit.bytes_max)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polled {
    Record,
    Nothing,
    /// The end of the partition as it was when that was fetched.
    End,
    /// The place is not between the partition's bounds.
    Outside,
}

impl Polled {
    fn is_record(self) -> bool {
        self == Self::Record
    }
}
