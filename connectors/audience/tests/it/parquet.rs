//! Parquet: values, order, damage.

use crate::support::{launch, parquet_file, rows, rules, shown};
use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeBinaryArray,
    Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    UInt8Array,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::json;
use sluice_audience::{
    AudienceError, AudienceReader, AudienceSource, FileAudiences, LINES_SHOWN, check, pin,
};
use sluice_core::row::{ColumnRules, Keep};
use sluice_schemas::Channel;
use std::path::Path;
use std::sync::Arc;

fn source(path: &Path) -> AudienceSource {
    AudienceSource::Parquet { path: path.to_owned() }
}

fn texts(values: impl IntoIterator<Item = Option<&'static str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

fn written(
    columns: Vec<(&str, ArrayRef)>,
    properties: WriterProperties,
) -> (tempfile::TempDir, std::path::PathBuf) {
    parquet_file(
        &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap(),
        properties,
    )
}

fn refusal(path: &Path) -> AudienceError {
    let error = AudienceReader::open(&source(path), &rules(Channel::Http)).unwrap_err();
    assert!(!error.actionable().is_empty());
    error
}

#[test]
fn a2_values_of_every_kind_become_the_text_that_a_csv_file_would_hold() {
    let moment = 1_795_254_330_500_000; // 2026-11-21T09:45:30.5Z
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("address", texts([Some("ana"), Some("bo")])),
        ("int", Arc::new(Int64Array::from(vec![Some(24_444_529_763_028_279), None]))),
        ("byte", Arc::new(UInt8Array::from(vec![255, 0]))),
        ("float", Arc::new(Float64Array::from(vec![5_511_987_654_321.0, f64::NAN]))),
        ("share", Arc::new(Float64Array::from(vec![0.1, -2.5]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("price", Arc::new(Decimal128Array::from(vec![1_250, -5]).with_precision_and_scale(10, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![20_778, -1]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![moment, -1]).with_timezone("+01:00"))),
        ("local", Arc::new(TimestampNanosecondArray::from(vec![moment * 1_000 + 1, 0]))),
        ("raw", Arc::new(BinaryArray::from(vec![Some("ã".as_bytes()), None]))),
        ("kind", Arc::new(["a", "b"].into_iter().collect::<DictionaryArray<Int32Type>>())),
    ];
    let (_directory, path) = written(columns, WriterProperties::default());
    assert_eq!(
        rows(&source(&path)),
        [
            "1: ana | 24444529763028279 | 255 | 5511987654321 | 0.1 | true | 12.50 | 2026-11-21 | \
             2026-11-21T09:45:30.5Z | 2026-11-21T09:45:30.500000001 | ã | a",
            "2: bo |  | 0 |  | -2.5 |  | -0.05 | 1969-12-31 | 1969-12-31T23:59:59.999999Z | 1970-01-01T00:00:00 |  | b",
        ]
    );
}

#[test]
fn ids_that_lost_digits_in_a_floating_point_column_reach_nobody() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("psid", Arc::new(Float64Array::from(vec![24_444_529_763_028_279.0, 12_345_678.0]))),
        ("raw", Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff"]))),
    ];
    let (_directory, path) = written(columns, WriterProperties::default());
    let found = rows(&source(&path));
    assert!(
        found[0].starts_with("1! column `psid` is a floating-point number that has lost digits"),
        "{found:?}"
    );
    assert_eq!(found[1], "2! column `raw` is not UTF-8");
}

#[test]
fn hazard_1_several_row_groups_give_the_same_rows_in_the_same_order_twice() {
    let numbers = (0..25_000).map(|number| Some(format!("p{number}")));
    let address: ArrayRef = Arc::new(StringArray::from_iter(numbers));
    for compression in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default()), gzip()]
    {
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(7_000))
            .set_compression(compression)
            .build();
        let (_directory, path) = written(vec![("address", Arc::clone(&address))], properties);
        let first = rows(&source(&path));
        assert_eq!(first.len(), 25_000);
        assert_eq!((first[0].as_str(), first[24_999].as_str()), ("1: p0", "25000: p24999"));
        assert_eq!(first, rows(&source(&path)));
        let reader = AudienceReader::open(&source(&path), &rules(Channel::Http)).unwrap();
        assert_eq!(reader.pin(), pin(&path).unwrap());
    }
}

fn gzip() -> Compression {
    Compression::GZIP(parquet::basic::GzipLevel::default())
}

#[test]
fn rows_are_decided_as_those_of_a_csv_file_are() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("unused", texts([Some("x"); 6])),
        (
            "phone",
            texts([
                Some("+5511987654321"),
                None,
                Some("+55 11 98765-4321"),
                Some("abc"),
                Some("+5511987654322"),
                Some("+5511987654323"),
            ]),
        ),
        ("whatsapp_opt_in", Arc::new(BooleanArray::from(vec![true, true, true, true, false, true]))),
        ("coupon", texts([Some("A"), None, None, None, None, None])),
    ];
    let (directory, path) = written(columns, WriterProperties::default());
    let parameters = json!([{"type": "text", "text": "{{coupon}}"}]);
    let valid = launch(&json!({
        "campaign": "c", "channel": "whatsapp", "pages": ["p1"], "audience": {"path": path},
        "message": {"template": {"name": "t", "language": "en", "components": [{"type": "body", "parameters": parameters}]}},
    }));
    let opened = FileAudiences::new("", directory.path()).open_now(&valid).unwrap();
    let names: Vec<&str> = opened.columns().names().iter().map(|name| &**name).collect();
    assert_eq!(names, ["phone", "whatsapp_opt_in", "coupon"], "only what the launch uses is read");
    let report = check(&valid, opened, LINES_SHOWN, None, |_| {}).unwrap();
    assert_eq!((report.rows, report.valid, report.valid_without_variables), (6, 2, 1));
    for reason in ["missing_address", "duplicate", "invalid_address", "no_opt_in"] {
        assert_eq!(report.skipped_for(reason), 1, "{reason}");
    }
    let line = |what: &str| report.findings.iter().find(|finding| finding.what == what).unwrap().lines[0];
    assert_eq!((line("missing_address"), line("no_opt_in")), (2, 5));
}

