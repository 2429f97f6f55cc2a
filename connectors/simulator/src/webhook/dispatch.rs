//! The queue of events that wait for their time, and the bounded number of calls that carry them.

use std::cmp::{Ordering as Order, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::event::{Event, EventKind};
use super::plan::{Planned, plan};
use super::post::{Posted, Poster};
use crate::call::Call;
use crate::channel::Channel;
use crate::config::SimulatorConfig;
use crate::dice::Dice;
use crate::error::Error;
use crate::faults::Faults;
use crate::judge::Ruling;
use crate::log::Outcome;
use crate::server::{Gate, until};
use crate::state::State;
use crate::stats::WebhookStats;

/// An event and its time.
#[derive(Debug)]
struct Due {
    at: Instant,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Order {
        self.at.cmp(&other.at)
    }
}

#[derive(Debug, Default)]
struct Counts {
    posted: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
    withheld: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    poster: Arc<Poster>,
    /// The queue is not bounded: a provider keeps events for days; [`WebhookStats::waiting`] shows its length.
    queue: mpsc::UnboundedSender<Due>,
    counts: Counts,
    waiting: watch::Sender<u64>,
    batch_max: usize,
    linger: Duration,
    tries: u32,
    backoff: Duration,
    permits: Arc<Semaphore>,
}

/// Sends webhooks.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Due>>>,
    state: Mutex<Weak<State>>,
}

impl Dispatcher {
    pub(crate) fn new(config: &SimulatorConfig, url: &str) -> Result<Self, Error> {
        let (queue, inbox) = mpsc::unbounded_channel();
        let shared = Shared {
            poster: Arc::new(Poster::new(config, url)?),
            queue,
            counts: Counts::default(),
            waiting: watch::channel(0).0,
            batch_max: config.webhook_batch_max.max(1),
            linger: Duration::from_millis(config.webhook_linger_ms),
            tries: config.webhook_tries.max(1),
            backoff: Duration::from_millis(config.webhook_backoff_ms),
            permits: Arc::new(Semaphore::new(config.webhook_concurrency.max(1))),
        };
        Ok(Self { shared: Arc::new(shared), inbox: Mutex::new(Some(inbox)), state: Mutex::new(Weak::new()) })
    }

    /// Begins to send; the state is needed for the log and the clock.
    pub(crate) fn start(&self, state: &Arc<State>) -> JoinHandle<()> {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(state);
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (shared, state) = (Arc::clone(&self.shared), Arc::clone(state));
        tokio::spawn(async move {
            if let Some(inbox) = inbox {
                run(shared, state, inbox).await;
            }
        })
    }

    /// Plans what follows an accepted call; returns after its early event, if it has one.
    pub(crate) async fn announce(
        &self,
        seed: u64,
        call: &Call,
        ruling: &Ruling,
        id: &Arc<str>,
        faults: &Arc<Faults>,
    ) {
        let dice = Dice::new(seed, &call.to, ruling.attempt);
        let plan = plan(faults, call.channel, &dice);
        let with_mids = !dice.happens("mids missing", faults.mids_missing_percent);
        let event = |kind: EventKind, happens_ms: u64| Event {
            channel: call.channel,
            page: Arc::clone(&call.page),
            to: Arc::clone(&call.to),
            tag: call.tag.clone(),
            scope: call.scope.clone(),
            message_id: Arc::clone(id),
            kind,
            at_us: ruling.t_us.saturating_add(happens_ms.saturating_mul(1_000)),
            with_mids,
            tries: 0,
            faults: Arc::clone(faults),
        };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(state) = state else { return };
        for kind in plan.withheld {
            self.shared.counts.withheld.fetch_add(1, Ordering::Relaxed);
            state.log.append(event(kind, 0).line(ruling.t_us, Outcome::Withheld, 0));
        }
        let now = Instant::now();
        for Planned { kind, happens_ms, sent_ms } in plan.later {
            self.shared
                .enqueue(Due { at: now + Duration::from_millis(sent_ms), event: event(kind, happens_ms) });
        }
        if let Some(early) = plan.early {
            self.shared.waiting.send_modify(|waiting| *waiting += 1);
            let posting = post(Arc::clone(&self.shared), state, vec![event(early.kind, 0)]);
            // A task of its own: the caller may close its connection meanwhile.
            drop(tokio::spawn(posting).await);
        }
    }

