//! A page that has to wait because of what its provider answered.

use crate::ids::CampaignId;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a page waits after throttle answers and unreachable providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldPolicy {
    /// First wait, in ms. Default 500: a restart of the other side takes about that long.
    pub first_ms: u64,
    /// Longest wait, in ms. Default 30,000: a provider that is back is used again within half a minute.
    pub wait_ms_max: u64,
    /// First wait after the provider refused the account or its credentials, in ms. Default 30,000: calls meanwhile
    /// would be refused, and some count as abuse.
    pub account_first_ms: u64,
    /// Longest wait of those, in ms. Default 900,000: a payment or a review that is done is noticed within a quarter of
    /// an hour; lifting the hold ends the wait at once.
    pub account_wait_ms_max: u64,
    /// How long the campaigns of a template wait that the provider has paused or disabled, in ms. Default 3,600,000:
    /// pauses last hours, and one refused call an hour finds out that one is over. Lifting the page's hold and resuming
    /// the campaign end the wait at once.
    pub template_ms: u64,
    /// Calls of a campaign that a page makes one after the other while each is refused for what the campaign itself
    /// is, before the campaign waits there, as for a template; 0: it never does. Default 20: one row with an odd
    /// variable is not the campaign, and a template that does not exist does not fail a million people.
    pub campaign_refusals: u32,
}

impl Default for HoldPolicy {
    fn default() -> Self {
        Self {
            first_ms: 500,
            wait_ms_max: 30_000,
            account_first_ms: 30_000,
            account_wait_ms_max: 900_000,
            template_ms: 3_600_000,
            campaign_refusals: 20,
        }
    }
}

impl HoldPolicy {
    /// The first and the longest wait for a reason, in ms.
    fn waits_ms(&self, reason: &HoldReason) -> (u64, u64) {
        match reason {
            HoldReason::Unreachable(_) | HoldReason::Throttled(_) => (self.first_ms, self.wait_ms_max),
            HoldReason::Account(_) => (self.account_first_ms, self.account_wait_ms_max),
            HoldReason::Template(_) => (self.template_ms, self.template_ms),
        }
    }
}

/// Why a page, or a template on it, waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReason {
    /// No connection could be made: nothing was sent.
    Unreachable(String),
    /// The provider asks to slow down.
    Throttled(String),
    /// The provider refuses the account or its credentials: a person has to act.
    Account(String),
    /// The provider does not take this template at present, or no message of a campaign: its campaigns wait, the page
    /// does not.
    Template(String),
}

impl HoldReason {
    /// The word used in the CLI, the API, metrics and dashboards.
    pub fn as_str(&self) -> &'static str {
        match self {
            HoldReason::Unreachable(_) => "provider_unreachable",
            HoldReason::Throttled(_) => "throttled",
            HoldReason::Account(_) => "account",
            HoldReason::Template(_) => "template",
        }
    }

    /// Whether a person has to act, and may want to say when it is done.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, HoldReason::Account(_) | HoldReason::Template(_))
    }

    /// What the provider or the system said.
    pub fn detail(&self) -> &str {
        match self {
            HoldReason::Unreachable(detail)
            | HoldReason::Throttled(detail)
            | HoldReason::Account(detail)
            | HoldReason::Template(detail) => detail,
        }
    }
}

/// What of a page's campaigns waits together when the provider does not take their messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemplateKey {
    /// All campaigns of this template, by its name and language.
    Named(String),
    /// One campaign: its messages are made from no template that the provider knows, or are refused for what they are.
    Of(CampaignId),
}

impl TemplateKey {
    /// Of a campaign; `template` is what its messages are made from.
    pub fn new(template: Option<&str>, campaign: CampaignId) -> Self {
        template.map_or(Self::Of(campaign), |name| Self::Named(name.to_owned()))
    }

    /// Whether a hold of this holds a campaign whose messages are made from `template`.
    pub fn holds(&self, campaign: CampaignId, template: &TemplateKey) -> bool {
        self == template || *self == Self::Of(campaign)
    }

    /// The template's name, where there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Of(_) => None,
        }
    }
}

/// The wait of one page, or of one template on it. Times are monotonic.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    until: Duration,
    in_a_row: u32,
    reason: Option<HoldReason>,
}

impl Hold {
    /// The wait that another owner of the page left.
    pub fn inherited(reason: HoldReason, until: Duration, in_a_row: u32) -> Self {
        Self { until, in_a_row, reason: Some(reason) }
    }

