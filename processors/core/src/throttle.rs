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
    verdict: Verdict,
}

/// What tells that a wait is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Verdict {
    /// A call that is answered.
    #[default]
    Answer,
    /// A call of which nothing bad is heard later: the provider takes them all, and tells by webhook that it refuses the
    /// account.
    Silence,
    /// The same; such a call was made, and the wait is for what is heard of it.
    Awaited,
}

impl Hold {
    /// The wait that another owner of the page left.
    pub fn inherited(reason: HoldReason, until: Duration, in_a_row: u32) -> Self {
        Self { until, in_a_row, reason: Some(reason), verdict: Verdict::Answer }
    }

    /// The end of the latest wait that no success has ended.
    pub fn until(&self) -> Option<Duration> {
        self.reason.as_ref().map(|_| self.until)
    }

    /// Refusals since the last call that was taken, or since they have another kind of reason.
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

    /// A call was refused for the whole page. Answers that arrive while the page waits belong to calls made before:
    /// they count no further step, and leave the provider the time that it asks for. A refusal that needs a person says
    /// more than a throttle answer of the same moment, and takes its place.
    ///
    /// Whether this is news for people: nothing was waited for before, or something else.
    pub fn refused(
        &mut self,
        policy: &HoldPolicy,
        reason: HoldReason,
        retry_after: Option<Duration>,
        now: Duration,
    ) -> bool {
        self.begin(policy, reason, Verdict::Answer, retry_after, now)
    }

    /// The same, told by a webhook of a call that had been taken. Of an account's refusals many come one after another,
    /// and one alone after the call that was made to find out.
    pub fn told(
        &mut self,
        policy: &HoldPolicy,
        reason: HoldReason,
        retry_after: Option<Duration>,
        now: Duration,
    ) -> bool {
        let verdict = if reason.needs_a_person() { Verdict::Silence } else { Verdict::Answer };
        if (self.verdict, verdict) == (Verdict::Awaited, Verdict::Silence) {
            self.until = self.until.min(now);
        }
        self.begin(policy, reason, verdict, retry_after, now)
    }

    fn begin(
        &mut self,
        policy: &HoldPolicy,
        reason: HoldReason,
        verdict: Verdict,
        retry_after: Option<Duration>,
        now: Duration,
    ) -> bool {
        let asked = retry_after.unwrap_or_default();
        let held = self.reason.as_ref().map(HoldReason::needs_a_person);
        if self.waits(now).is_some() && held >= Some(reason.needs_a_person()) {
            self.until = self.until.max(now + asked);
            return false;
        }
        // What was waited for because of something else says nothing about this.
        if held != Some(reason.needs_a_person()) {
            self.in_a_row = 0;
        }
        let (first_ms, wait_ms_max) = policy.waits_ms(&reason);
        let doubled = first_ms.saturating_mul(1 << self.in_a_row.min(20)).min(wait_ms_max);
        self.until = now + Duration::from_millis(doubled).max(asked);
        self.in_a_row += 1;
        self.verdict = verdict;
        let before = self.reason.as_ref().map(HoldReason::as_str);
        let is_news = before != Some(reason.as_str());
        self.reason = Some(reason);
        is_news
    }

    /// A person says that it is over: the next call, one alone, finds out.
    pub fn lift(&mut self, now: Duration) {
        self.until = self.until.min(now);
        self.in_a_row = 0;
    }

