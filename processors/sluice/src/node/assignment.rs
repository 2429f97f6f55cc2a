//! Which parts of the work a process does: `sluice run --roles …`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A part of the work that a process can do alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// Launches and audiences → chunks.
    Expander,
    /// Chunks → provider calls.
    Sender,
    /// Receipts and webhooks → states and counters.
    Receipts,
    /// The HTTP port: webhooks in, the API.
    Gateway,
    /// States → the end of a campaign.
    Completion,
}

impl Work {
    /// Every part.
    pub const ALL: [Work; 5] =
        [Work::Expander, Work::Sender, Work::Receipts, Work::Gateway, Work::Completion];

    /// The word of `--roles`.
    pub fn as_str(self) -> &'static str {
        match self {
            Work::Expander => "expander",
            Work::Sender => "sender",
            Work::Receipts => "receipts",
            Work::Gateway => "gateway",
            Work::Completion => "completion",
        }
    }
}

/// At least one part, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment(Vec<Work>);

impl Assignment {
    /// All parts in one process.
    pub fn all() -> Self {
        Self(Work::ALL.to_vec())
    }

    /// Whether this process does it.
    pub fn has(&self, work: Work) -> bool {
        self.0.contains(&work)
    }

    /// Whether nothing is left for others.
    pub fn is_all(&self) -> bool {
        self.0.len() == Work::ALL.len()
    }
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let known = Work::ALL.into_iter().find(|work| work.as_str() == word);
            parts.push(known.ok_or_else(|| format!("`{word}` is no role; {}", possible()))?);
        }
        parts.sort();
        parts.dedup();
        if parts.is_empty() { Err(format!("no role is named; {}", possible())) } else { Ok(Self(parts)) }
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(|work| work.as_str()).collect::<Vec<_>>().join(","))
    }
}

fn possible() -> String {
    format!("possible are {}", Assignment::all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_in_any_order_and_an_unknown_one_says_which_there_are() {
        let roles: Assignment = "sender, expander,sender".parse().unwrap();
        assert_eq!(roles.to_string(), "expander,sender");
        assert!(roles.has(Work::Sender) && !roles.has(Work::Gateway) && !roles.is_all());
        let refused = "senders".parse::<Assignment>().unwrap_err();
        assert!(refused.contains("possible are expander,sender,receipts,gateway,completion"), "{refused}");
        assert!(",".parse::<Assignment>().is_err());
    }
}
