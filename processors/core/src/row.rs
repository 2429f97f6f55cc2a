//! The decision about one audience row: who it is, or why nothing is sent (A3, A9).
//!
//! Guarantee: it depends on the row and the launch alone, never on other rows, suppressions or time, so a
//! second expansion decides the same (hazard 1). What is not clearly a consent is none.
//!
//! Not done here: reading files, deduplication, suppressions.

use crate::address::{self, AddressError};
use crate::launch::shown;
use crate::moment;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sluice_schemas::{SendRequest, StringMap};
use std::borrow::Cow;

mod cells;
mod columns;
mod zones;

pub use cells::Cells;
pub(crate) use columns::check_fields;
pub use columns::{ColumnRules, Columns, ColumnsError, FIELDS, Keep, address_names, flag_names};
pub(crate) use zones::names as zone_names;
pub use zones::{known_zone, time_zone};

/// Bytes of a cell at most.
pub const CELL_BYTES_MAX: usize = 64 * 1024;

/// Why a row gets no message. The words are the same in files, labels and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The row cannot be read.
    MalformedRow,
    /// The audience says the person does not want messages.
    OptedOut,
    /// The flag of the channel is there and does not say yes.
    NoOptIn,
    /// There is no address.
    MissingAddress,
    /// There is something that is not an address of this channel.
    InvalidAddress,
    /// The row asks for a page that the launch does not name.
    UnknownPage,
    /// There is something that is not a date in the column of the day before which it is not sent.
    InvalidSendDate,
    /// An earlier row has the same normalised address.
    Duplicate,
}

impl SkipReason {
    /// Every reason, in the order of the checks.
    pub const ALL: [SkipReason; 8] = [
        SkipReason::MalformedRow,
        SkipReason::OptedOut,
        SkipReason::NoOptIn,
        SkipReason::MissingAddress,
        SkipReason::InvalidAddress,
        SkipReason::UnknownPage,
        SkipReason::InvalidSendDate,
        SkipReason::Duplicate,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            SkipReason::MalformedRow => "malformed_row",
            SkipReason::OptedOut => "opted_out",
            SkipReason::NoOptIn => "no_opt_in",
            SkipReason::MissingAddress => "missing_address",
            SkipReason::InvalidAddress => "invalid_address",
            SkipReason::UnknownPage => "unknown_page",
            SkipReason::InvalidSendDate => "invalid_send_date",
            SkipReason::Duplicate => "duplicate",
        }
    }
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something of a valid row that is not as its author meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowWarning<'a> {
    /// There is no such time zone; the campaign's is used.
    UnknownTimeZone(&'a str),
}

impl RowWarning<'_> {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            RowWarning::UnknownTimeZone(_) => "unknown_time_zone",
        }
    }
}

impl std::fmt::Display for RowWarning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RowWarning::UnknownTimeZone(name) => {
                write!(f, "time zone `{name}` is not known, the campaign's is used")
            }
        }
    }
}

/// A person who can get the message, borrowed from the row. Texts are trimmed, empty ones are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRow<'a> {
    /// Normalised for the channel.
    pub address: Cow<'a, str>,
    /// What the person is called.
    pub name: Option<&'a str>,
    /// The author's own id of the person.
    pub customer_id: Option<&'a str>,
    /// A known IANA name.
    pub time_zone: Option<&'static str>,
    /// One of the launch's pages, when the row asks for it.
    pub page_id: Option<&'a str>,
    /// The day before which it is not sent, in its zone.
    pub send_date: Option<Date>,
    /// What was dropped.
    pub warning: Option<RowWarning<'a>>,
}

/// What becomes of a row, borrowed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It becomes a send. Its variables: [`Columns::variables`].
    Valid(ValidRow<'a>),
    /// It is counted and never sent.
    Skipped {
        /// In one word.
        reason: SkipReason,
        /// In a sentence.
        detail: Cow<'a, str>,
    },
}

/// What becomes of a row, on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowDecision {
    /// It becomes a send.
    Valid {
        /// Normalised for the channel.
        address: String,
        /// What the person is called.
        name: Option<String>,
        /// The author's own id of the person.
        customer_id: Option<String>,
        /// A known IANA name.
        time_zone: Option<String>,
        /// One of the launch's pages, when the row asks for it; otherwise the address chooses.
        page_id: Option<String>,
        /// The day before which it is not sent, in its zone.
        send_date: Option<Date>,
        /// The row's own values; missing ones are left out.
        variables: StringMap,
        /// What was dropped, in sentences.
        warnings: Vec<String>,
    },
    /// It is counted and never sent.
    Skipped {
        /// In one word.
        reason: SkipReason,
        /// In a sentence.
        detail: String,
    },
}