    /// A call was answered: the provider is there and takes calls. Where it tells only later whether it refuses the
    /// account, one call was made, and what becomes of it is waited for as long as after a first refusal.
    pub fn answered(&mut self, policy: &HoldPolicy, now: Duration) {
        match self.verdict {
            _ if now < self.until => {}
            Verdict::Answer | Verdict::Awaited => *self = Self::default(),
            Verdict::Silence => {
                self.verdict = Verdict::Awaited;
                self.until = now + Duration::from_millis(policy.account_first_ms);
            }
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
        hold.answered(&policy, now);
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
    fn b6_an_account_that_is_refused_by_webhook_is_tried_by_one_call_at_a_time_too() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let account = || HoldReason::Account("131042".to_owned());
        let until = |hold: &Hold, now| hold.waits(now).map(|(until, _)| until);
        assert!(hold.told(&policy, account(), None, at(0)));
        // Of calls that were made before.
        (1..900).for_each(|ms| {
            hold.answered(&policy, at(ms));
            assert!(!hold.told(&policy, account(), None, at(ms)));
        });
        assert_eq!(until(&hold, at(900)), Some(at(30_000)));
        // One call is taken, and refused two seconds later.
        hold.answered(&policy, at(30_100));
        assert_eq!(until(&hold, at(30_100)), Some(at(60_100)), "what becomes of it is waited for");
        hold.told(&policy, account(), None, at(32_000));
        assert_eq!(until(&hold, at(32_000)), Some(at(92_000)), "the second in a row");
        // A person lifts it, one call is taken, and nothing is heard.
        hold.lift(at(40_000));
        hold.answered(&policy, at(40_100));
        assert_eq!(until(&hold, at(40_100)), Some(at(70_100)));
        assert_eq!(until(&hold, at(70_100)), None);
        assert!(hold.reason().is_some(), "one call alone");
        hold.answered(&policy, at(70_200));
        assert_eq!(hold.reason(), None);
    }

    #[test]
    fn b6_an_answer_to_a_call_settles_what_a_call_told() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let account = || HoldReason::Account("190".to_owned());
        hold.refused(&policy, account(), None, at(0));
        assert!(!hold.told(&policy, account(), None, at(100)), "it is known");
        hold.answered(&policy, at(30_000));
        assert_eq!(hold.reason(), None);
        hold.told(&policy, account(), None, at(40_000));
        hold.refused(&policy, account(), None, at(70_000));
        hold.answered(&policy, at(130_000));
        assert_eq!(hold.reason(), None);
        hold.told(&policy, HoldReason::Throttled("130429".to_owned()), None, at(200_000));
        hold.answered(&policy, at(200_500));
        assert_eq!(hold.reason(), None);
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
    fn b6_an_account_that_is_refused_after_a_long_outage_waits_as_a_first_time() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let refused = |hold: &mut Hold, reason: HoldReason| {
            let now = hold.until().unwrap_or_default();
            hold.refused(&policy, reason, None, now);
            hold.until().unwrap() - now
        };
        for _ in 0..20 {
            refused(&mut hold, down());
        }
        assert_eq!(refused(&mut hold, HoldReason::Throttled("429".to_owned())), at(30_000));
        assert_eq!(refused(&mut hold, HoldReason::Account("401".to_owned())), at(30_000));
        assert_eq!(refused(&mut hold, HoldReason::Account("401".to_owned())), at(60_000));
        assert_eq!(refused(&mut hold, down()), at(500));
    }

    #[test]
    fn b6_people_are_told_what_a_page_waits_for_when_that_changes_and_not_at_each_refusal() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let mut news = |reason: HoldReason| {
            let now = hold.until().unwrap_or_default();
            hold.refused(&policy, reason, None, now)
        };
        let throttled = || HoldReason::Throttled("429".to_owned());
        let account = || HoldReason::Account("190".to_owned());
        let told =
            [down(), down(), throttled(), throttled(), account(), account(), throttled()].map(&mut news);
        assert_eq!(told, [true, false, true, false, true, false, true]);
    }

    #[test]
    fn b6_the_longest_wait_that_a_burst_asks_for_is_kept_and_counts_once() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let throttled = |hold: &mut Hold, asked, now| {
            hold.refused(&policy, HoldReason::Throttled("429".to_owned()), asked, now);
            hold.waits(now).unwrap().0
        };
        assert_eq!(throttled(&mut hold, None, at(0)), at(500));
        assert_eq!(throttled(&mut hold, Some(at(60_000)), at(10)), at(60_010));
        assert_eq!(
            throttled(&mut hold, Some(at(5_000)), at(20)),
            at(60_010),
            "a shorter one ends it no sooner"
        );
        assert_eq!(throttled(&mut hold, None, at(60_010)), at(61_010), "the second in a row");
    }

    #[test]
    fn b6_an_account_that_is_refused_among_throttle_answers_holds_the_page_at_once() {
        let (policy, mut hold) = (HoldPolicy::default(), Hold::default());
        let account = HoldReason::Account("190".to_owned());
        hold.refused(&policy, HoldReason::Throttled("429".to_owned()), None, at(0));
        hold.refused(&policy, account.clone(), None, at(10));
        assert_eq!(hold.waits(at(10)), Some((at(30_010), &account)));
        hold.refused(&policy, HoldReason::Throttled("429".to_owned()), None, at(20));
        assert_eq!(hold.waits(at(20)), Some((at(30_010), &account)));
    }

    #[test]
    fn b6_a_longer_wait_that_the_provider_asks_for_is_kept() {
        let mut hold = Hold::default();
        hold.refused(&HoldPolicy::default(), HoldReason::Throttled("429".to_owned()), Some(at(7_000)), at(0));
        assert_eq!(hold.waits(at(6_999)).unwrap().0, at(7_000));
    }
}
