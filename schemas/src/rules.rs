//! The rules of a launch: when and in which order its sends are called; `avro/` documents the fields.

use serde::{Deserialize, Serialize};

/// When and in which order sends are called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Rules", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct Rules {
    pub priority: Priority,
    pub window: Option<SendWindow>,
    pub daily_send_limit: Option<i64>,
    pub pair_rate: Option<String>,
    pub start_at: Option<String>,
    pub end_at: Option<String>,
    pub recurring: Option<Recurring>,
}

/// Which campaigns of a page go first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    Urgent,
    /// In between.
    #[default]
    Normal,
    /// What the others leave, and a share that they do not get.
    Bulk,
}

impl Priority {
    /// The word used in launches and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Urgent => "urgent",
            Priority::Normal => "normal",
            Priority::Bulk => "bulk",
        }
    }
}

/// The hours in which calls may start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "SendWindow", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct SendWindow {
    pub open: Vec<OpenHours>,
    #[serde(default)]
    pub clock: WindowClock,
    #[serde(default)]
    pub closed_on: Vec<String>,
}

/// Hours on some days of the week.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "OpenHours", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct OpenHours {
    #[serde(default)]
    pub days: Vec<Weekday>,
    pub from: String,
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Whose local time a window means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowClock {
    /// The campaign's time zone.
    #[default]
    Campaign,
    /// The recipient's, and the campaign's where a recipient has none.
    Recipient,
}

/// A campaign for each time that a cron expression names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Recurring", deny_unknown_fields)]
#[expect(missing_docs, reason = "documented in the schema")]
pub struct Recurring {
    pub cron: String,
    #[serde(default)]
    pub missed: Missed,
}

/// What happens to occurrences that passed while nothing ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// The newest of them starts late.
    #[default]
    Once,
    /// None of them starts.
    Skip,
}