    pub(crate) async fn settled(&self) {
        // The sender is ours: the wait ends only by reaching zero.
        drop(self.shared.waiting.subscribe().wait_for(|waiting| *waiting == 0).await.map(|_| ()));
    }

    pub(crate) async fn verify(&self, channel: Channel) -> bool {
        self.shared.poster.verify(channel).await
    }

    pub(crate) fn stats(&self) -> WebhookStats {
        let counts = &self.shared.counts;
        WebhookStats {
            posted: counts.posted.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            lost: counts.lost.load(Ordering::Relaxed),
            withheld: counts.withheld.load(Ordering::Relaxed),
            waiting: *self.shared.waiting.borrow(),
        }
    }
}

impl Shared {
    fn enqueue(&self, due: Due) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        if self.queue.send(due).is_err() {
            // The simulator is ending.
            self.settle(1);
        }
    }

    fn settle(&self, events: u64) {
        self.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(events));
    }
}

async fn run(shared: Arc<Shared>, state: Arc<State>, mut inbox: mpsc::UnboundedReceiver<Due>) {
    let mut gate = state.gate.subscribe();
    let mut queue: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    let mut arrived = Vec::with_capacity(1_024);
    loop {
        let next = queue.peek().map(|Reverse(due)| due.at + shared.linger);
        tokio::select! {
            () = until(&mut gate, |gate| gate == Gate::Stop) => return,
            () = sleep_until(next) => {
                let now = Instant::now();
                let mut batches: HashMap<(Channel, Arc<str>), Vec<Event>> = HashMap::new();
                while queue.peek().is_some_and(|Reverse(due)| due.at <= now) {
                    if let Some(Reverse(due)) = queue.pop() {
                        batches.entry((due.event.channel, Arc::clone(&due.event.page))).or_default().push(due.event);
                    }
                }
                for ((channel, _), events) in batches {
                    let max = if channel == Channel::Http { 1 } else { shared.batch_max };
                    let mut events = events.into_iter().peekable();
                    while events.peek().is_some() {
                        let batch: Vec<Event> = events.by_ref().take(max).collect();
                        let Ok(permit) = Arc::clone(&shared.permits).acquire_owned().await else { return };
                        let (shared, state) = (Arc::clone(&shared), Arc::clone(&state));
                        tokio::spawn(async move {
                            post(shared, state, batch).await;
                            drop(permit);
                        });
                    }
                }
            }
            count = inbox.recv_many(&mut arrived, 1_024) => {
                if count == 0 {
                    return;
                }
                queue.extend(arrived.drain(..).map(Reverse));
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// One webhook call; what is not taken comes again later, a limited number of times.
async fn post(shared: Arc<Shared>, state: Arc<State>, events: Vec<Event>) {
    let posted = shared.poster.post(&events).await;
    let (outcome, status) = match posted {
        Posted::Status(200) => (Outcome::Posted, 200),
        Posted::Status(status) => (Outcome::Refused, status),
        Posted::Nothing => (Outcome::Unreachable, 0),
    };
    let t_us = state.clock.now_us();
    let count = events.len() as u64;
    for event in &events {
        state.log.append(event.line(t_us, outcome, status));
    }
    if outcome == Outcome::Posted {
        shared.counts.posted.fetch_add(count, Ordering::Relaxed);
    } else {
        shared.counts.refused.fetch_add(count, Ordering::Relaxed);
        for mut event in events {
            event.tries += 1;
            if event.tries >= shared.tries {
                shared.counts.lost.fetch_add(1, Ordering::Relaxed);
            } else {
                let wait = shared.backoff.saturating_mul(1 << (event.tries - 1).min(16));
                shared.enqueue(Due { at: Instant::now() + wait, event });
            }
        }
    }
    shared.settle(count);
}
