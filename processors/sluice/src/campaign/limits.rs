//! The limits and times of a campaign, before and after somebody changed them. Pure.

use crate::view::hours;
use crate::view::numbers::thousands;
use serde::{Deserialize, Serialize};
use sluice_core::CampaignRow;

/// One limit, or time, that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitLine {
    /// `rate`, `priority`, `daily limit`, `pair rate`; `start`, `hours`, `end`.
    pub limit: String,
    /// Before; `None`: there was none.
    pub was: Option<String>,
    /// In force; `None`: there is none.
    pub is: Option<String>,
}

/// All limits, changed or not.
pub fn limits(before: &CampaignRow, after: &CampaignRow) -> Vec<LimitLine> {
    let line = |limit, of: fn(&CampaignRow) -> Option<String>| LimitLine::of(limit, [before, after].map(of));
    let daily = |row: &CampaignRow| {
        let limit = row.rules().daily_send_limit?;
        Some(u64::try_from(limit).map_or_else(|_| limit.to_string(), thousands))
    };
    vec![
        line("rate", |row| row.rate().map(str::to_owned)),
        line("priority", |row| Some(row.rules().priority.as_str().to_owned())),
        line("daily limit", daily),
        line("pair rate", |row| row.rules().pair_rate.clone()),
    ]
}

/// The times that it has, or had.
pub fn times(before: &CampaignRow, after: &CampaignRow) -> Vec<LimitLine> {
    let line = |limit, of: fn(&CampaignRow) -> Option<String>| LimitLine::of(limit, [before, after].map(of));
    let lines = [
        line("start", |row| row.rules().start_at.clone()),
        line("hours", |row| row.rules().window.as_ref().map(hours::written)),
        line("end", |row| row.rules().end_at.clone()),
    ];
    lines.into_iter().filter(|line| line.was.is_some() || line.is.is_some()).collect()
}

impl LimitLine {
    fn of(limit: &str, [was, is]: [Option<String>; 2]) -> Self {
        Self { limit: limit.to_owned(), was, is }
    }

    /// `rate 10/s -> 20/s`, `priority normal`, `no pair rate`.
    pub fn says(&self) -> String {
        let Self { limit, was, is } = self;
        let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        match is {
            _ if was != is => format!("{limit} {} -> {}", word(was), word(is)),
            Some(is) => format!("{limit} {is}"),
            None => format!("no {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::tests::row;
    use super::*;

    #[test]
    fn f3_b1_b5_times_are_told_with_what_they_were() {
        let of = |rules: &str| row("null", rules);
        let hours =
            r#""window": {"open": [{"days": ["mon", "tue", "wed"], "from": "09:00", "to": "18:00"}]}"#;
        let before = of(&format!(r#"{{"end_at": "2026-06-02T18:00", {hours}}}"#));
        let says = |after| times(&before, &after).iter().map(LimitLine::says).collect::<Vec<_>>().join(", ");
        assert_eq!(
            says(of(&format!("{{{hours}}}"))),
            "hours mon-wed 09:00-18:00, end 2026-06-02T18:00 -> none"
        );
        assert!(times(&of("{}"), &of("{}")).is_empty());
    }

    #[test]
    fn f3_b2_all_limits_in_force_are_told_and_what_those_were_that_changed() {
        let before = row(r#""10/s""#, r#"{"daily_send_limit": 5000}"#);
        let after = row(r#""20/s""#, r#"{"priority": "bulk"}"#);
        let says =
            |before, after| limits(before, after).iter().map(LimitLine::says).collect::<Vec<_>>().join(", ");
        assert_eq!(
            says(&before, &after),
            "rate 10/s -> 20/s, priority normal -> bulk, daily limit 5,000 -> none, no pair rate"
        );
        assert_eq!(says(&before, &before), "rate 10/s, priority normal, daily limit 5,000, no pair rate");
    }
}
