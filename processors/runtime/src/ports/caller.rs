//! Provider calls.
//!
//! Guarantees every implementation gives:
//! - One [`Call`] is at most one request on the wire: no hidden retries, no redirects.
//! - A call does not start before its `not_before`, nor at or after its `start_by` or its `not_after`, looked at as
//!   the last thing before its first byte; it then ends as [`CallResult::NotCalled`].
//! - Each call ends in exactly one outcome, unless the process dies.
//! - [`CallResult::NotCalled`] and [`CallResult::Refused`] mean that nobody got a message; whatever else
//!   can't be excluded is [`CallResult::Unknown`].

use bytes::Bytes;
use sluice_core::retry::GrowingWait;
use sluice_core::throttle::HoldReason;
use sluice_core::{PageId, SendId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// One request, ready to be written.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// Everything that the calls of one page and message share.
    pub endpoint: Arc<Endpoint>,
    /// The body.
    pub body: Bytes,
    /// The echo tag, for endpoints that take it as a header.
    pub tag: Option<Bytes>,
}

/// What the calls of a page share. Its `Debug` output shows no secrets.
#[derive(Clone)]
pub struct Endpoint {
    /// The page.
    pub page: PageId,
    /// An uppercase method.
    pub method: String,
    /// An absolute http or https URL. May hold no secrets.
    pub url: String,
    /// Name and value, credentials included.
    pub headers: Vec<(String, String)>,
    /// What the answer means.
    pub answers: Arc<dyn AnswerRules>,
    /// From the first byte written to the last byte read, in ms.
    pub timeout_ms: u64,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("page", &self.page)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The meaning of a provider's answers: a pure function.
pub trait AnswerRules: Send + Sync {
    /// Classifies an answer.
    fn classify(&self, answer: &Answer<'_>) -> CallResult;

    /// How much of its limit the provider says is used, in percent, at most 100; of several figures the highest.
    /// `None` where the answer does not say.
    fn used_percent(&self, _answer: &Answer<'_>) -> Option<u32> {
        None
    }
}

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// HTTP status.
    pub status: u16,
    /// Names as the provider writes them: upper and lower case mean the same.
    pub headers: &'a [(&'a str, &'a str)],
    /// At most 64 KiB; a longer one is cut.
    pub body: &'a [u8],
}

/// A call and what it is for.
#[derive(Debug)]
pub struct Call {
    /// The claimed send.
    pub send: SendId,
    /// The claimed attempt.
    pub attempt: u8,
    /// What to send.
    pub request: CallRequest,
    /// Earliest start, on the monotonic clock.
    pub not_before: Duration,
    /// The slot that the limits gave it ends here, on the monotonic clock: started later, it could come together
    /// with the calls of later slots and break a limit (G4).
    pub start_by: Duration,
    /// The grant ends here, on the monotonic clock.
    pub not_after: Duration,
    /// Where the outcome goes.
    pub outcomes: Outcomes,
}

impl Call {
    /// From here on it must not start any more, for whatever reason.
    pub fn latest_start(&self) -> Duration {
        self.start_by.min(self.not_after)
    }
}

/// Where the outcome of one call goes, and before it whether the call has begun. Who measures calls hears of the outcome
/// first, and also that a call was given up without one.
pub struct Outcomes {
    to: UnboundedSender<CallOutcome>,
    metered: Option<Metered>,
    begun: Begun,
}

/// Whether a call has begun: bytes of it may have left, so an outcome can be long in coming, and is hardly
/// [`CallResult::NotCalled`] any more. A caller that does not tell leaves it at no.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Of all calls that were handed out together.
    batch: Arc<[AtomicBool]>,
    at: usize,
}

impl Begun {
    /// For as many calls, in one piece of memory: a call costs the allocator little.
    pub fn batch(calls: usize) -> impl Iterator<Item = Self> {
        let batch: Arc<[AtomicBool]> = std::iter::repeat_with(AtomicBool::default).take(calls).collect();
        (0..calls).map(move |at| Self { batch: batch.clone(), at })
    }

    /// As far as the caller has told.
    pub fn is_told(&self) -> bool {
        self.flag().is_some_and(|flag| flag.load(Ordering::Acquire))
    }

    fn tell(&self, has_begun: bool) {
        if let Some(flag) = self.flag() {
            flag.store(has_begun, Ordering::Release);
        }
    }

