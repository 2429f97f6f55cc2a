//! When a campaign that has not started will, how often it comes, and when it ends. Pure.

use crate::view::moment::at;
use serde::{Deserialize, Serialize};
use sluice_core::CampaignRow;
use sluice_core::launch::ValidRules;
use sluice_core::window::Opening;
use sluice_schemas::WindowClock;

/// The times of a campaign under its terms in force, ms since 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Coming {
    /// When it starts, or comes back; `None` once it has started.
    pub starts_at_ms: Option<i64>,
    /// When its hours open, where they are closed at that start. `None`: they are open, or differ between recipients.
    pub opens_at_ms: Option<i64>,
    /// The cron expression of one that comes back.
    pub recurring: Option<String>,
    /// Its last occurrence: a later one could call nobody before the end. `None`: it has no end, or does not come again.
    pub last_at_ms: Option<i64>,
    /// No call starts at or after it; `None`: it has no end, or has ended.
    pub ends_at_ms: Option<i64>,
    /// The zone of its times.
    pub time_zone: Option<String>,
}

/// When the hours open of what starts at `at_ms`, while they are closed. Whose are meant for each recipient's own zone
/// are known once the audience is.
fn opens_ms(rules: &ValidRules, at_ms: i64) -> Option<i64> {
    let window = rules.window.as_ref().filter(|window| window.clock() == WindowClock::Campaign)?;
    match window.at(&rules.zone, at_ms) {
        Opening::Closed { opens_ms } => {
            opens_ms.filter(|ms| rules.end_at_ms.is_none_or(|end_ms| *ms < end_ms))
        }
        Opening::Open { .. } => None,
    }
}

impl Coming {
    /// Of a campaign as it is stored.
    pub fn of(row: &CampaignRow) -> Self {
        let has_end = row.rules().end_at.is_some() && !row.state.is_ended();
        let has_hours = row.rules().window.is_some() && row.awaits_start && !row.state.is_ended();
        // Rules that another version wrote may not be readable.
        let rules = (has_end || has_hours).then(|| row.valid_rules().ok()).flatten();
        let starts_at_ms = row.awaits_start.then_some(row.starts_at_ms);
        let opens_at_ms =
            rules.as_ref().filter(|_| has_hours).and_then(|rules| opens_ms(rules, row.starts_at_ms));
        Self {
            starts_at_ms,
            opens_at_ms,
            recurring: row.launch.rules.recurring.as_ref().map(|recurring| recurring.cron.clone()),
            last_at_ms: rules
                .as_ref()
                .zip(starts_at_ms)
                .and_then(|(rules, at_ms)| rules.last_occurrence_ms(at_ms)),
            ends_at_ms: rules.and_then(|rules| rules.end_at_ms),
            time_zone: row.launch.time_zone.clone(),
        }
    }

    /// Whether it starts, or comes back, at `at_ms` as its rule says.
    pub fn comes_at(&self, at_ms: i64) -> bool {
        match (&self.recurring, self.ends_at_ms) {
            (Some(_), Some(_)) => self.last_at_ms.is_some_and(|last_ms| at_ms <= last_ms),
            _ => true,
        }
    }

