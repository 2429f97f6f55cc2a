//! The limits of a campaign, before and after somebody changed them. Pure.

use crate::view::numbers::thousands;
use serde::{Deserialize, Serialize};
use sluice_core::CampaignRow;

/// One limit that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitLine {
    /// `rate`, `priority`, `daily limit`, `pair rate`.
    pub limit: String,
    /// Before; `None`: there was none.
    pub was: Option<String>,
    /// In force; `None`: there is none.
    pub is: Option<String>,
}

/// All of them, changed or not.
pub fn limits(before: &CampaignRow, after: &CampaignRow) -> Vec<LimitLine> {
    let line = |limit: &str, of: fn(&CampaignRow) -> Option<String>| LimitLine {
        limit: limit.to_owned(),
        was: of(before),
        is: of(after),
    };
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

impl LimitLine {
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
