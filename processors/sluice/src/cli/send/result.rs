//! The end of campaigns: counts, failures by reason, rejected rows.

use crate::campaign::failures::{self, FailureCount};
use crate::campaign::rejected;
use crate::campaign::status::{self, CampaignStatus};
use crate::cli::Common;
use crate::error::Outcome;
use crate::node::Engines;
use crate::view::numbers::{counted, duration, thousands};
use crate::view::out;
use crate::view::table::Table;
use serde_json::json;
use sluice_core::CampaignRow;
use sluice_runtime::{Clock, SystemClock};
use std::path::PathBuf;
use std::time::Duration;

/// Reasons that are shown of each campaign.
const REASONS_SHOWN: usize = 5;

/// What is told of one campaign.
pub(in crate::cli) struct CampaignResult {
    pub(in crate::cli) status: CampaignStatus,
    failures: Vec<FailureCount>,
    rejected: Option<(u64, PathBuf)>,
}

/// Reads what is told, and writes the rejected rows.
pub(in crate::cli) async fn of(engines: &Engines, row: &CampaignRow) -> Outcome<CampaignResult> {
    let store = engines.store();
    let status = status::of(store.as_ref(), row, SystemClock.wall_ms()).await?;
    let failed = status.counters.failed + status.counters.opted_out > 0;
    let failures = if failed { failures::by_reason(store.as_ref(), row.id, 3).await? } else { Vec::new() };
    let path = rejected::path(engines.data_dir(), row);
    let rows = rejected::write(store.as_ref(), row, &path).await?;
    Ok(CampaignResult { status, failures, rejected: (rows > 0).then_some((rows, path)) })
}

/// Shows campaigns that have ended.
pub(super) async fn show(common: &Common, engines: &Engines, rows: &[CampaignRow]) -> Outcome<()> {
    let mut results = Vec::with_capacity(rows.len());
    for row in rows {
        results.push(of(engines, row).await?);
    }
    if common.json {
        results.iter().for_each(|result| out::line(as_json(result)));
    } else {
        lines(&results).iter().for_each(out::line);
    }
    Ok(())
}

/// For programs.
pub(in crate::cli) fn as_json(result: &CampaignResult) -> serde_json::Value {
    let mut object = json!(result.status);
    if let Some(object) = object.as_object_mut() {
        object.insert("failures".to_owned(), json!(result.failures));
        let rejected = result.rejected.as_ref().map(|(rows, path)| json!({ "rows": rows, "path": path }));
        object.insert("rejected".to_owned(), json!(rejected));
    }
    object
}

/// For people.
pub(in crate::cli) fn lines(results: &[CampaignResult]) -> Vec<String> {
    let opted_out = results.iter().any(|result| result.status.counters.opted_out > 0);
    let cancelled = results.iter().any(|result| result.status.counters.cancelled > 0);
    let mut headings = vec!["", "recipients", "sent", "delivered", "read", "failed"];
    headings.extend(opted_out.then_some("opted out"));
    headings.push("skipped");
    headings.extend(cancelled.then_some("cancelled"));
    headings.extend(["unknown", "took"]);
    let mut table = Table::new(1, headings);
    for CampaignResult { status, .. } in results {
        let counters = &status.counters;
        let mut cells = vec![status.campaign.clone()];
        let mut number = |count: u64| cells.push(thousands(count));
        let counts = [status.recipients, counters.sent, counters.delivered, counters.read, counters.failed];
        counts.into_iter().for_each(&mut number);
        if opted_out {
            number(counters.opted_out);
        }
        number(counters.skipped);
        if cancelled {
            number(counters.cancelled);
        }
        number(counters.unknown);
        cells.push(duration(Duration::from_millis(status.took_ms)));
        table.row(cells);
    }
    let mut lines = table.lines();
    for result in results {
        lines.extend(failure_lines(result));
        if let Some((rows, path)) = &result.rejected {
            let rows = counted(*rows, "row", "rows");
            lines.push(format!("{rows} skipped, with the reasons: {}", path.display()));
        }
    }
    lines
}

fn failure_lines(result: &CampaignResult) -> Vec<String> {
    let mut table = Table::plain(3);
    for failure in result.failures.iter().take(REASONS_SHOWN) {
        let message = failure.message.clone().unwrap_or_default();
        table.row([format!("  {:>6}", thousands(failure.recipients)), failure.reason.clone(), message]);
    }
    let mut lines = table.lines();
    if !lines.is_empty() {
        lines.insert(0, format!("Failed in {}:", result.status.campaign));
    }
    if result.failures.len() > REASONS_SHOWN {
        let more = counted((result.failures.len() - REASONS_SHOWN) as u64, "more reason", "more reasons");
        lines.push(format!("  and {more}: sluice campaign errors {}", result.status.campaign));
    }
    lines
}
