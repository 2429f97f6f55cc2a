//! The gate before a call, as far as it hangs on the campaign: run state, start and end, window and day.
//!
//! The sender grants by it, `explain` and the forecast ask it: so they can't disagree. Limits and back-off belong to
//! the page: [`crate::gcra`], [`crate::usage`], [`crate::pace`], [`crate::throttle`].

use crate::campaign::{CampaignRow, CampaignState};
use crate::launch::{LaunchProblem, ValidRules};
use crate::moment;
use crate::rate::Rate;
use crate::usage::share_of;
use crate::window::{Opening, Window};
use jiff::tz::TimeZone;
use sluice_schemas::GateClass;

/// What one campaign allows on one page.
#[derive(Debug, Clone)]
pub struct CampaignGate {
    state: CampaignState,
    zone: TimeZone,
    /// As checked.
    pub rules: ValidRules,
    /// The page's share of the campaign's limit (hazard 9).
    pub rate: Option<Rate>,
    /// The page's share of the campaign's calls in 24 hours.
    pub daily: Option<u64>,
}

/// What a class waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// The campaign does not run.
    State(CampaignState),
    /// Its start, its day or its window; `None`: it opens never again.
    Window {
        /// ms since 1970.
        opens_ms: Option<i64>,
    },
    /// Nothing: its end is over, who is left will be cancelled.
    Ended,
}

/// The gate of one class: open, until when; or what it waits for.
pub type Verdict = Result<Option<i64>, Waits>;

impl CampaignGate {
    /// The gate of `row` on page number `page` (from 0) of its launch.
    ///
    /// # Errors
    /// All that is wrong with the rules in force.
    pub fn of(row: &CampaignRow, page: usize) -> Result<Self, Vec<LaunchProblem>> {
        let rules = row.valid_rules()?;
        let zone = row.launch.time_zone.as_deref().and_then(crate::row::time_zone).unwrap_or(TimeZone::UTC);
        let pages = row.launch.pages.len();
        // Both were checked to leave each page a part.
        let rate: Option<Rate> = row.rate().and_then(|rate| rate.parse().ok());
        let rate = rate.and_then(|rate| rate.share(page, pages));
        let daily = rules.daily_send_limit.map(|limit| share_of(limit, page, pages));
        Ok(Self { state: row.state, zone, rules, rate, daily })
    }

    /// The same rules, in another state.
    pub fn in_state(&self, state: CampaignState) -> Self {
        Self { state, ..self.clone() }
    }

    /// Whether calls of `class` may start at `now_ms` (ms since 1970).
    pub fn verdict(&self, class: &GateClass, now_ms: i64) -> Verdict {
        if self.state != CampaignState::Running {
            return Err(Waits::State(self.state));
        }
        let end = self.rules.end_at_ms;
        if end.is_some_and(|end| now_ms >= end) {
            return Err(Waits::Ended);
        }
        if let Some(start) = self.rules.start_at_ms.filter(|start| now_ms < *start) {
            return Err(Waits::Window { opens_ms: Some(start) });
        }
        let closes = match self.opening(class, now_ms) {
            Opening::Open { until_ms } => until_ms,
            Opening::Closed { opens_ms } => return Err(Waits::Window { opens_ms }),
        };
        Ok(closes.into_iter().chain(end).min())
    }

    fn opening(&self, class: &GateClass, now_ms: i64) -> Opening {
        let day = class.day.as_deref().and_then(moment::date);
        if self.rules.window.is_none() && day.is_none() {
            return Opening::Open { until_ms: None };
        }
        let zone = class.zone.as_deref().and_then(crate::row::time_zone);
        let zone = zone.as_ref().unwrap_or(&self.zone);
        let always = Window::always();
        self.rules.window.as_ref().unwrap_or(&always).at_day(zone, day, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_schemas::{OpenHours, SendWindow, WindowClock};

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    }

    fn row(open: &[(&str, &str)]) -> CampaignRow {
        let mut launch = crate::launch::parse_json(
            r#"{"campaign": "c", "channel": "http", "pages": ["a", "b"], "audience": {"path": "a.csv"},
                "message": {"http": {"body": {}}}, "rate": "3/s", "time_zone": "America/Sao_Paulo"}"#,
        )
        .unwrap();
        let hours = |(from, to): &(&str, &str)| OpenHours {
            days: Vec::new(),
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        };
        launch.rules.window = Some(SendWindow {
            open: open.iter().map(hours).collect(),
            clock: WindowClock::Recipient,
            closed_on: Vec::new(),
        });
        launch.rules.daily_send_limit = Some(101);
        CampaignRow::launched(launch, 0)
    }

    #[test]
    fn b1_the_window_follows_the_recipients_zone_and_falls_back_to_the_campaigns() {
        let gate = CampaignGate::of(&row(&[("09:00", "12:00")]), 0).unwrap();
        let tokyo = GateClass { zone: Some("Asia/Tokyo".to_owned()), day: None };
        let noon = at("2026-06-01T12:00:00Z");
        assert_eq!(gate.verdict(&GateClass::default(), noon), Ok(Some(at("2026-06-01T15:00:00Z"))));
        assert_eq!(
            gate.verdict(&tokyo, noon),
            Err(Waits::Window { opens_ms: Some(at("2026-06-02T00:00:00Z")) })
        );
    }

    #[test]
    fn b3_a_scheduled_day_begins_in_its_zone_and_its_window() {
        let gate = CampaignGate::of(&row(&[("09:00", "12:00")]), 0).unwrap();
        let class = GateClass { zone: None, day: Some("2026-06-03".to_owned()) };
        let waits = gate.verdict(&class, at("2026-06-01T12:00:00Z"));
        assert_eq!(waits, Err(Waits::Window { opens_ms: Some(at("2026-06-03T12:00:00Z")) }));
    }

    #[test]
    fn g7_nothing_passes_unless_the_campaign_runs_and_nothing_after_its_end() {
        let mut row = row(&[("00:00", "24:00")]);
        row.state = CampaignState::Paused;
        let paused = CampaignGate::of(&row, 0).unwrap();
        assert_eq!(paused.verdict(&GateClass::default(), 0), Err(Waits::State(CampaignState::Paused)));
        row.state = CampaignState::Running;
        row.launch.rules.end_at = Some("2026-06-01T00:00Z".to_owned());
        let gate = CampaignGate::of(&row, 0).unwrap();
        let end = at("2026-06-01T00:00:00Z");
        assert_eq!(gate.verdict(&GateClass::default(), end - 1), Ok(Some(end)));
        assert_eq!(gate.verdict(&GateClass::default(), end), Err(Waits::Ended));
    }

    #[test]
    fn hazard_9_limits_of_the_campaign_are_split_over_its_pages_also_after_a_change() {
        let mut row = row(&[("00:00", "24:00")]);
        let shares = |row: &CampaignRow| -> Vec<_> {
            let gates = (0..2).map(|page| CampaignGate::of(row, page).unwrap());
            gates.map(|gate| (gate.rate.unwrap().count.get(), gate.daily)).collect()
        };
        assert_eq!(shares(&row), [(2, Some(51)), (1, Some(50))]);
        row.changed = Some(crate::Terms { rate: Some("5/s".to_owned()), ..Default::default() });
        assert_eq!(shares(&row), [(3, None), (2, None)]);
    }
}