    /// `starts at 2026-12-01 09:00 UTC`, `comes back, next at …`; goes on after the campaign's name. `None`: it has
    /// started.
    pub fn says(&self) -> Option<String> {
        let at = |ms: i64| at(ms, self.time_zone.as_deref());
        let starts_ms = self.starts_at_ms?;
        let next = at(starts_ms);
        let opens = self.opens_at_ms.map_or_else(String::new, |ms| format!("; its window opens {}", at(ms)));
        Some(match (&self.recurring, self.ends_at_ms, self.last_at_ms) {
            (None, None, _) => format!("starts at {next}{opens}"),
            (None, Some(ends_ms), _) => format!("starts at {next} and ends at {}{opens}", at(ends_ms)),
            (Some(_), None, _) => format!("comes back, next at {next}{opens}"),
            (Some(_), Some(ends_ms), None) => {
                format!("does not come again: its end is {}", at(ends_ms))
            }
            (Some(_), Some(ends_ms), Some(last_ms)) if last_ms <= starts_ms => {
                format!("comes back once more, at {next}: its end is {}", at(ends_ms))
            }
            (Some(_), Some(ends_ms), Some(last_ms)) => {
                let (last, end) = (at(last_ms), at(ends_ms));
                format!("comes back, next at {next}, for the last time at {last}: its end is {end}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::derived;
    use super::super::stored::tests::{row, stored};
    use super::*;
    use sluice_core::CampaignState;

    const HOUR: i64 = 3_600_000;
    /// 2026-06-01T09:00 in Sao Paulo, a Monday.
    const NINE: i64 = 1_780_315_200_000;

    fn coming(rules: &str) -> Coming {
        let row = row("null", rules);
        Coming::of(&CampaignRow::scheduled(row.launch, NINE - HOUR, NINE))
    }

    #[test]
    fn b5_a_campaign_says_when_it_starts_and_ends() {
        assert_eq!(coming("{}").says().unwrap(), "starts at 2026-06-01 09:00 America/Sao_Paulo");
        let ends = coming(r#"{"end_at": "2026-06-02T18:00"}"#).says().unwrap();
        assert_eq!(
            ends,
            "starts at 2026-06-01 09:00 America/Sao_Paulo and ends at 2026-06-02 18:00 America/Sao_Paulo"
        );
        let runs = Coming::of(&row("null", r#"{"end_at": "2026-06-02T18:00"}"#));
        assert_eq!((runs.says(), runs.ends_at_ms), (None, Some(NINE + 33 * HOUR)));
    }

    #[test]
    fn b5_g3_a_start_outside_the_hours_tells_when_they_open() {
        let hours = |rest: &str| {
            coming(&format!(r#"{{"window": {{"open": [{{"from": "12:00", "to": "18:00"}}]{rest}}}}}"#))
        };
        assert_eq!(
            hours("").says().unwrap(),
            "starts at 2026-06-01 09:00 America/Sao_Paulo; its window opens 2026-06-01 12:00 America/Sao_Paulo"
        );
        assert_eq!(hours("").opens_at_ms, Some(NINE + 3 * HOUR));
        assert_eq!(hours(r#", "clock": "recipient""#).opens_at_ms, None, "each has its own");
        let open = coming(r#"{"window": {"open": [{"from": "09:00", "to": "18:00"}]}}"#);
        assert_eq!(open.says().unwrap(), "starts at 2026-06-01 09:00 America/Sao_Paulo");
    }

    #[test]
    fn b5_a_recurrence_that_is_over_comes_no_more_and_was_not_cancelled() {
        let launch =
            row("null", r#"{"recurring": {"cron": "0 9 * * *"}, "end_at": "2026-06-01T09:30"}"#).launch;
        let waits = CampaignRow::scheduled(launch, NINE - HOUR, NINE);
        let reason = Some(waits.end_reason());
        let state = waits.over_state();
        assert_eq!(state, CampaignState::Completed);
        let over = CampaignRow { state, reason, ..waits };
        assert_eq!(
            derived(&stored(over, &[]), NINE).sentence(),
            "spring comes no more: its end at 2026-06-01T09:30 is before the next time."
        );
    }

    #[test]
    fn b5_a_campaign_that_comes_back_says_its_last_time_and_when_there_is_none() {
        let of = |end: &str| coming(&format!(r#"{{"recurring": {{"cron": "0 9 * * *"}}, "end_at": {end}}}"#));
        assert_eq!(of("null").says().unwrap(), "comes back, next at 2026-06-01 09:00 America/Sao_Paulo");
        let thrice = of(r#""2026-06-04T09:00""#);
        let expected = "comes back, next at 2026-06-01 09:00 America/Sao_Paulo, for the last time at 2026-06-03 09:00 \
                        America/Sao_Paulo: its end is 2026-06-04 09:00 America/Sao_Paulo";
        assert_eq!(thrice.says().unwrap(), expected);
        assert!(thrice.comes_at(NINE + 48 * HOUR) && !thrice.comes_at(NINE + 72 * HOUR));
        assert!(
            of(r#""2026-06-02T09:00""#)
                .says()
                .unwrap()
                .starts_with("comes back once more, at 2026-06-01 09:00")
        );
        let over = of(r#""2026-06-01T08:30""#);
        assert_eq!(
            over.says().unwrap(),
            "does not come again: its end is 2026-06-01 08:30 America/Sao_Paulo"
        );
        assert!(!over.comes_at(NINE));
    }
}
