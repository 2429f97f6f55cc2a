//! What a campaign has to keep beside the rates of its pages.

use serde_json::{Value, json};
use std::fmt;

/// At most `count` calls in any window of `per_s` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls.
    pub count: u64,
    /// Seconds: 1 or 60.
    pub per_s: u64,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, if self.per_s == 1 { "s" } else { "min" })
    }
}

/// The rules of a launch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Calls of the campaign over all its pages.
    pub rate: Option<Rate>,
    /// Calls from one page to one person.
    pub pair: Option<Rate>,
    /// Calls of the campaign in any 24 hours.
    pub daily: Option<u64>,
    /// When calls may start, in minutes since 1970, half-open and in order; empty: always.
    pub open: Vec<(u64, u64)>,
}

impl Rules {
    /// `rules` of the launch; its `rate` stands beside them.
    pub fn json(&self) -> Value {
        let clock = |minute: u64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
        let hours = |(from, to): &(u64, u64)| json!({ "from": clock(*from), "to": clock(*to) });
        let mut rules = json!({});
        if let Some(rate) = self.pair {
            rules["pair_rate"] = json!(rate.to_string());
        }
        if let Some(limit) = self.daily {
            rules["daily_send_limit"] = json!(limit);
        }
        if !self.open.is_empty() {
            rules["window"] = json!({ "open": self.open.iter().map(hours).collect::<Vec<_>>() });
        }
        rules
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.rate.map(|rate| rate.to_string());
        let pair = self.pair.map(|rate| format!("{rate} a person"));
        let daily = self.daily.map(|limit| format!("{limit} in 24 h"));
        let open = (!self.open.is_empty()).then(|| "a window".to_owned());
        let parts: Vec<String> = [rate, pair, daily, open].into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("no rules") } else { f.write_str(&parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_rules_are_said_as_a_launch_says_them() {
        let rules = Rules {
            rate: Some(Rate { count: 6, per_s: 1 }),
            pair: Some(Rate { count: 12, per_s: 60 }),
            daily: Some(40),
            // From 23:59 on the first day of 1970 to 00:01.
            open: vec![(1_439, 1_441)],
        };
        let expected = json!({
            "pair_rate": "12/min", "daily_send_limit": 40,
            "window": { "open": [{ "from": "23:59", "to": "00:01" }] },
        });
        assert_eq!(rules.json(), expected);
        assert_eq!(rules.to_string(), "6/s, 12/min a person, 40 in 24 h, a window");
        assert_eq!(
            (Rules::default().json(), Rules::default().to_string()),
            (json!({}), "no rules".to_owned())
        );
    }
}