impl Columns {
    /// Decides about one row. Order of the checks: malformed, opted out, flag, address, page, date.
    pub fn decide<'a>(&'a self, cells: Cells<'a>) -> Verdict<'a> {
        if let Err(detail) = self.check_shape(cells) {
            return Verdict::Skipped { reason: SkipReason::MalformedRow, detail: detail.into() };
        }
        let skipped = |reason, detail: &'a str| Verdict::Skipped { reason, detail: Cow::Borrowed(detail) };
        let cell = |column: Option<usize>| column.and_then(|column| cells.get(column)).unwrap_or_default();
        if self.opted_out.is_some() && !says_no(cell(self.opted_out)) {
            return skipped(SkipReason::OptedOut, "the row says the person opted out");
        }
        if let Some(flag) = self.flags.iter().find(|flag| !says_yes(cell(Some(flag.column)))) {
            return skipped(SkipReason::NoOptIn, &flag.refusal);
        }
        let address = match address::normalise(self.channel, cell(self.address)) {
            Ok(address) => address,
            Err(AddressError::Missing(detail)) => return skipped(SkipReason::MissingAddress, detail),
            Err(AddressError::Invalid(detail)) => return skipped(SkipReason::InvalidAddress, detail),
        };
        let page_id = text(cell(self.page_id));
        if let Some(wanted) = page_id.filter(|wanted| !self.pages.contains(*wanted)) {
            let detail = format!("page `{}` is not one of the launch's pages", shown(wanted));
            return Verdict::Skipped { reason: SkipReason::UnknownPage, detail: detail.into() };
        }
        let send_date = match text(cell(self.send_date)).filter(|cell| !address::is_missing(cell)) {
            None => None,
            Some(cell) => match moment::date(cell) {
                Some(date) => Some(date),
                None => {
                    let detail = format!("`{}` is not a date such as 2026-12-01", shown(cell));
                    return Verdict::Skipped { reason: SkipReason::InvalidSendDate, detail: detail.into() };
                }
            },
        };
        let (time_zone, warning) = match text(cell(self.time_zone)) {
            None => (None, None),
            Some(name) => match known_zone(name) {
                Some(zone) => (Some(zone), None),
                None => (None, Some(RowWarning::UnknownTimeZone(name))),
            },
        };
        let (name, customer_id) = (text(cell(self.name)), text(cell(self.customer_id)));
        Verdict::Valid(ValidRow { address, name, customer_id, time_zone, page_id, send_date, warning })
    }

    /// A verdict on `cells` that no longer borrows from them.
    pub fn own(&self, verdict: Verdict<'_>, cells: Cells<'_>) -> RowDecision {
        match verdict {
            Verdict::Skipped { reason, detail } => {
                RowDecision::Skipped { reason, detail: detail.into_owned() }
            }
            Verdict::Valid(row) => RowDecision::Valid {
                address: row.address.into_owned(),
                name: row.name.map(str::to_owned),
                customer_id: row.customer_id.map(str::to_owned),
                time_zone: row.time_zone.map(str::to_owned),
                page_id: row.page_id.map(str::to_owned),
                send_date: row.send_date,
                variables: self
                    .variables(cells)
                    .map(|(name, value)| (name.to_string(), value.to_owned()))
                    .collect(),
                warnings: row.warning.iter().map(ToString::to_string).collect(),
            },
        }
    }

    fn check_shape(&self, cells: Cells<'_>) -> Result<(), String> {
        let (expected, found) = (self.names.len(), cells.len());
        if found != expected {
            return Err(format!("{found} cells where the header has {expected}"));
        }
        if cells.bytes() > CELL_BYTES_MAX {
            let long = cells.iter().position(|cell| cell.len() > CELL_BYTES_MAX);
            if let Some(column) = long {
                return Err(format!("the cell of column `{}` is longer than 64 KiB", self.names[column]));
            }
        }
        Ok(())
    }
}

fn text(cell: &str) -> Option<&str> {
    let text = cell.trim();
    (!text.is_empty()).then_some(text)
}

/// Words of a consent. Anything else, also an empty cell, is none.
fn says_yes(cell: &str) -> bool {
    is_one_of(cell, &["true", "yes", "1", "t", "y", "on"])
}

/// Words that deny an opt-out. Anything else, a date for example, is an opt-out.
fn says_no(cell: &str) -> bool {
    is_one_of(cell, &["false", "no", "0", "f", "n", "off"]) || address::is_missing(cell)
}

fn is_one_of(cell: &str, words: &[&str]) -> bool {
    let cell = cell.trim();
    words.iter().any(|word| word.eq_ignore_ascii_case(cell))
}

/// The value of a template's variable for one recipient (A8): its own variable; `address`, `name` or
/// `customer_id` of the recipient; the campaign's value. Empty values are missing ones.
pub fn variable_of<'a>(send: &'a SendRequest, campaign: &'a StringMap, name: &str) -> Option<&'a str> {
    let own = send.variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let field = || match name {
        "address" => Some(send.address.as_str()),
        "name" => send.name.as_deref(),
        "customer_id" => send.customer_id.as_deref(),
        _ => None,
    };
    let field = || field().filter(|value| !value.is_empty());
    let shared = || campaign.get(name).map(String::as_str).filter(|value| !value.is_empty());
    own.or_else(field).or_else(shared)
}

#[cfg(test)]
mod tests;
