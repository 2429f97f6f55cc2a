//! Campaigns for later: when they start, and what a recurring one does at its time (B5).
//!
//! A recurring campaign is a row that waits for its next occurrence and never runs itself: each occurrence is a
//! campaign of its own, whose name follows from its time. An occurrence is first booked in the row, by compare-and-set,
//! then launched, then crossed out: whoever dies in between has it launched by the next one, and whoever launches it
//! twice launches it once. Whoever cancels the row or changes its terms finds what is booked, and puts what becomes of
//! it now into its place before the answer: a process that stood still since the booking finds the place taken.
//! Crossing out is decided on the terms in force as well, and is refused when they change meanwhile.

use crate::campaign::{CampaignRow, CampaignState, Terms, Transition};
use crate::launch::ValidRules;
use crate::moment;
use crate::recurrence::occurrence_name;
use sluice_schemas::{CampaignLaunch, Rules};

/// What is to be done with a scheduled campaign. Times in ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing before this time.
    Wait {
        /// Its start, its next occurrence.
        until_ms: i64,
    },
    /// It starts.
    Start,
    /// An occurrence is launched, then the campaign waits for the next one.
    Occurrence {
        /// Its time.
        at_ms: i64,
        /// The one after it; `None`: there is none before the end.
        next_ms: Option<i64>,
    },
    /// What was missed is left out; the campaign waits for the next one.
    Skip {
        /// Its time; `None`: there is none before the end.
        next_ms: Option<i64>,
    },
    /// Its end has come before it could start.
    Over,
}

/// When a campaign that is launched at `now_ms` starts; `None`: at once.
pub fn starts_ms(rules: &ValidRules, now_ms: i64) -> Option<i64> {
    let Some((recurrence, _)) = &rules.recurrence else {
        return rules.start_at_ms.filter(|start_ms| *start_ms > now_ms);
    };
    let after_ms = rules.start_at_ms.map_or(now_ms, |start_ms| now_ms.max(start_ms - 1));
    Some(recurrence.next_after(after_ms).unwrap_or(i64::MAX))
}

/// Whether its end is not after `at_ms`.
fn is_over(rules: &ValidRules, at_ms: i64) -> bool {
    rules.end_at_ms.is_some_and(|end_ms| at_ms >= end_ms)
}

/// What is to be done at `now_ms` with a campaign that waits for `starts_at_ms`. An occurrence that could call nobody
/// before the end is none.
pub fn due(starts_at_ms: i64, rules: &ValidRules, now_ms: i64) -> Due {
    let waits = now_ms < starts_at_ms;
    let Some((recurrence, missed)) = &rules.recurrence else {
        return match () {
            () if is_over(rules, now_ms) => Due::Over,
            () if waits => Due::Wait { until_ms: rules.end_at_ms.unwrap_or(i64::MAX).min(starts_at_ms) },
            () => Due::Start,
        };
    };
    if !rules.leaves_time(now_ms.max(starts_at_ms)) {
        return Due::Over;
    }
    if waits {
        return Due::Wait { until_ms: starts_at_ms };
    }
    let next_ms = recurrence.next_after(now_ms).filter(|next_ms| rules.leaves_time(*next_ms));
    match recurrence.due(starts_at_ms.saturating_sub(1), now_ms, *missed) {
        Some(at_ms) => Due::Occurrence { at_ms, next_ms },
        None => Due::Skip { next_ms },
    }
}

impl CampaignRow {
    /// The launch of an occurrence of this recurring campaign, under the terms in force.
    pub fn occurrence(&self, at_ms: i64) -> CampaignLaunch {
        let Terms { rate, rules, .. } = self.terms();
        CampaignLaunch {
            campaign: occurrence_name(&self.launch.campaign, at_ms),
            rate,
            rules: Rules { recurring: None, start_at: None, ..rules },
            ..self.launch.clone()
        }
    }

    /// The occurrence that is booked and may not be launched yet: ms since 1970.
    pub fn booked_ms(&self) -> Option<i64> {
        self.changed.as_ref()?.occurrence_ms
    }

    /// The step that books an occurrence; the campaign then waits for `next_ms`, if there is another one.
    pub fn book(&self, at_ms: i64, next_ms: Option<i64>, now_ms: i64) -> Transition {
        let starts_at_ms = next_ms.or(Some(self.starts_at_ms));
        let terms = Terms { starts_at_ms, occurrence_ms: Some(at_ms), ..self.terms() };
        let step = Transition::of(self, CampaignState::Scheduled, None, now_ms);
        Transition { terms: Some((self.terms_version, terms)), ..step }
    }

