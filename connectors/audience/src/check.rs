//! Who can receive a campaign, and who cannot and why, without sending anything (A6).

use crate::batch::RowContent;
use crate::decided::DecidedRows;
use crate::error::AudienceError;
use crate::rejected::RejectedWriter;
use serde::{Deserialize, Serialize};
use sluice_core::launch::ValidLaunch;
use sluice_core::row::{Cells, Columns, ValidRow, Verdict};
use sluice_schemas::{Channel, StringMap};
use std::collections::BTreeMap;

/// Lines that a finding lists unless said otherwise.
pub const LINES_SHOWN: usize = 20;
/// Different details of one reason; what comes after is put together as `other`.
const DETAILS_MAX: usize = 50;
/// Rows read at once.
const BATCH_ROWS: usize = 4_096;

/// The same thing said of some rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// In a word: a reason, a warning, or a variable's name.
    pub what: String,
    /// In a sentence.
    pub detail: String,
    /// How many rows.
    pub rows: u64,
    /// The lines of the first ones, from 1; row numbers from 1 for rows of the launch itself.
    pub lines: Vec<u64>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The campaign.
    pub campaign: String,
    /// The channel that was checked.
    pub channel: Channel,
    /// Rows of the audience, malformed ones included.
    pub rows: u64,
    /// Rows that become sends.
    pub valid: u64,
    /// Of these, how many will fail because a variable of the message has no value.
    pub valid_without_variables: u64,
    /// Rows that get no message, by reason: these and `valid` sum up to `rows`.
    pub skipped: BTreeMap<String, u64>,
    /// The same with details and lines, the most frequent first.
    pub findings: Vec<Finding>,
    /// What is not as it was meant in valid rows.
    pub warnings: Vec<Finding>,
    /// Variables of the message that valid rows have no value for.
    pub missing_variables: Vec<Finding>,
    /// The column that holds the address.
    pub address_column: Option<String>,
}

impl CheckReport {
    /// Rows skipped for one reason.
    pub fn skipped_for(&self, reason: &str) -> u64 {
        self.skipped.get(reason).copied().unwrap_or_default()
    }

    /// Rows skipped for any reason.
    pub fn skipped_rows(&self) -> u64 {
        self.skipped.values().sum()
    }
}

/// Findings by word and detail.
#[derive(Debug, Default)]
struct Findings {
    by_what: BTreeMap<&'static str, BTreeMap<String, (u64, Vec<u64>)>>,
}

impl Findings {
    fn add(&mut self, what: &'static str, detail: &str, line: u64, lines_shown: usize) {
        let details = self.by_what.entry(what).or_default();
        let detail =
            if details.len() < DETAILS_MAX || details.contains_key(detail) { detail } else { "other" };
        let (rows, lines) = match details.get_mut(detail) {
            Some(found) => found,
            None => details.entry(detail.to_owned()).or_default(),
        };
        *rows += 1;
        if lines.len() < lines_shown {
            lines.push(line);
        }
    }

    fn into_list(self) -> Vec<Finding> {
        let mut list = Vec::new();
        for (what, details) in self.by_what {
            list.extend(details.into_iter().map(|(detail, (rows, lines))| Finding {
                what: what.to_owned(),
                detail,
                rows,
                lines,
            }));
        }
        list.sort_by_key(|finding| std::cmp::Reverse(finding.rows));
        list
    }
}

/// Reads an audience to its end and says who can receive. `lines_shown` limits the lines of each finding;
/// `rejected` gets the rows that are skipped; `progress` hears the number of rows read after each batch.
pub fn check(
    launch: &ValidLaunch,
    audience: DecidedRows,
    lines_shown: usize,
    rejected: Option<&mut RejectedWriter>,
    progress: impl FnMut(u64),
) -> Result<CheckReport, AudienceError> {
    check_each(launch, audience, lines_shown, rejected, progress, |_| {})
}

/// The same; `each` hears of every row that becomes a send.
pub fn check_each(
    launch: &ValidLaunch,
    mut audience: DecidedRows,
    lines_shown: usize,
    mut rejected: Option<&mut RejectedWriter>,
    mut progress: impl FnMut(u64),
    mut each: impl FnMut(&ValidRow<'_>),
) -> Result<CheckReport, AudienceError> {
    let mut report = CheckReport {
        campaign: launch.launch.campaign.clone(),
        channel: launch.launch.channel,
        rows: 0,
        valid: 0,
        valid_without_variables: 0,
        skipped: BTreeMap::new(),
        findings: Vec::new(),
        warnings: Vec::new(),
        missing_variables: Vec::new(),
        address_column: audience.columns().address_column().map(str::to_owned),
    };
    let (mut findings, mut warnings) = (Findings::default(), Findings::default());
    let mut missing: Vec<(&str, u64, Vec<u64>)> =
        launch.variables().map(|name| (name, 0, Vec::new())).collect();
    while let Some(batch) = audience.next_batch(BATCH_ROWS)? {
        for row in batch.rows() {
            let decided = audience.decide(&batch, row)?;
            let line = row.line;
            report.rows += 1;
            match &decided.verdict {
                Verdict::Skipped { reason, detail } => {
                    *report.skipped.entry(reason.as_str().to_owned()).or_default() += 1;
                    findings.add(reason.as_str(), detail, line, lines_shown);
                    if let Some(rejected) = rejected.as_deref_mut() {
                        rejected
                            .add(line, *reason, detail, row.content)
                            .map_err(|source| AudienceError::Rejected { source })?;
                    }
                }
                Verdict::Valid(valid) => {
                    report.valid += 1;
                    each(valid);
                    if let Some(warning) = valid.warning {
                        warnings.add(warning.as_str(), &warning.to_string(), line, lines_shown);
                    }
                    let RowContent::Cells(cells) = row.content else { continue };
                    let mut complete = true;
                    for (name, rows, lines) in &mut missing {
                        if value(batch.columns(), cells, valid, &launch.launch.variables, name).is_some() {
                            continue;
                        }
                        complete = false;
                        *rows += 1;
                        if lines.len() < lines_shown {
                            lines.push(line);
                        }
                    }
                    report.valid_without_variables += u64::from(!complete);
                }
            }
        }
        progress(report.rows);
    }
    report.findings = findings.into_list();
    report.warnings = warnings.into_list();
    report.missing_variables = missing
        .into_iter()
        .filter(|(_, rows, _)| *rows > 0)
        .map(|(name, rows, lines)| Finding {
            what: name.to_owned(),
            detail: format!("variable `{name}` has no value"),
            rows,
            lines,
        })
        .collect();
    Ok(report)
}

/// As `sluice_core::row::variable_of` finds it for the send that the row becomes.
fn value<'a>(
    columns: &'a Columns,
    cells: Cells<'a>,
    valid: &'a ValidRow<'a>,
    shared: &'a StringMap,
    name: &str,
) -> Option<&'a str> {
    let field = match name {
        "address" => Some(&*valid.address),
        "name" => valid.name,
        "customer_id" => valid.customer_id,
        _ => None,
    };
    let shared = || shared.get(name).map(String::as_str).filter(|value| !value.is_empty());
    columns.variable(cells, name).or(field).or_else(shared)
}
