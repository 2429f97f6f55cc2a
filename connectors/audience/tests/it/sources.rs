//! Sources that cannot be used, and pins.

use crate::support::{csv, file, ndjson, rows_by, rules};
use sluice_audience::{AudienceError, AudienceReader, AudienceSource, SourcePin, pin};
use sluice_schemas::Channel;
use std::path::Path;

fn refusal(source: &AudienceSource) -> AudienceError {
    let error = AudienceReader::open(source, &rules(Channel::Whatsapp)).unwrap_err();
    assert!(!error.actionable().is_empty());
    error
}

fn csv_refusal(content: &[u8]) -> String {
    let (_directory, path) = file("people.csv", content);
    let error = refusal(&csv(&path, None));
    format!("{}: {error}", error.code())
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    let missing = refusal(&csv(Path::new("/nonexistent/people.csv"), None));
    assert_eq!(missing.code(), "audience_unreadable");
    assert!(missing.to_string().contains("/nonexistent/people.csv"), "{missing}");
    assert!(missing.actionable().contains("audience.path"));
    let directory = tempfile::tempdir().unwrap();
    let found = refusal(&csv(directory.path(), None));
    assert_eq!(found.code(), "audience_not_a_file");
    assert!(found.to_string().contains("is a directory"), "{found}");
}

#[test]
fn what_is_no_csv_is_refused_by_what_it_is() {
    for (content, expected) in [
        (&b""[..], "audience_empty"),
        (b"\n \n", "audience_empty"),
        (b"PK\x03\x04rest", "a spreadsheet"),
        (b"\xff\xfep\0h\0", "UTF-16"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"phone\0,x\n", "binary"),
        (b"phone,name,phone\n", "`phone` is there twice"),
        (b"phone,n\xedme\n", "column 2 is not UTF-8"),
        (b"phone,name\r+5511987654321,Ana\r", "CR alone"),
        (b"name,email\n", "no_address_column"),
        (b"phone,\"name\n", "not closed"),
    ] {
        let found = csv_refusal(content);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn what_is_no_ndjson_is_refused_by_what_it_is() {
    for (content, expected) in [
        ("[\n{\"phone\":\"1\"}\n]\n", "JSON array"),
        ("phone,name\n", "no line is"),
        ("{\"name\":\"a\"}\n", "phone, address"),
    ] {
        let (_directory, path) = file("people.ndjson", content.as_bytes());
        let found = refusal(&ndjson(&path)).to_string();
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_pin_names_the_content_and_survives_as_text() {
    let (_directory, path) = file("people.csv", b"address\na\n");
    let pinned = pin(&path).unwrap();
    assert_eq!(pinned, SourcePin::of(b"address\na\n"));
    assert_eq!(pinned.to_string().parse(), Ok(pinned.clone()));
    for text in ["", "5", "5-12", "x-00000000000000000000000000000000"] {
        assert!(text.parse::<SourcePin>().is_err(), "{text}");
    }
    pinned.verify(&path).unwrap();
    std::fs::write(&path, "address\nb\n").unwrap();
    let error = pinned.verify(&path).unwrap_err();
    assert_eq!(error.code(), "audience_changed");
    let reader = AudienceReader::open(&csv(&path, None), &rules(Channel::Http)).unwrap();
    assert_eq!(reader.pin(), pin(&path).unwrap());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed_before_the_end() {
    let mut text = String::from("address\n");
    (0..200_000).for_each(|number| text.push_str(&format!("p{number}\n")));
    let (_directory, path) = file("people.csv", text.as_bytes());
    let mut reader = AudienceReader::open(&csv(&path, None), &rules(Channel::Http)).unwrap();
    assert!(reader.next_batch(10).unwrap().is_some());
    let changed = text.replace("p199999\n", "p19999x\n");
    std::fs::write(&path, changed).unwrap();
    let outcome = loop {
        match reader.next_batch(10_000) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(outcome.unwrap_err().code(), "audience_changed");
    // Read again from the beginning, it is another file, and whole.
    assert_eq!(rows_by(&csv(&path, None), 10_000).unwrap().len(), 200_000);
}

#[test]
fn inline_rows_with_the_same_content_have_the_same_pin() {
    let row =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let pin_of = |rows| {
        AudienceReader::open(&AudienceSource::Inline { rows }, &rules(Channel::Http))
            .unwrap()
            .pin()
            .to_string()
    };
    let one = pin_of(vec![row(&[("address", "ab"), ("name", "c")])]);
    assert_eq!(one, pin_of(vec![row(&[("name", "c"), ("address", "ab")])]));
    assert_ne!(one, pin_of(vec![row(&[("address", "a"), ("name", "bc")])]));
}
