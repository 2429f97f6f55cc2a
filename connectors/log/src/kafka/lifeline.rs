//! Gives clients their brokers again.
//!
//! A broker that starts again answers for a moment that there are topics and no brokers. librdkafka then lets go of all
//! that it knew, those of `bootstrap.servers` as well, and has nobody left to ask (seen with 2.12.1; the decision is in
//! its `rd_kafka_metadata_decommission_unavailable_brokers`): such a client waits for ever, while others of the same
//! process go on. Adding brokers that a client has changes nothing.

use super::native;
use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// A client that brokers can be added to.
pub(crate) trait Reachable: Send + Sync {
    /// Adds the brokers that it does not know.
    fn add_brokers(&self, brokers: &CStr);
}

impl<C: ConsumerContext> Reachable for BaseConsumer<C> {
    fn add_brokers(&self, brokers: &CStr) {
        native::add_brokers(self.client(), brokers);
    }
}

impl<C: ProducerContext> Reachable for ThreadedProducer<C> {
    fn add_brokers(&self, brokers: &CStr) {
        native::add_brokers(self.client(), brokers);
    }
}

impl<C: ClientContext> Reachable for AdminClient<C> {
    fn add_brokers(&self, brokers: &CStr) {
        native::add_brokers(self.inner(), brokers);
    }
}

/// The clients of a process.
pub(crate) struct Lifeline {
    brokers: CString,
    clients: Mutex<Vec<Weak<dyn Reachable>>>,
}

impl std::fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lifeline").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl Lifeline {
    pub(crate) fn new(brokers: &str) -> Self {
        let brokers: Vec<&str> = brokers.split(',').map(str::trim).collect();
        // A name with a zero byte is none, and connects to nothing.
        let brokers = CString::new(brokers.join(",")).unwrap_or_default();
        Self { brokers, clients: Mutex::default() }
    }

    /// From now on brokers are added to this one, too.
    pub(crate) fn hold<C: Reachable + 'static>(&self, client: &Arc<C>) {
        let client: Arc<dyn Reachable> = client.clone();
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&client));
    }

    /// Adds the brokers to every client that is there.
    pub(crate) fn pull(&self) {
        let clients: Vec<Arc<dyn Reachable>> = {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.retain(|client| client.strong_count() > 0);
            clients.iter().filter_map(Weak::upgrade).collect()
        };
        clients.iter().for_each(|client| client.add_brokers(&self.brokers));
    }
}

/// The first time while no broker answers, and between the times after brokers are back.
const FIRST: Duration = Duration::from_secs(5);

/// The longest pause while no broker answers.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Between two times for suspicions that were wrong: one client may have lost what another one still knows.
const SUSPECTED: Duration = Duration::from_secs(60);

/// So often after brokers are back: a client may ask one that has not heard of the others yet.
const AFTERWARDS: u32 = 3;

/// When brokers are added. Times are monotonic.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    is_silent: bool,
    due: Option<Duration>,
    turn: u32,
    last: Option<Duration>,
}

impl Schedule {
    /// A broker answered, or none did.
    pub(crate) fn heard(&mut self, answers: bool, now: Duration) {
        match (self.is_silent, answers) {
            (false, false) => (self.is_silent, self.due, self.turn) = (true, Some(now + FIRST), 0),
            (true, true) => (self.is_silent, self.due, self.turn) = (false, Some(now), 0),
            (false, true) if self.due.is_none() && self.last.is_none_or(|last| now - last > SUSPECTED) => {
                (self.due, self.turn) = (Some(now + FIRST), AFTERWARDS - 1);
            }
            _ => {}
        }
    }

    /// Whether it is time now.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        self.last = Some(now);
        self.turn += 1;
        self.due = match self.is_silent {
            true => Some(now + (FIRST * (1 << self.turn.min(8))).min(PAUSE_MAX)),
            false => (self.turn < AFTERWARDS).then_some(now + FIRST * self.turn),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Counting(AtomicU32);

    impl Reachable for Counting {
        fn add_brokers(&self, brokers: &CStr) {
            assert_eq!(brokers, c"a:1,b:2");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_client_that_is_there_gets_its_brokers() {
        let lifeline = Lifeline::new("a:1, b:2");
        let (stays, goes) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
        lifeline.hold(&stays);
        lifeline.hold(&goes);
        lifeline.pull();
        drop(goes);
        lifeline.pull();
        assert_eq!(stays.0.load(Ordering::Relaxed), 2);
        assert_eq!(lifeline.clients.lock().unwrap().len(), 1);
    }

    #[test]
    fn brokers_are_added_seldom_while_none_answers_and_a_few_times_afterwards() {
        let mut schedule = Schedule::default();
        let mut times = Vec::new();
        // Somebody suspected at first that nobody answers, and was wrong.
        for second in 0..300 {
            let now = Duration::from_secs(second);
            if second <= 200 {
                schedule.heard(!(10..200).contains(&second), now);
            }
            if schedule.is_due(now) {
                times.push(second);
            }
        }
        assert_eq!(times, [5, 15, 25, 45, 85, 145, 200, 205, 215]);
    }
}