#[test]
fn a_nested_column_is_refused_by_name_where_it_is_used_and_ignored_where_not() {
    let mut tags = ListBuilder::new(Int32Builder::new());
    tags.values().append_value(1);
    tags.append(true);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("address", texts([Some("ana")])),
        ("tags", Arc::new(tags.finish())),
        ("key", Arc::new(FixedSizeBinaryArray::try_from_iter([[1_u8; 3]].into_iter()).unwrap())),
    ];
    let (_directory, path) = written(columns, WriterProperties::default());
    let found = refusal(&path);
    assert_eq!(found.code(), "audience_column_type");
    assert!(found.to_string().contains("column `tags`") && found.to_string().contains("lists"), "{found}");
    let only = |names: &[&str]| ColumnRules {
        keep: Keep::Only(names.iter().map(|name| (*name).to_owned()).collect()),
        needed: Vec::new(),
        ..rules(Channel::Http)
    };
    let mut reader = AudienceReader::open(&source(&path), &only(&[])).unwrap();
    let batch = reader.next_batch(10).unwrap().unwrap();
    assert_eq!(batch.rows().map(|row| shown(row.line, row.content)).collect::<Vec<_>>(), ["1: ana"]);
    let found = AudienceReader::open(&source(&path), &only(&["key"])).unwrap_err().to_string();
    assert!(found.contains("column `key`") && found.contains("3 bytes"), "{found}");
}

#[test]
fn an_audience_without_rows_is_an_audience() {
    let (_directory, path) = written(vec![("address", texts([]))], WriterProperties::default());
    assert!(rows(&source(&path)).is_empty());
}

#[test]
fn what_is_no_parquet_or_damaged_says_so() {
    let address: ArrayRef =
        Arc::new(StringArray::from_iter((0..50_000).map(|n| Some(format!("person {n}")))));
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let (_directory, path) = written(vec![("address", address)], properties);
    let whole = std::fs::read(&path).unwrap();
    let code_of = |content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let outcome = AudienceReader::open(&source(&path), &rules(Channel::Http)).and_then(|mut reader| {
            while reader.next_batch(1_000)?.is_some() {}
            Ok(())
        });
        outcome.map_err(|error| error.code())
    };
    assert_eq!(code_of(&whole), Ok(()));
    assert_eq!(code_of(b""), Err("audience_empty"));
    assert_eq!(code_of(b"address\nana\n"), Err("audience_not_parquet"));
    assert_eq!(code_of(&whole[..whole.len() - 1]), Err("audience_not_parquet"));
    assert_eq!(code_of(&whole[..whole.len() / 2]), Err("audience_not_parquet"));
    let mut long_footer = whole.clone();
    let at = whole.len() - 8;
    long_footer[at..at + 4].fill(0xff);
    assert_eq!(code_of(&long_footer), Err("audience_not_parquet"));
    let mut damaged_footer = whole.clone();
    damaged_footer[at - 60..at].fill(0xff);
    assert_eq!(code_of(&damaged_footer), Err("audience_damaged"));
    // Somewhere in the pages: what is damaged is refused or is another text, and never a panic.
    for place in (4..whole.len() - 400).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[place..place + 24].fill(0xff);
        let outcome = code_of(&damaged);
        assert!(matches!(outcome, Ok(()) | Err("audience_damaged")), "at {place}: {outcome:?}");
    }
    // Named as what it is not.
    std::fs::write(&path, &whole).unwrap();
    let error = AudienceReader::open(&crate::support::csv(&path, None), &rules(Channel::Http)).unwrap_err();
    assert!(error.actionable().contains(".parquet"), "{}", error.actionable());
}

#[test]
fn an_unknown_compression_is_refused_by_name() {
    let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
    let (_directory, path) = written(vec![("address", texts([Some("ana")]))], properties);
    // The writer of this build has no LZ4 either: the codec's number in the footer is changed by hand.
    let mut content = std::fs::read(&path).unwrap();
    let footer = content.len()
        - 8
        - u32::from_le_bytes(content[content.len() - 8..][..4].try_into().unwrap()) as usize;
    let name = footer + content[footer..].windows(7).rposition(|bytes| bytes == b"address").unwrap();
    // In the compact protocol the codec follows the path: field +1 of type i32, its zigzag.
    let codec = name + 7;
    assert_eq!(&content[codec..codec + 2], &[0x15, 0x00]);
    content[codec + 1] = 14; // LZ4_RAW is 7
    std::fs::write(&path, content).unwrap();
    let found = refusal(&path);
    assert_eq!(found.code(), "audience_codec");
    assert!(found.to_string().contains("LZ4"), "{found}");
}

#[test]
fn hazard_1_a_file_that_changes_while_it_is_read_is_refused_before_its_end() {
    let address = |mark: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter((0..20_000).map(|number| Some(format!("{mark}{number}")))))
    };
    let (_directory, path) = written(vec![("address", address("a"))], WriterProperties::default());
    let (_other, changed) = written(vec![("address", address("b"))], WriterProperties::default());
    let mut reader = AudienceReader::open(&source(&path), &rules(Channel::Http)).unwrap();
    assert!(reader.next_batch(10).unwrap().is_some());
    std::fs::rename(&changed, &path).unwrap();
    let outcome = loop {
        match reader.next_batch(1_000) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(outcome.unwrap_err().code(), "audience_changed");
}