    /// The step after the booked occurrence was launched: it waits for the next one, or ends. Whether there is a next
    /// one is decided anew: the end may have been moved since the booking.
    pub fn cross_out(&self, at_ms: i64, now_ms: i64) -> Transition {
        let next_ms = self.next_beside(at_ms);
        let starts_at_ms = next_ms.or(Some(self.starts_at_ms));
        let terms = Terms { starts_at_ms, occurrence_ms: None, ..self.terms() };
        let step = match next_ms {
            Some(_) => Transition::of(self, CampaignState::Scheduled, None, now_ms),
            None => Transition::of(self, CampaignState::Cancelling, Some(self.end_reason()), now_ms),
        };
        Transition { terms: Some((self.terms_version, terms)), ..step }
    }

    /// The occurrence after the booked one; `None`: there is none before the end.
    fn next_beside(&self, at_ms: i64) -> Option<i64> {
        let waits_ms = (self.starts_at_ms > at_ms).then_some(self.starts_at_ms);
        // Rules that can't be read say nothing else than the booking did.
        let Ok(rules) = self.valid_rules() else { return waits_ms };
        let later_ms = || {
            let (recurrence, _) = rules.recurrence.as_ref()?;
            let after_ms = rules.start_at_ms.map_or(at_ms, |start_ms| at_ms.max(start_ms - 1));
            recurrence.next_after(after_ms)
        };
        waits_ms.or_else(later_ms).filter(|next_ms| rules.leaves_time(*next_ms))
    }

    /// The campaign that the booked occurrence becomes, as everything is now: the occurrence under the terms in force,
    /// or, where they leave it out, a campaign of its name that is cancelled before its start. `None`: nothing is booked.
    pub fn booked_campaign(&self, now_ms: i64) -> Option<CampaignRow> {
        let at_ms = self.booked_ms()?;
        let launch = self.occurrence(at_ms);
        Some(match self.left_out(at_ms) {
            None => CampaignRow::launched(launch, now_ms),
            Some(why) => {
                CampaignRow::never_started(launch, now_ms, at_ms, format!("{} {why}", self.launch.campaign))
            }
        })
    }