    fn flag(&self) -> Option<&AtomicBool> {
        self.batch.get(self.at)
    }
}

impl Default for Begun {
    fn default() -> Self {
        Self { batch: Arc::new([AtomicBool::new(false)]), at: 0 }
    }
}

/// Measures calls, on the thread that has their outcome: it has to be quick.
pub trait CallMeter: Send + Sync + 'static {
    /// The call that was to start at `slot` is under way no more; `None`: the client gave it up without an outcome.
    /// `place` is what the meter was told with the call.
    fn ended(&self, place: usize, slot: Duration, outcome: Option<&CallOutcome>);
}

struct Metered {
    meter: Arc<dyn CallMeter>,
    place: usize,
    slot: Duration,
}

impl Outcomes {
    /// To whoever receives; `begun` is told before.
    pub fn new(to: UnboundedSender<CallOutcome>, begun: Begun) -> Self {
        Self { to, metered: None, begun }
    }

    /// For whoever made the call.
    pub fn begun(&self) -> Begun {
        self.begun.clone()
    }

    /// Told by the caller right before the first byte may leave; `false`: none has left after all.
    pub fn tell_begun(&self, has_begun: bool) {
        self.begun.tell(has_begun);
    }

    /// Has the outcome measured before it is sent.
    pub fn metered_by(&mut self, meter: Arc<dyn CallMeter>, place: usize, slot: Duration) {
        self.metered = Some(Metered { meter, place, slot });
    }

    /// Sends the one outcome. `false`: whoever made the call is gone, and nobody wants to know.
    pub fn send(mut self, outcome: CallOutcome) -> bool {
        self.measure(Some(&outcome));
        self.to.send(outcome).is_ok()
    }

    fn measure(&mut self, outcome: Option<&CallOutcome>) {
        if let Some(Metered { meter, place, slot }) = self.metered.take() {
            meter.ended(place, slot, outcome);
        }
    }
}

impl Drop for Outcomes {
    fn drop(&mut self) {
        self.measure(None);
    }
}

impl std::fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outcomes")
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq)]
pub struct CallOutcome {
    /// The claimed send.
    pub send: SendId,
    /// The claimed attempt.
    pub attempt: u8,
    /// What is known.
    pub result: CallResult,
    /// How much of its limit the provider said is used, in percent: see [`AnswerRules::used_percent`].
    pub used_percent: Option<u32>,
    /// ms since 1970.
    pub at_ms: i64,
}

/// What is known about a call that ended.
#[derive(Debug, Clone, PartialEq)]
pub enum CallResult {
    /// The provider took it.
    Accepted {
        /// The provider's id of the message.
        message_id: Option<String>,
    },
    /// The provider refused this message.
    Failed(Failure),
    /// The provider refused the page as a whole (throttle, account), or the message's template: nobody got a
    /// message, try again when it is over.
    Refused {
        /// Why.
        reason: HoldReason,
        /// What the provider asked for.
        retry_after: Option<Duration>,
    },
    /// No byte of the request left: too late, or no connection.
    NotCalled {
        /// The page should wait, where there is no connection.
        reason: Option<HoldReason>,
    },
    /// The request may have arrived, and there is no answer.
    Unknown {
        /// For people.
        detail: String,
    },
}

/// Whom a refused message says something of, beside its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// Nobody.
    Recipient,
    /// All of its page: the provider warns of more such messages, and the page slows down.
    Page,
    /// All of its campaign, as far as one refusal tells: the messages are wrong.
    Campaign,
    /// All campaigns of its template, which the provider does not take at present.
    Template,
}

/// A refusal of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether another attempt makes sense.
    pub transient: bool,
    /// Attempts that this kind of failure is worth; 0 leaves it to the campaign's `max_retries`.
    pub attempts_max: u8,
    /// The person wants no messages.
    pub opted_out: bool,
    /// Whom else it would happen to.
    pub concerns: Concerns,
    /// Code in the provider's or the system's words.
    pub code: String,
    /// For people; without secrets.
    pub message: String,
    /// What the provider asked for.
    pub retry_after: Option<Duration>,
    /// The least wait that it documents, where it grows with each attempt.
    pub growing_wait: Option<GrowingWait>,
}

/// Makes provider calls.
pub trait Caller: Send + Sync + 'static {
    /// Enqueues the calls; each outcome arrives at its sender. Never blocks.
    fn call(&self, calls: Vec<Call>);
}
