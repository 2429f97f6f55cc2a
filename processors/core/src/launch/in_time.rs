//! Whether rules leave time to call anybody: the end, the hours and the occurrences, looked at from a moment on.
//!
//! Guarantee: what is refused here could call nobody from that moment on, whoever is in the audience. What is taken may
//! still have nobody to call: the recipients' own zones and days are in the audience, which a launch does not know.
//!
//! This is asked once, when a campaign is created. One that is there already stays, however late its launch is read
//! again: so it is no part of [`super::validate`], which is asked again and again.

use super::{LaunchProblem, ValidRules, shown};
use crate::moment;
use crate::schedule::starts_ms;
use crate::window::Opening;
use sluice_schemas::{Rules, WindowClock};

/// How far local clocks are behind UTC at most, and ahead of it.
const BEHIND_MS: i64 = 12 * 3_600_000;
const AHEAD_MS: i64 = 14 * 3_600_000;

impl ValidRules {
    /// Whether a campaign that starts at `from_ms` may call anybody before its end. Once it may not, it never may
    /// again.
    pub fn leaves_time(&self, from_ms: i64) -> bool {
        let Some(end_ms) = self.end_at_ms else { return true };
        if from_ms >= end_ms {
            return false;
        }
        match &self.window {
            None => true,
            Some(window) if window.clock() == WindowClock::Campaign => {
                window.opens_between(&self.zone, from_ms, end_ms)
            }
            // In some zone or other a clock shows each of these times.
            Some(window) => window.opens_between(
                &jiff::tz::TimeZone::UTC,
                from_ms.saturating_sub(BEHIND_MS),
                end_ms.saturating_add(AHEAD_MS),
            ),
        }
    }

    /// The last occurrence from `first_ms` on, itself one, that leaves time before the end; `None`: there is no end, it
    /// does not come back, or no occurrence is left. ms since 1970.
    pub fn last_occurrence_ms(&self, first_ms: i64) -> Option<i64> {
        let (recurrence, _) = self.recurrence.as_ref()?;
        let end_ms = self.end_at_ms?;
        if !self.leaves_time(first_ms) {
            return None;
        }
        // `leaves_time` turns once: at `leaves` it does, at `over` not any more.
        let (mut leaves, mut over) = (first_ms, end_ms);
        while over - leaves > 1 {
            let between = leaves + (over - leaves) / 2;
            *if self.leaves_time(between) { &mut leaves } else { &mut over } = between;
        }
        recurrence.newest_until(leaves).filter(|last_ms| *last_ms >= first_ms)
    }

    /// What keeps a campaign that is created at `now_ms` from calling anybody, ever; none where it may. `written`: these
    /// rules in the words of the launch.
    pub fn too_late(&self, written: &Rules, now_ms: i64) -> Vec<LaunchProblem> {
        let Some(end_ms) = self.end_at_ms else { return Vec::new() };
        let at = |ms: i64| moment::at(ms, &self.zone);
        if end_ms <= now_ms {
            let end_at = shown(written.end_at.as_deref().unwrap_or_default());
            let problem = format!("`{end_at}` is over: it is {} now", at(now_ms));
            return vec![LaunchProblem::new(
                "rules.end_at",
                problem,
                "write a later moment, or leave it out",
            )];
        }
        let from_ms = starts_ms(self, now_ms).unwrap_or(now_ms);
        let since = match self.start_at_ms {
            Some(start_ms) if start_ms > now_ms => "start_at",
            _ => "now",
        };
        if from_ms >= end_ms && self.recurrence.is_none() {
            // A start after the end is refused whatever the time is.
            return Vec::new();
        }
        if from_ms >= end_ms {
            let problem = format!("it does not come between {since} and end_at: next at {}", at(from_ms));
            let hint = "move end_at, or let it come more often";
            return vec![LaunchProblem::new("rules.recurring.cron", problem, hint)];
        }
        if self.leaves_time(from_ms) {
            return Vec::new();
        }
        let since = match self.recurrence.is_some() {
            true => format!("its first occurrence, {},", at(from_ms)),
            false => since.to_owned(),
        };
        let next = match self.window.as_ref().map(|window| (window.clock(), window.at(&self.zone, from_ms))) {
            Some((WindowClock::Campaign, Opening::Closed { opens_ms: Some(opens_ms) })) => {
                format!(": next at {}", at(opens_ms))
            }
            _ => ", in no time zone".to_owned(),
        };
        let problem = format!("it does not open between {since} and end_at, {}{next}", at(end_ms));
        vec![LaunchProblem::new("rules.window", problem, "move end_at, or open it longer")]
    }
}

#[cfg(test)]
mod tests {
    use crate::launch::{parse_json, validate, validate_at};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use sluice_schemas::CampaignLaunch;

    /// 2026-12-01T00:00Z, a Tuesday.
    const T0: i64 = 1_796_083_200_000;
    const HOUR: i64 = 3_600_000;

    fn launch(rules: &Value) -> CampaignLaunch {
        let launch = json!({
            "campaign": "c", "channel": "http", "pages": ["p"], "audience": {"path": "a.csv"},
            "message": {"http": {"body": {}}}, "rules": rules,
        });
        parse_json(&launch.to_string()).unwrap()
    }

