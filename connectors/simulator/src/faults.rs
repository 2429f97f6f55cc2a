//! What goes wrong, how often: settings that can change while the simulator runs, and the pure decision.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::error::Error;

/// One way in which a call does not simply succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// HTTP 500 (Graph: code 1).
    #[serde(rename = "error_500")]
    Error500,
    /// Throttled: WhatsApp 130429 (HTTP 429), Messenger 613 (HTTP 400), generic HTTP 429 with `Retry-After`.
    Throttled,
    /// This recipient can never be reached: WhatsApp 131026, Messenger 551, generic HTTP 422.
    Permanent,
    /// A short trouble of the provider: WhatsApp 131000, Messenger 2, generic HTTP 503.
    Transient,
    /// The token is refused: Graph 190 (HTTP 401), generic HTTP 401.
    WrongToken,
    /// The request is read, not accepted, and never answered.
    Hang,
    /// The request is accepted and never answered.
    HangAccepted,
    /// The connection closes after the request was read; it was not accepted.
    ClosedBefore,
    /// The connection closes after the request was accepted.
    ClosedAfter,
}

/// Everything that can be changed at run time. Percentages are 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Answers take at least this many milliseconds.
    pub latency_ms: u64,
    /// Plus 0 to this many milliseconds, drawn per attempt.
    pub latency_jitter_ms: u64,

    /// Percent of **addresses** that can never be reached (the same address at every attempt).
    pub permanent_percent: f64,
    /// Percent of attempts that get HTTP 500. This and the next six exclude each other: their sum is at most 100.
    pub error_500_percent: f64,
    /// Percent of attempts that are throttled although no limit was reached.
    pub throttled_percent: f64,
    /// Percent of attempts that get the provider's transient error.
    pub transient_percent: f64,
    /// Percent of attempts that are not accepted and never answered.
    pub hang_percent: f64,
    /// Percent of attempts that are accepted and never answered.
    pub hang_accepted_percent: f64,
    /// Percent of attempts whose connection closes before they count as accepted.
    pub closed_before_percent: f64,
    /// Percent of attempts whose connection closes after they counted as accepted.
    pub closed_after_percent: f64,
    /// A hanging call's connection closes after this many milliseconds, if the caller did not close it before.
    pub hang_ms: u64,
    /// `Retry-After` of generic HTTP answers with 429, in seconds; also the Messenger usage header, in minutes (rounded up).
    pub retry_after_s: u64,

    /// Percent of accepted messages that get `sent`, then `delivered` (WhatsApp, Messenger, generic HTTP).
    pub delivered_percent: f64,
    /// Percent of delivered messages that get `read`; Instagram: of accepted ones.
    pub read_percent: f64,
    /// Percent of delivered messages that are answered by a text of the recipient (not generic HTTP).
    pub reply_percent: f64,
    /// What the recipient answers.
    pub reply_text: String,
    /// Percent of accepted messages that get `failed` by webhook instead (WhatsApp, generic HTTP).
    pub webhook_failed_percent: f64,
    /// WhatsApp's error code of those.
    pub webhook_failed_code: u32,
    /// Percent of webhook events that are sent twice.
    pub webhook_duplicated_percent: f64,
    /// Percent of webhook events that are never sent.
    pub webhook_missing_percent: f64,
    /// Percent of accepted messages whose first event is sent, and answered, before the call is answered.
    pub webhook_early_percent: f64,
    /// Percent of accepted messages whose events are late.
    pub webhook_late_percent: f64,
    /// By how many milliseconds.
    pub webhook_late_ms: u64,
    /// Percent of accepted messages whose events come in reverse order.
    pub webhook_reordered_percent: f64,
    /// Percent of Messenger deliveries that carry only the watermark and no message ids.
    pub mids_missing_percent: f64,
    /// Milliseconds from acceptance to WhatsApp's `sent`.
    pub sent_after_ms: u64,
    /// Milliseconds from acceptance to `delivered`.
    pub delivered_after_ms: u64,
    /// Milliseconds from acceptance to `read`.
    pub read_after_ms: u64,
    /// Milliseconds from acceptance to the recipient's answer.
    pub reply_after_ms: u64,

    /// Nobody listens: connections are refused, open ones are closed once their call is answered.
    pub down: bool,
    /// With `down`: listen again after this many milliseconds. None: until `down` is set to false.
    pub down_for_ms: Option<u64>,
    /// Every valid call ends like this.
    pub fail_all: Option<FaultKind>,
    /// Every token is refused.
    pub wrong_token: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            latency_jitter_ms: 0,
            permanent_percent: 0.0,
            error_500_percent: 0.0,
            throttled_percent: 0.0,
            transient_percent: 0.0,
            hang_percent: 0.0,
            hang_accepted_percent: 0.0,
            closed_before_percent: 0.0,
            closed_after_percent: 0.0,
            hang_ms: 120_000,
            retry_after_s: 1,
            delivered_percent: 100.0,
            read_percent: 0.0,
            reply_percent: 0.0,
            reply_text: "Danke, schön! \u{1f44d}".to_owned(),
            webhook_failed_percent: 0.0,
            webhook_failed_code: 131_026,
            webhook_duplicated_percent: 0.0,
            webhook_missing_percent: 0.0,
            webhook_early_percent: 0.0,
            webhook_late_percent: 0.0,
            webhook_late_ms: 2_000,
            webhook_reordered_percent: 0.0,
            mids_missing_percent: 0.0,
            sent_after_ms: 5,
            delivered_after_ms: 20,
            read_after_ms: 60,
            reply_after_ms: 100,
            down: false,
            down_for_ms: None,
            fail_all: None,
            wrong_token: false,
        }
    }
}

