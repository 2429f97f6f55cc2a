//! CSV files as people and programs write them.

use crate::support::{csv, csv_rows, file, rows, rows_by};

#[test]
fn a_byte_order_mark_crlf_quotes_and_line_breaks_in_cells_are_read() {
    let text = "\u{feff}address,name\r\na@x,\"Olga\r\nP.\"\r\n\r\nb@x,\"say \"\"hi\"\"\"\r\n";
    assert_eq!(csv_rows(text), ["2: a@x | Olga\r\nP.", "5: b@x | say \"hi\""]);
}

#[test]
fn the_delimiter_is_found_from_the_header_or_given() {
    assert_eq!(csv_rows("address;name\na;Rossi, Mia\n"), ["2: a | Rossi, Mia"]);
    assert_eq!(csv_rows("address\tname\na\tb\n"), ["2: a | b"]);
    assert_eq!(csv_rows("address|name\na|b"), ["2: a | b"]);
    assert_eq!(csv_rows("\"last;first;x\",address\na,b\n"), ["2: a | b"]);
    assert_eq!(csv_rows("address\na\n"), ["2: a"]);
    let (_directory, path) = file("x.csv", b"address:na,me\na:b,c\n");
    assert_eq!(rows(&csv(&path, Some(b':'))), ["2: a | b,c"]);
}

#[test]
fn a_row_with_another_number_of_cells_is_malformed_and_the_next_is_not() {
    let found = csv_rows("address,name\na\nb,c,d\ne,f\n\"g\"\n");
    let wrong = |line, count| format!("{line}! {count} cells where the header has 2");
    assert_eq!(found, [wrong(2, 1), wrong(3, 3), "4: e | f".into(), wrong(5, 1)]);
}

#[test]
fn bytes_that_are_not_utf8_cost_one_row_and_name_the_column() {
    let found = csv_rows(b"address,name\na,B\xedb\nb,\"\xc3\",\nc,\xc3\xa3\nd,\"\"\"\xff\"\n");
    assert_eq!(found[0], "2! column `name` is not UTF-8");
    assert_eq!(found[2], "4: c | ã");
    assert_eq!(found[3], "5! column `name` is not UTF-8");
    // A character that a separator cuts in two is none.
    let cut = csv_rows(b"address,name\n\"\xc3\",\"\xa3\"\n");
    assert_eq!(cut, ["2! column `address` is not UTF-8"]);
}

#[test]
fn an_unclosed_quote_costs_its_line_also_in_a_large_file() {
    let mut text = String::from("address,name\na,\"open\n");
    for number in 0..100_000 {
        text.push_str(&format!("p{number},some name here\n"));
    }
    let (_directory, path) = file("x.csv", text.as_bytes());
    let found = rows_by(&csv(&path, None), 4_096).unwrap();
    assert_eq!(found.len(), 100_001);
    assert_eq!(found[0], "2! a quote is opened and not closed within 1 MiB");
    assert_eq!(found[1], "3: p0 | some name here");
}

#[test]
fn a_line_over_the_limit_is_passed_over_in_bounded_memory() {
    let long = "x".repeat(3 * 1024 * 1024);
    let found = csv_rows(format!("address\na\n{long}\nb\n{long}"));
    assert_eq!(found, ["2: a", "3! longer than 1 MiB", "4: b", "5! longer than 1 MiB"]);
}

#[test]
fn headers_are_trimmed_and_empty_names_get_a_number() {
    let (_directory, path) = file("x.csv", b"\n address , ,name\na,b,c\n");
    let rules = crate::support::rules(sluice_schemas::Channel::Http);
    let reader = sluice_audience::AudienceReader::open(&csv(&path, None), &rules).unwrap();
    let names: Vec<&str> = reader.columns().names().iter().map(|name| &**name).collect();
    assert_eq!(names, ["address", "column 2", "name"]);
    assert_eq!(rows(&csv(&path, None)), ["3: a | b | c"]);
}
