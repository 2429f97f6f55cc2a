//! NDJSON files.

use crate::support::{file, ndjson, rows};

fn ndjson_rows(text: &str) -> Vec<String> {
    let (_directory, path) = file("people.ndjson", text.as_bytes());
    rows(&ndjson(&path))
}

#[test]
fn values_become_texts_and_keys_become_columns_in_any_order() {
    let text = "\u{feff}{\"address\":\"a\",\"n\":24444529763028279,\"ok\":true}\r\n\n  \n\
                {\"f\":1.5,\"ok\":null,\"address\":\"b\\n\\u00e9\",\"o\":{\"x\": [1, \"y\"]},\"l\":[ ],\"i\":-3}\n";
    let found = ndjson_rows(text);
    assert_eq!(
        found,
        ["1: a | 24444529763028279 | true |  |  |  | ", "4: b\né |  |  | 1.5 | {\"x\":[1,\"y\"]} | [] | -3"]
    );
}

#[test]
fn a_line_that_is_no_object_is_malformed_and_says_where() {
    let text = "{\"address\":\"a\"}\n{\"address\":\n[1]\n7\n{\"address\":\"b\"} x\n{\"address\":\"c\",\"address\":\"d\"}\n{\"address\":\"e\"}";
    let found = ndjson_rows(text);
    assert_eq!(found.len(), 7);
    assert_eq!((found[0].as_str(), found[6].as_str()), ("1: a", "7: e"));
    for (row, part) in
        [(1, "EOF"), (2, "sequence"), (3, "integer"), (4, "trailing"), (5, "`address` is there twice")]
    {
        assert!(found[row].contains("! not a JSON object"), "{}", found[row]);
        assert!(found[row].contains(part), "{}", found[row]);
        assert!(!found[row].contains("line 1"), "{}", found[row]);
    }
}

#[test]
fn a_flag_that_only_later_rows_have_counts_for_all() {
    use sluice_core::row::{SkipReason, Verdict};
    let text = "{\"address\":\"a\"}\n{\"address\":\"b\",\"opt_in\":true}\n";
    let (_directory, path) = file("people.ndjson", text.as_bytes());
    let rules = crate::support::rules(sluice_schemas::Channel::Http);
    let mut reader = sluice_audience::AudienceReader::open(&ndjson(&path), &rules).unwrap();
    // One row a batch: the first one is decided long before the flag is read.
    let batch = reader.next_batch(1).unwrap().unwrap();
    let sluice_audience::RowContent::Cells(cells) = batch.rows().next().unwrap().content else { panic!() };
    assert!(matches!(batch.columns().decide(cells), Verdict::Skipped { reason: SkipReason::NoOptIn, .. }));
}

#[test]
fn a_line_over_the_limit_is_passed_over() {
    let long = "x".repeat(2 * 1024 * 1024);
    let found =
        ndjson_rows(&format!("{{\"address\":\"a\"}}\n{{\"address\":\"{long}\"}}\n{{\"address\":\"b\"}}\n"));
    assert_eq!(found, ["1: a", "2! longer than 1 MiB", "3: b"]);
}
