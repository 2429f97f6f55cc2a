//! The port of the runtime.

use crate::support::file;
use serde_json::json;
use sluice_audience::FileAudiences;
use sluice_core::launch::parse_json;
use sluice_core::row::{RowDecision, SkipReason};
use sluice_runtime::ports::audience::{AudienceProblem, Audiences, DecidedRow};
use sluice_schemas::CampaignLaunch;
use std::path::Path;

fn launch_of(path: &str) -> CampaignLaunch {
    let document = json!({
        "campaign": "c", "channel": "http", "pages": ["p1"], "audience": {"path": path},
        "message": {"http": {"body": {"to": "{{address}}", "coupon": "{{coupon}}"}}},
    });
    parse_json(&document.to_string()).unwrap()
}

async fn all(base: &Path, path: &str) -> Result<(String, Vec<DecidedRow>), AudienceProblem> {
    let mut opened = FileAudiences::new(base, base).open(&launch_of(path)).await?;
    let mut rows = Vec::new();
    while let Some(batch) = opened.rows.next().await? {
        rows.extend(batch);
    }
    assert!(opened.rows.next().await?.is_none(), "the end stays the end");
    Ok((opened.pin, rows))
}

#[tokio::test]
async fn the_same_file_gives_the_same_rows_with_what_the_message_needs() {
    let mut text = String::from("address,name,coupon,note\n");
    (0..5_000).for_each(|number| text.push_str(&format!("p{},N,C{number},x\n", number % 4_000)));
    text.push_str("short\n");
    let (directory, _path) = file("people.csv", text.as_bytes());
    let (pin, rows) = all(directory.path(), "people.csv").await.unwrap();
    assert_eq!(rows.len(), 5_001);
    let RowDecision::Valid { address, name, variables, .. } = &rows[7].decision else { panic!() };
    assert_eq!((address.as_str(), name.as_deref(), rows[7].line), ("p7", Some("N"), 9));
    assert_eq!(variables.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["coupon=C7"]);
    let count = |wanted: SkipReason| {
        let skipped = rows
            .iter()
            .filter(|row| matches!(&row.decision, RowDecision::Skipped { reason, .. } if *reason == wanted));
        skipped.count()
    };
    assert_eq!((count(SkipReason::Duplicate), count(SkipReason::MalformedRow)), (1_000, 1));
    let (again_pin, again) = all(directory.path(), "people.csv").await.unwrap();
    assert_eq!(again_pin, pin);
    assert!(again.iter().zip(&rows).all(|(a, b)| a.decision == b.decision && a.line == b.line), "hazard 1");
}

#[tokio::test]
async fn problems_come_with_a_code_and_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let problem = all(directory.path(), "none.csv").await.unwrap_err();
    assert_eq!(problem.code, "audience_unreadable");
    assert!(problem.message.contains("none.csv"));
    assert!(problem.actionable.contains("audience.path"));
    let problem = all(directory.path(), "none.xlsx").await.unwrap_err();
    assert_eq!(problem.code, "launch_invalid");
}