    /// Why an occurrence that was booked is not to start any more: what goes on after the campaign's name.
    fn left_out(&self, at_ms: i64) -> Option<&'static str> {
        if matches!(self.state, CampaignState::Cancelling | CampaignState::Cancelled) {
            return Some("was cancelled");
        }
        let rules = self.valid_rules().ok()?;
        match rules.start_at_ms {
            Some(start_ms) if start_ms > at_ms => Some("starts later now"),
            _ if is_over(&rules, at_ms) => Some("has an earlier end now"),
            _ => (!rules.leaves_time(at_ms)).then_some("does not open before its end now"),
        }
    }

    /// Why a campaign whose end has come is cancelled.
    pub fn end_reason(&self) -> String {
        let Rules { end_at, recurring, .. } = self.rules();
        match (end_at, recurring) {
            (Some(end_at), None) => format!("ended at {end_at}"),
            (Some(end_at), Some(_)) => format!("it does not come again before its end at {end_at}"),
            (None, _) => "it does not come again".to_owned(),
        }
    }

    /// When a campaign that waits for its start is to be looked at: at its start, its next occurrence or its end,
    /// whatever comes first; at once where an occurrence is booked. ms since 1970.
    pub fn wakes_ms(&self) -> i64 {
        // What is booked is launched at once: whoever booked it may have died.
        if let Some(booked_ms) = self.booked_ms() {
            return booked_ms;
        }
        // Only the end is read: all scheduled campaigns are asked again and again.
        let end_ms = self.rules().end_at.as_ref().and_then(|end_at| {
            let zone = self.launch.time_zone.as_deref().and_then(crate::row::time_zone);
            moment::parse(end_at, &zone.unwrap_or(jiff::tz::TimeZone::UTC)).ok()
        });
        self.starts_at_ms.min(end_ms.unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_schemas::{
        Audience, Channel, Message, Missed, OnUnknown, OpenHours, Recurring, SendWindow, WindowClock,
    };

    const HOUR: i64 = 3_600_000;
    /// 2026-12-01T00:00Z.
    const T0: i64 = 1_796_083_200_000;

    fn row(rules: Rules) -> CampaignRow {
        let launch = CampaignLaunch {
            campaign: "digest".to_owned(),
            tenant: "t".to_owned(),
            channel: Channel::Http,
            pages: vec!["page".to_owned()],
            audience: Audience::default(),
            message: Message::default(),
            variables: Default::default(),
            rate: None,
            max_retries: 3,
            on_unknown: OnUnknown::Keep,
            time_zone: None,
            rules,
        };
        CampaignRow::launched(launch, T0)
    }

    fn rules(start_at: Option<&str>, end_at: Option<&str>, cron: Option<(&str, Missed)>) -> Rules {
        Rules {
            start_at: start_at.map(str::to_owned),
            end_at: end_at.map(str::to_owned),
            recurring: cron.map(|(cron, missed)| Recurring { cron: cron.to_owned(), missed }),
            ..Rules::default()
        }
    }

    fn valid(rules: Rules) -> ValidRules {
        row(rules).valid_rules().unwrap()
    }

    #[test]
    fn b5_a_launch_starts_at_once_at_its_time_or_at_its_first_occurrence() {
        let start = |rules| starts_ms(&valid(rules), T0);
        assert_eq!(start(rules(None, None, None)), None);
        assert_eq!(start(rules(Some("2020-01-01T00:00"), None, None)), None, "it is over");
        assert_eq!(start(rules(Some("2026-12-01T09:00"), None, None)), Some(T0 + 9 * HOUR));
        let hourly = Some(("0 * * * *", Missed::Once));
        assert_eq!(start(rules(None, None, hourly)), Some(T0 + HOUR), "the one of this moment is over");
        assert_eq!(start(rules(Some("2026-12-01T09:00"), None, hourly)), Some(T0 + 9 * HOUR));
        assert_eq!(start(rules(Some("2026-12-01T09:01"), None, hourly)), Some(T0 + 10 * HOUR));
    }

    #[test]
    fn b5_a_scheduled_campaign_waits_starts_and_is_over_at_its_end() {
        let rules = valid(rules(Some("2026-12-01T09:00"), Some("2026-12-01T12:00"), None));
        let at = |hours: i64| due(T0 + 9 * HOUR, &rules, T0 + hours * HOUR);
        assert_eq!(at(8), Due::Wait { until_ms: T0 + 9 * HOUR });
        assert_eq!((at(9), at(11)), (Due::Start, Due::Start), "also after downtime");
        assert_eq!(at(12), Due::Over);
    }

    #[test]
    fn b5_a_scheduled_campaign_is_looked_at_at_its_start_or_its_end_or_now_where_something_is_booked() {
        let daily = Some(("0 9 * * *", Missed::Once));
        let waits = |end_at: Option<&str>| {
            let row = row(Rules { end_at: end_at.map(str::to_owned), ..rules(None, None, daily) });
            CampaignRow { state: CampaignState::Scheduled, starts_at_ms: T0 + 9 * HOUR, ..row }
        };
        assert_eq!(waits(None).wakes_ms(), T0 + 9 * HOUR);
        assert_eq!(waits(Some("2026-12-02T00:00")).wakes_ms(), T0 + 9 * HOUR);
        assert_eq!(waits(Some("2026-12-01T03:00")).wakes_ms(), T0 + 3 * HOUR, "nothing comes before it");
        assert_eq!(last_is_booked().wakes_ms(), T0 + 2 * HOUR);
    }

    #[test]
    fn b5_an_occurrence_that_leaves_no_time_before_the_end_is_none() {
        let hours = OpenHours { days: Vec::new(), from: "00:00".to_owned(), to: "02:30".to_owned() };
        let window = SendWindow { open: vec![hours], clock: WindowClock::Campaign, closed_on: Vec::new() };
        let hourly = rules(None, Some("2026-12-01T20:00"), Some(("0 * * * *", Missed::Once)));
        let open = valid(Rules { window: Some(window), ..hourly });
        let at = |starts: i64, now: i64| due(T0 + starts * HOUR, &open, T0 + now * HOUR);
        assert_eq!(at(1, 1), Due::Occurrence { at_ms: T0 + HOUR, next_ms: Some(T0 + 2 * HOUR) });
        assert_eq!(at(2, 2), Due::Occurrence { at_ms: T0 + 2 * HOUR, next_ms: None });
        assert_eq!(at(2, 3), Due::Over, "late, it could call nobody");
    }

    #[test]
    fn b5_of_missed_occurrences_at_most_one_starts_late() {
        let due_at = |missed, hours: i64, minutes: i64| {
            let rules = valid(rules(None, None, Some(("0 * * * *", missed))));
            due(T0 + HOUR, &rules, T0 + hours * HOUR + minutes * 60_000)
        };
        let occurrence =
            |at: i64| Due::Occurrence { at_ms: T0 + at * HOUR, next_ms: Some(T0 + (at + 1) * HOUR) };
        assert_eq!(due_at(Missed::Once, 0, 59), Due::Wait { until_ms: T0 + HOUR });
        assert_eq!(due_at(Missed::Once, 1, 0), occurrence(1));
        assert_eq!(due_at(Missed::Once, 7, 30), occurrence(7), "the newest");
        assert_eq!(due_at(Missed::Skip, 7, 30), Due::Skip { next_ms: Some(T0 + 8 * HOUR) });
        assert_eq!(due_at(Missed::Skip, 7, 2), occurrence(7), "a restart is no downtime");
    }

    #[test]
    fn b5_the_last_occurrence_is_before_the_end() {
        let rules = valid(rules(None, Some("2026-12-01T03:00"), Some(("0 * * * *", Missed::Once))));
        let at = |starts: i64, now: i64| due(T0 + starts * HOUR, &rules, T0 + now * HOUR);
        assert_eq!(at(1, 1), Due::Occurrence { at_ms: T0 + HOUR, next_ms: Some(T0 + 2 * HOUR) });
        assert_eq!(at(2, 2), Due::Occurrence { at_ms: T0 + 2 * HOUR, next_ms: None });
        assert_eq!((at(2, 3), at(3, 2)), (Due::Over, Due::Over));
    }

    #[test]
    fn b5_an_occurrence_is_the_launch_under_the_terms_in_force_and_does_not_recur() {
        let mut row = row(rules(Some("2026-12-01T00:00"), None, Some(("0 9 * * *", Missed::Once))));
        row.changed = Some(Terms { rate: Some("5/s".to_owned()), ..row.terms() });
        let launch = row.occurrence(T0 + 9 * HOUR);
        assert_eq!(
            (launch.campaign.as_str(), launch.rate.as_deref()),
            ("digest-20261201t0900z", Some("5/s"))
        );
        assert_eq!(launch.rules, Rules::default());
        assert_eq!(CampaignRow::launched(launch, T0).state, CampaignState::Running);
    }

    #[test]
    fn b5_an_occurrence_is_booked_then_crossed_out_and_the_last_one_ends_the_campaign() {
        let rules = rules(None, None, Some(("0 * * * *", Missed::Once)));
        let waits = CampaignRow { state: CampaignState::Scheduled, starts_at_ms: T0, ..row(rules) };
        let booked = waits.after(&waits.book(T0, Some(T0 + HOUR), T0 + 5)).unwrap();
        assert_eq!((booked.booked_ms(), booked.starts_at_ms), (Some(T0), T0 + HOUR));
        assert_eq!(
            booked.after(&waits.book(T0, Some(T0 + HOUR), T0 + 6)),
            None,
            "another process was faster"
        );
        let launched = booked.after(&booked.cross_out(T0, T0 + 9)).unwrap();
        assert_eq!((launched.booked_ms(), launched.starts_at_ms), (None, T0 + HOUR));
        assert_eq!(launched.state, CampaignState::Scheduled);
        let last = last_is_booked();
        let ended = last.after(&last.cross_out(T0 + 2 * HOUR, T0 + 2 * HOUR)).unwrap();
        assert_eq!((ended.state, ended.booked_ms()), (CampaignState::Cancelling, None));
    }

    /// A schedule whose last occurrence is booked: hourly, up to three o'clock.
    fn last_is_booked() -> CampaignRow {
        let rules = rules(None, Some("2026-12-01T03:00"), Some(("0 * * * *", Missed::Once)));
        let waits =
            CampaignRow { state: CampaignState::Scheduled, starts_at_ms: T0 + 2 * HOUR, ..row(rules) };
        waits.after(&waits.book(T0 + 2 * HOUR, None, T0 + 2 * HOUR)).unwrap()
    }

    /// `row` after a person changed its rules.
    fn changed(row: &CampaignRow, rules: Rules) -> CampaignRow {
        let terms = Terms { rules, ..row.terms() };
        let step = Transition::of(row, row.state, None, T0);
        row.after(&Transition { terms: Some((row.terms_version, terms)), ..step }).unwrap()
    }

    #[test]
    fn b5_whether_a_schedule_ends_is_decided_on_the_end_that_it_has_when_an_occurrence_is_crossed_out() {
        let booked = last_is_booked();
        let (at_ms, now_ms) = (T0 + 2 * HOUR, T0 + 2 * HOUR + 9);
        assert_eq!(booked.after(&booked.cross_out(at_ms, now_ms)).unwrap().state, CampaignState::Cancelling);
        let moved = |end_at: &str| {
            changed(&booked, Rules { end_at: Some(end_at.to_owned()), ..booked.rules().clone() })
        };
        let longer = moved("2026-12-01T05:00");
        assert_eq!(longer.after(&booked.cross_out(at_ms, now_ms)), None, "decided on another end");
        let waits = longer.after(&longer.cross_out(at_ms, now_ms)).unwrap();
        assert_eq!((waits.state, waits.starts_at_ms), (CampaignState::Scheduled, T0 + 3 * HOUR));
        let more = CampaignRow { starts_at_ms: T0 + 3 * HOUR, ..moved("2026-12-01T03:00") };
        let ended = more.after(&more.cross_out(at_ms, now_ms)).unwrap();
        assert_eq!(ended.state, CampaignState::Cancelling, "its end was moved before the next one");
    }

    #[test]
    fn g7_a_booked_occurrence_becomes_what_the_terms_in_force_make_of_it() {
        let booked = last_is_booked();
        let at_ms = booked.booked_ms().unwrap();
        assert_eq!(row(Rules::default()).booked_campaign(at_ms), None);
        let launched = booked.booked_campaign(at_ms + 3).unwrap();
        assert_eq!((launched.state, launched.created_at_ms), (CampaignState::Running, at_ms + 3));
        let rules = |start_at: Option<&str>, end_at: &str| Rules {
            start_at: start_at.map(str::to_owned),
            end_at: Some(end_at.to_owned()),
            ..booked.rules().clone()
        };
        let cancelled = CampaignRow { state: CampaignState::Cancelling, ..booked.clone() };
        let later = changed(&booked, rules(Some("2026-12-01T02:30"), "2026-12-01T05:00"));
        let earlier = changed(&booked, rules(None, "2026-12-01T02:00"));
        for (schedule, why) in [
            (cancelled, "digest was cancelled"),
            (later, "digest starts later now"),
            (earlier, "digest has an earlier end now"),
        ] {
            let place = schedule.booked_campaign(at_ms + 3).unwrap();
            assert_eq!(place.id, launched.id, "it has its name");
            assert!(place.awaits_start && place.state == CampaignState::Cancelling, "and never starts");
            assert_eq!(place.reason.as_deref(), Some(why));
        }
        let slower = Terms { rate: Some("5/s".to_owned()), ..booked.terms() };
        let slower = CampaignRow { changed: Some(slower), ..booked };
        assert_eq!(slower.booked_campaign(at_ms).unwrap().launch.rate.as_deref(), Some("5/s"));
    }

    proptest! {
        #[test]
        fn b5_whoever_carries_occurrences_out_starts_each_once_in_order_however_late(
            delays in prop::collection::vec(0i64..400, 1..40), skips in any::<bool>(),
        ) {
            let missed = if skips { Missed::Skip } else { Missed::Once };
            let rules = valid(rules(None, None, Some(("*/30 * * * *", missed))));
            let mut starts = starts_ms(&rules, T0).unwrap();
            let mut started = Vec::new();
            let mut now = T0;
            for delay in delays {
                now = now.max(starts) + delay * 60_000;
                match due(starts, &rules, now) {
                    Due::Occurrence { at_ms, next_ms } => {
                        prop_assert!(at_ms >= starts && at_ms <= now);
                        started.push(at_ms);
                        starts = next_ms.unwrap();
                    }
                    Due::Skip { next_ms } => starts = next_ms.unwrap(),
                    other => prop_assert!(false, "{other:?}"),
                }
                prop_assert!(starts > now);
            }
            prop_assert!(started.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
