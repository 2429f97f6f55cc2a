//! An audience that is made from a few numbers.

use crate::gates::open::ZONES;
use async_trait::async_trait;
use sluice_core::row::{RowDecision, SkipReason};
use sluice_runtime::ports::audience::{AudienceProblem, Audiences, DecidedRow, OpenAudience, Rows};
use sluice_schemas::{CampaignLaunch, StringMap};
use std::time::Duration;
use tokio::time::Instant;

/// `rows` rows: every seventh has no address, every eleventh repeats an earlier one, every thirteenth lacks the
/// variable that the message needs.
#[derive(Debug, Clone)]
pub(crate) struct SimAudience {
    pub(crate) rows: u64,
    pub(crate) pages: Vec<String>,
    /// Between two batches.
    pub(crate) pause: Duration,
    /// Between the last row and the end.
    pub(crate) pause_before_end: Duration,
    pub(crate) batch: usize,
}

impl SimAudience {
    /// The address of a row that may be sent to.
    pub(crate) fn address(row: u64) -> String {
        format!("+1415555{row:07}")
    }

    /// Whether nothing is ever sent to this row.
    pub(crate) fn is_skipped(row: u64) -> bool {
        row % 7 == 3 || row % 11 == 5
    }

    /// Whether its message lacks a variable.
    pub(crate) fn lacks_variable(row: u64) -> bool {
        row % 13 == 4
    }

    /// Place of this row's zone in [`ZONES`].
    pub(crate) fn zone(row: u64) -> usize {
        (row / 3) as usize % ZONES.len()
    }

    /// How many of the rows get a message.
    pub(crate) fn sendable(&self) -> u64 {
        (0..self.rows).filter(|&row| !Self::is_skipped(row) && !Self::lacks_variable(row)).count() as u64
    }

    fn row(&self, row: u64) -> DecidedRow {
        let skipped = |reason, detail: &str| RowDecision::Skipped { reason, detail: detail.to_owned() };
        let decision = if row % 7 == 3 {
            skipped(SkipReason::MissingAddress, "empty")
        } else if row % 11 == 5 {
            skipped(SkipReason::Duplicate, "of an earlier row")
        } else {
            let mut variables = StringMap::new();
            if !Self::lacks_variable(row) {
                variables.insert("coupon".to_owned(), "WELCOME".to_owned());
            }
            RowDecision::Valid {
                address: Self::address(row),
                name: None,
                customer_id: Some(format!("c{row}")),
                time_zone: ZONES[Self::zone(row)].0.map(str::to_owned),
                page_id: Some(self.pages[row as usize % self.pages.len()].clone()),
                send_date: None,
                variables,
                warnings: Vec::new(),
            }
        };
        DecidedRow { line: row + 2, decision }
    }
}

#[async_trait]
impl Audiences for SimAudience {
    async fn open(&self, _: &CampaignLaunch) -> Result<OpenAudience, AudienceProblem> {
        let rows = Box::new(SimRows { audience: self.clone(), next: 0, ready_at: None });
        Ok(OpenAudience { pin: format!("{} rows", self.rows), rows })
    }
}

struct SimRows {
    audience: SimAudience,
    next: u64,
    /// Of the batch that is waited for; kept over cancellations.
    ready_at: Option<Instant>,
}

#[async_trait]
impl Rows for SimRows {
    async fn next(&mut self) -> Result<Option<Vec<DecidedRow>>, AudienceProblem> {
        let pause = match self.next {
            0 => Duration::ZERO,
            next if next >= self.audience.rows => self.audience.pause + self.audience.pause_before_end,
            _ => self.audience.pause,
        };
        if !pause.is_zero() {
            tokio::time::sleep_until(*self.ready_at.get_or_insert_with(|| Instant::now() + pause)).await;
            self.ready_at = None;
        }
        let end = (self.next + self.audience.batch as u64).min(self.audience.rows);
        let rows: Vec<DecidedRow> = (self.next..end).map(|row| self.audience.row(row)).collect();
        self.next = end;
        Ok((!rows.is_empty()).then_some(rows))
    }
}