    fn too_late(rules: &Value, now_ms: i64) -> Vec<String> {
        let launch = launch(rules);
        let problems = validate(&launch).unwrap().rules.too_late(&launch.rules, now_ms);
        assert_eq!(validate_at(&launch, now_ms).is_err(), !problems.is_empty());
        problems.iter().map(ToString::to_string).collect()
    }

    fn open(days: Value, from: &str, to: &str) -> Value {
        json!({"open": [{"days": days, "from": from, "to": to}]})
    }

    #[test]
    fn a7_b5_a_launch_that_can_never_call_anybody_is_refused_with_the_name_of_its_field() {
        let recipient =
            json!({"open": [{"days": ["fri"], "from": "09:00", "to": "10:00"}], "clock": "recipient"});
        let cases = [
            (
                json!({"end_at": "2026-11-30T00:00"}),
                "rules.end_at: `2026-11-30T00:00` is over: it is 2026-12-01 00:00 UTC now; write a later moment",
            ),
            (
                json!({"end_at": "2026-12-03T00:00", "window": open(json!(["fri"]), "09:00", "10:00")}),
                "rules.window: it does not open between now and end_at, 2026-12-03 00:00 UTC: next at 2026-12-04 09:00 UTC",
            ),
            // A start that is over means at once.
            (
                json!({"start_at": "2026-11-20T00:00", "end_at": "2026-12-03T00:00", "window": open(json!(["fri"]), "09:00", "10:00")}),
                "rules.window: it does not open between now and end_at",
            ),
            (
                json!({"start_at": "2026-12-02T00:00", "end_at": "2026-12-03T00:00", "window": recipient}),
                "rules.window: it does not open between start_at and end_at, 2026-12-03 00:00 UTC, in no time zone",
            ),
            (
                json!({"end_at": "2026-12-03T00:00", "recurring": {"cron": "0 9 * * fri"}}),
                "rules.recurring.cron: it does not come between now and end_at: next at 2026-12-04 09:00 UTC",
            ),
            (
                json!({"end_at": "2026-12-01T20:00", "recurring": {"cron": "0 12 * * *"}, "window": open(json!([]), "08:00", "11:00")}),
                "rules.window: it does not open between its first occurrence, 2026-12-01 12:00 UTC, and end_at",
            ),
        ];
        for (rules, expected) in cases {
            let found = too_late(&rules, T0);
            assert!(found.len() == 1 && found[0].starts_with(expected), "expected `{expected}` in {found:?}");
        }
    }

    #[test]
    fn a7_b5_a_launch_with_any_time_left_is_taken() {
        let hour_in_kiritimati =
            json!({"open": [{"days": ["thu"], "from": "00:00", "to": "01:00"}], "clock": "recipient"});
        for rules in [
            json!({}),
            json!({"window": open(json!(["fri"]), "09:00", "10:00")}),
            json!({"end_at": "2026-12-01T00:00:00.001"}),
            json!({"end_at": "2026-12-04T09:00:00.001", "window": open(json!(["fri"]), "09:00", "10:00")}),
            json!({"end_at": "2026-12-04T09:01", "recurring": {"cron": "0 9 * * fri"}}),
            // It is Thursday there fourteen hours before it is in UTC.
            json!({"end_at": "2026-12-02T10:30", "window": hour_in_kiritimati}),
        ] {
            assert_eq!(too_late(&rules, T0), [""; 0], "{rules}");
        }
    }

    #[test]
    fn b5_the_last_occurrence_is_the_last_one_that_leaves_time_to_call() {
        let rules = |rules: Value| validate(&launch(&rules)).unwrap().rules;
        let daily = json!({"cron": "0 12 * * *"});
        let first = T0 + 12 * HOUR;
        let last = |given: Value| rules(given).last_occurrence_ms(first);
        assert_eq!(last(json!({"recurring": daily})), None, "without an end there is no last one");
        let plain = json!({"recurring": daily, "end_at": "2026-12-04T12:00"});
        assert_eq!(last(plain), Some(first + 48 * HOUR), "the end itself is too late");
        let closes = json!({"recurring": daily, "end_at": "2026-12-04T18:00", "window": open(json!(["tue", "wed"]), "09:00", "15:00")});
        assert_eq!(last(closes), Some(first + 24 * HOUR));
        let none = json!({"recurring": daily, "end_at": "2026-12-01T11:00"});
        assert_eq!(last(none), None);
    }

    proptest! {
        #[test]
        fn b5_time_that_is_over_does_not_come_back(
            from in 0i64..72, hours in 1i64..12, end in 1i64..96, at in prop::collection::vec(0i64..(100 * HOUR), 2), recipient in any::<bool>(),
        ) {
            let (opens, closes) = (from % 24, (from + hours) % 24);
            let clock = if recipient { "recipient" } else { "campaign" };
            let hours = json!({"open": [{"from": format!("{opens:02}:00"), "to": format!("{closes:02}:00")}], "clock": clock});
            let mut rules = validate(&launch(&json!({"window": hours}))).unwrap().rules;
            rules.end_at_ms = Some(T0 + end * HOUR);
            let (early, late) = (T0 + at[0].min(at[1]), T0 + at[0].max(at[1]));
            prop_assert!(rules.leaves_time(early) || !rules.leaves_time(late));
        }
    }
}
