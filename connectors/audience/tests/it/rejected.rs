//! The list of rejected rows.

use crate::support::{launch, opened, sample};
use serde_json::json;
use sluice_audience::{FileAudiences, LINES_SHOWN, RejectedWriter, check};

fn messy() -> sluice_core::launch::ValidLaunch {
    sample("whatsapp", "contacts-messy.csv", json!({"template": {"name": "t", "language": "en"}}))
}

#[test]
fn every_skipped_row_is_listed_with_its_line_its_reason_and_its_cells() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rejected.csv");
    let rows = opened(&messy());
    let mut rejected = RejectedWriter::create(&path, rows.columns()).unwrap();
    let report = check(&messy(), rows, LINES_SHOWN, Some(&mut rejected), |_| {}).unwrap();
    assert!(!path.exists(), "it appears when it is whole");
    assert_eq!(rejected.finish().unwrap(), report.skipped_rows());
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "line,reason,detail,customer_id,name,phone,whatsapp_opt_in,opted_out,time_zone,first_name,coupon"
    );
    assert_eq!(lines.len(), 12);
    assert!(
        lines[1].starts_with("3,duplicate,an earlier row has the same address,w002,Ana again,'+55 (11)"),
        "{text}"
    );
    assert!(
        lines[10]
            .starts_with("27,malformed_row,3 cells where the header has 8,\"w025,short row,+14155550123\"")
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn no_cell_of_the_list_becomes_a_formula_and_the_list_can_be_launched_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rejected.csv");
    let rows = json!([
        {"phone": "+5511987654321", "opted_out": "true", "a": "=1+1", "b": "@x", "c": "-1", "d": "\tq", "e": "a\"b,c\nd"},
    ]);
    let document = |audience: serde_json::Value| {
        json!({
            "campaign": "c", "channel": "whatsapp", "pages": ["p1"], "audience": audience,
            "message": {"template": {"name": "t", "language": "en"}},
        })
    };
    let valid = launch(&document(json!({"inline": rows})));
    let audience = opened(&valid);
    let mut rejected = RejectedWriter::create(&path, audience.columns()).unwrap();
    check(&valid, audience, LINES_SHOWN, Some(&mut rejected), |_| {}).unwrap();
    rejected.finish().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("'=1+1,'@x,'-1,'\tq,\"a\"\"b,c\nd\""), "{text}");
    std::fs::write(&path, text.replace(",true,", ",false,")).unwrap();
    let again = launch(&document(json!({"path": "rejected.csv"})));
    let audience = FileAudiences::new(directory.path(), directory.path()).open_now(&again).unwrap();
    assert_eq!(check(&again, audience, LINES_SHOWN, None, |_| {}).unwrap().valid, 1);
}

#[test]
fn an_unfinished_list_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let rows = opened(&messy());
    drop(RejectedWriter::create(&directory.path().join("rejected.csv"), rows.columns()).unwrap());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