    /// The end of the latest wait that no success has ended.
    pub fn until(&self) -> Option<Duration> {
        self.reason.as_ref().map(|_| self.until)
    }

    /// Refusals since the last call that was taken.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// The time and the reason to wait for, if any.
    pub fn waits(&self, now: Duration) -> Option<(Duration, &HoldReason)> {
        self.reason.as_ref().filter(|_| now < self.until).map(|reason| (self.until, reason))
    }

    /// The reason of the latest wait that no success has ended.
    pub fn reason(&self) -> Option<&HoldReason> {
        self.reason.as_ref()
    }

    /// A call was refused for the whole page. Answers that arrive while the page waits belong to calls made
    /// before and do not lengthen the wait.
    pub fn refused(
        &mut self,
        policy: &HoldPolicy,
        reason: HoldReason,
        retry_after: Option<Duration>,
        now: Duration,
    ) {
        if now < self.until && self.reason.is_some() {
            return;
        }
        let (first_ms, wait_ms_max) = policy.waits_ms(&reason);
        let doubled = first_ms.saturating_mul(1 << self.in_a_row.min(20)).min(wait_ms_max);
        let wait = Duration::from_millis(doubled).max(retry_after.unwrap_or_default());
        self.until = now + wait;
        self.in_a_row += 1;
        self.reason = Some(reason);
    }

    /// A person says that it is over: the next call, one alone, finds out.
    pub fn lift(&mut self, now: Duration) {
        self.until = self.until.min(now);
        self.in_a_row = 0;
    }

    /// A call was answered: the provider is there and takes calls.
    pub fn answered(&mut self, now: Duration) {
        if now >= self.until {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn down() -> HoldReason {
        HoldReason::Unreachable("connection refused".to_owned())
    }

    #[test]
    fn waits_double_up_to_a_limit_and_a_success_ends_them() {
        let policy = HoldPolicy { first_ms: 100, wait_ms_max: 300, ..HoldPolicy::default() };
        let mut hold = Hold::default();
        let mut now = at(0);
        for wait in [100, 200, 300, 300] {
            hold.refused(&policy, down(), None, now);
            let (until, _) = hold.waits(now).unwrap();
            assert_eq!(until, now + at(wait));
            now = until;
            assert!(hold.waits(now).is_none());
        }
        hold.answered(now);
        hold.refused(&policy, down(), None, now);
        assert_eq!(hold.waits(now).unwrap().0, now + at(100));
    }

    #[test]
    fn b6_a_refused_account_is_tried_seldom_and_at_once_when_a_person_lifts_it() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let account = || HoldReason::Account("190".to_owned());
        hold.refused(&policy, account(), None, at(0));
        assert_eq!(hold.waits(at(0)).unwrap().0, at(30_000));
        hold.refused(&policy, account(), None, at(30_000));
        assert_eq!(hold.waits(at(30_000)).unwrap().0, at(90_000));
        hold.lift(at(40_000));
        assert!(hold.waits(at(40_000)).is_none() && hold.reason().is_some(), "one call alone");
        hold.refused(&policy, account(), None, at(40_100));
        assert_eq!(hold.waits(at(40_100)).unwrap().0, at(70_100));
        for _ in 0..20 {
            let (until, _) = hold.waits(at(70_099)).unwrap();
            hold.refused(&policy, account(), None, until);
            hold.lift(until);
            hold.refused(&policy, account(), Some(at(600_000)), until);
            assert_eq!(hold.waits(until).unwrap().0, until + at(600_000), "what the provider asks for");
        }
    }

    #[test]
    fn b6_a_paused_template_is_tried_again_at_even_intervals() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        for hour in 0..3 {
            let now = at(hour * 3_600_000);
            assert!(hold.waits(now).is_none());
            hold.refused(&policy, HoldReason::Template("132015".to_owned()), None, now);
            assert_eq!(hold.waits(now).unwrap().0, now + at(3_600_000));
        }
    }

    #[test]
    fn many_refusals_of_one_moment_count_once() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        for _ in 0..200 {
            hold.refused(&policy, down(), None, at(10));
        }
        assert_eq!(hold.waits(at(10)).unwrap().0, at(510));
    }

    #[test]
    fn b6_a_longer_wait_that_the_provider_asks_for_is_kept() {
        let mut hold = Hold::default();
        hold.refused(&HoldPolicy::default(), HoldReason::Throttled("429".to_owned()), Some(at(7_000)), at(0));
        assert_eq!(hold.waits(at(6_999)).unwrap().0, at(7_000));
    }
}
