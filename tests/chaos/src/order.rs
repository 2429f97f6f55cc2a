//! What persons do to a campaign while it runs.

use crate::rules::Rate;
use serde_json::json;
use std::fmt;

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing more is sent for now.
    Pause,
    /// It goes on.
    Resume,
    /// It ends.
    Cancel,
    /// Another limit of the campaign, or none.
    Rate(Option<Rate>),
    /// Another limit of its day, or none.
    Daily(Option<u64>),
}

impl Action {
    /// The last part of the command's path.
    pub fn path(self) -> &'static str {
        match self {
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Cancel => "cancel",
            Action::Rate(_) | Action::Daily(_) => "limits",
        }
    }

    /// The body of the request.
    pub fn body(self) -> String {
        match self {
            Action::Pause | Action::Resume | Action::Cancel => String::new(),
            Action::Rate(rate) => json!({ "rate": rate.map(|rate| rate.to_string()) }).to_string(),
            Action::Daily(limit) => json!({ "daily_send_limit": limit }).to_string(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Pause | Action::Resume | Action::Cancel => f.write_str(self.path()),
            Action::Rate(Some(rate)) => write!(f, "set-limits {rate}"),
            Action::Rate(None) => f.write_str("set-limits without a rate"),
            Action::Daily(Some(limit)) => write!(f, "set-limits {limit} in 24 h"),
            Action::Daily(None) => f.write_str("set-limits without a limit of the day"),
        }
    }
}

/// A command and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// In ms after the first call of the round.
    pub at_ms: u64,
    /// What is done.
    pub action: Action,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s: {}", self.at_ms as f64 / 1_000.0, self.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_a_limit_is_named_or_taken_away_and_nothing_else_is_said() {
        assert_eq!(Action::Rate(Some(Rate { count: 3, per_s: 1 })).body(), r#"{"rate":"3/s"}"#);
        assert_eq!(Action::Rate(None).body(), r#"{"rate":null}"#);
        assert_eq!(Action::Daily(None).body(), r#"{"daily_send_limit":null}"#);
        assert_eq!((Action::Pause.path(), Action::Pause.body()), ("pause", String::new()));
    }
}
