//! The sample audiences give the counts of their README (A3, A4, A6, A8).

use crate::support::{launch, opened, sample};
use serde_json::json;
use sluice_audience::{CheckReport, LINES_SHOWN, check};
use sluice_core::launch::ValidLaunch;

fn report(launch: &ValidLaunch) -> CheckReport {
    let mut heard = 0;
    let report = check(launch, opened(launch), LINES_SHOWN, None, |rows| heard = rows).unwrap();
    assert_eq!(heard, report.rows);
    assert_eq!(report.rows, report.valid + report.skipped_rows(), "G2");
    report
}

fn text() -> serde_json::Value {
    json!({"text": {"body": "Hi"}})
}

#[test]
fn the_messenger_sample_has_10_who_can_receive_and_40_without_a_usable_psid() {
    let report = report(&sample("messenger", "contacts-messenger.csv", text()));
    assert_eq!((report.rows, report.valid), (50, 10));
    assert_eq!(report.skipped_for("missing_address") + report.skipped_for("invalid_address"), 40);
    assert_eq!(report.skipped_for("invalid_address"), 1);
    assert_eq!(report.skipped.len(), 2);
    let letters = report.findings.iter().find(|finding| finding.what == "invalid_address").unwrap();
    assert_eq!((letters.lines.as_slice(), letters.rows), (&[33][..], 1));
    assert!(letters.detail.contains("not a number"), "{letters:?}");
    let words = report.findings.iter().find(|finding| finding.detail.contains("word for nothing")).unwrap();
    assert_eq!(words.lines, [3, 13, 23]);
    assert_eq!(report.findings[0].lines.len(), LINES_SHOWN);
    assert_eq!(report.address_column.as_deref(), Some("messenger_psid"));
}

#[test]
fn the_instagram_side_of_the_sample_has_5_with_22_without_an_id_and_23_without_the_flag() {
    let report = report(&sample("instagram", "contacts-messenger.csv", text()));
    assert_eq!(report.valid, 5);
    assert_eq!(report.skipped_for("missing_address") + report.skipped_for("invalid_address"), 22);
    assert_eq!(report.skipped_for("no_opt_in"), 23);
}

#[test]
fn the_messy_sample_gives_its_counts_warnings_and_missing_variables() {
    let parameters = json!([{"type": "text", "text": "{{coupon}} {{first_name}} {{customer_id}}"}]);
    let template =
        json!({"name": "t", "language": "en", "components": [{"type": "body", "parameters": parameters}]});
    let report = report(&sample("whatsapp", "contacts-messy.csv", json!({"template": template})));
    assert_eq!((report.rows, report.valid), (26, 15));
    let counts = [("duplicate", 1), ("opted_out", 1), ("no_opt_in", 1), ("malformed_row", 2)];
    for (reason, count) in counts {
        assert_eq!(report.skipped_for(reason), count, "{reason}");
    }
    assert_eq!(report.skipped_for("invalid_address") + report.skipped_for("missing_address"), 6);
    assert_eq!(report.skipped_for("missing_address"), 2);
    let lines = |reason: &str| -> Vec<u64> {
        let found = report.findings.iter().filter(|finding| finding.what == reason);
        found.flat_map(|finding| finding.lines.clone()).collect()
    };
    // w016 has a line break inside a cell: what comes after is one line further down.
    assert_eq!((lines("duplicate"), lines("opted_out"), lines("no_opt_in")), (vec![3], vec![12], vec![13]));
    let mut malformed = lines("malformed_row");
    malformed.sort_unstable();
    assert_eq!(malformed, [27, 28]);
    let details: Vec<&str> = report.findings.iter().map(|finding| finding.detail.as_str()).collect();
    assert!(details.contains(&"3 cells where the header has 8"), "{details:?}");
    assert!(details.contains(&"column `first_name` is not UTF-8"), "{details:?}");
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].detail.contains("Mars/Olympus"));
    assert_eq!(report.warnings[0].lines, [19]);
    let missing: Vec<_> = report
        .missing_variables
        .iter()
        .map(|finding| (finding.what.as_str(), finding.rows, finding.lines[0]))
        .collect();
    assert_eq!(missing, [("coupon", 1, 10), ("first_name", 1, 26)]);
    assert_eq!(report.valid_without_variables, 2);
}

#[test]
fn a_value_of_the_campaign_fills_what_a_row_lacks() {
    let document = json!({
        "campaign": "c", "channel": "http", "pages": ["p1"],
        "audience": {"inline": [{"address": "a"}, {"address": "b", "coupon": "OWN"}]},
        "message": {"http": {"body": {"to": "{{address}}", "coupon": "{{coupon}}"}}},
        "variables": {"coupon": "ALL"},
    });
    assert_eq!(report(&launch(&document)).valid_without_variables, 0);
}

#[test]
fn the_first_of_equal_addresses_wins_and_rows_of_a_launch_have_numbers() {
    let document = json!({
        "campaign": "c", "channel": "whatsapp", "pages": ["p1"],
        "audience": {"inline": [
            {"phone": "0541234567"}, {"phone": "+55 11 98765-4321"}, {"phone": "005511987654321"},
            {"phone": "+5511987654322", "page_id": "p9"},
        ]},
        "message": {"template": {"name": "t", "language": "en"}},
    });
    let report = report(&launch(&document));
    assert_eq!(report.valid, 1);
    let mut found: Vec<_> =
        report.findings.iter().map(|finding| (finding.what.as_str(), finding.lines[0])).collect();
    found.sort_unstable();
    assert_eq!(found, [("duplicate", 3), ("invalid_address", 1), ("unknown_page", 4)]);
    let copy: CheckReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(copy, report);
}

#[test]
fn an_empty_inline_audience_is_an_audience_of_nobody() {
    let document = json!({
        "campaign": "c", "channel": "whatsapp", "pages": ["p1"], "audience": {"inline": []},
        "message": {"template": {"name": "t", "language": "en"}},
    });
    assert_eq!(report(&launch(&document)).rows, 0, "A5");
}