impl Faults {
    /// The faults that exclude each other, in the order in which they share one throw.
    fn exclusive(&self) -> [(FaultKind, f64); 7] {
        [
            (FaultKind::Error500, self.error_500_percent),
            (FaultKind::Throttled, self.throttled_percent),
            (FaultKind::Transient, self.transient_percent),
            (FaultKind::Hang, self.hang_percent),
            (FaultKind::HangAccepted, self.hang_accepted_percent),
            (FaultKind::ClosedBefore, self.closed_before_percent),
            (FaultKind::ClosedAfter, self.closed_after_percent),
        ]
    }

    /// What happens to attempt `attempt` (from 1) at `address`; None: it is accepted and answered.
    ///
    /// Pure: the order of arrival plays no part. [`Faults::fail_all`] wins over every percentage.
    #[must_use]
    pub fn decide(&self, seed: u64, address: &str, attempt: u32) -> Option<FaultKind> {
        if self.fail_all.is_some() {
            return self.fail_all;
        }
        if Dice::new(seed, address, 0).happens("permanent", self.permanent_percent) {
            return Some(FaultKind::Permanent);
        }
        let exclusive = self.exclusive();
        if exclusive.iter().all(|(_, percent)| *percent <= 0.0) {
            return None;
        }
        let thrown = Dice::new(seed, address, attempt).percent("fault");
        let mut reached = 0.0;
        exclusive.into_iter().find_map(|(kind, percent)| {
            reached += percent;
            (thrown < reached).then_some(kind)
        })
    }

    /// Checks every percentage and the sum of those that exclude each other.
    ///
    /// # Errors
    /// [`Error::Fault`] names the field.
    pub fn validate(&self) -> Result<(), Error> {
        let percentages = [
            ("permanent_percent", self.permanent_percent),
            ("error_500_percent", self.error_500_percent),
            ("throttled_percent", self.throttled_percent),
            ("transient_percent", self.transient_percent),
            ("hang_percent", self.hang_percent),
            ("hang_accepted_percent", self.hang_accepted_percent),
            ("closed_before_percent", self.closed_before_percent),
            ("closed_after_percent", self.closed_after_percent),
            ("delivered_percent", self.delivered_percent),
            ("read_percent", self.read_percent),
            ("reply_percent", self.reply_percent),
            ("webhook_failed_percent", self.webhook_failed_percent),
            ("webhook_duplicated_percent", self.webhook_duplicated_percent),
            ("webhook_missing_percent", self.webhook_missing_percent),
            ("webhook_early_percent", self.webhook_early_percent),
            ("webhook_late_percent", self.webhook_late_percent),
            ("webhook_reordered_percent", self.webhook_reordered_percent),
            ("mids_missing_percent", self.mids_missing_percent),
        ];
        for (name, value) in percentages {
            if !(0.0..=100.0).contains(&value) {
                return Err(Error::Fault { name, value, rule: "a percentage lies between 0 and 100" });
            }
        }
        let sum: f64 = self.exclusive().iter().map(|(_, percent)| percent).sum();
        if sum > 100.000_001 {
            let rule = "error_500, throttled, transient, hang and closed percentages add up to at most 100";
            return Err(Error::Fault { name: "sum", value: sum, rule });
        }
        Ok(())
    }
}
