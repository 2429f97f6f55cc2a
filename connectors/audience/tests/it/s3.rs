//! Audiences of an object store, against a server that speaks S3's protocol.

use crate::moto::Moto;
use crate::support::{rules, shown};
use sluice_audience::{AudienceError, AudienceOptions, AudienceReader, AudienceSource};
use sluice_core::launch::FileFormat;
use sluice_schemas::Channel;

fn options(moto: &Moto) -> AudienceOptions {
    let settings = [
        ("endpoint", moto.endpoint()),
        ("allow_http", "true".to_owned()),
        ("region", "eu-central-1".to_owned()),
        ("access_key_id", "AKIATESTTESTTESTTEST".to_owned()),
        ("secret_access_key", "hunter2".to_owned()),
    ];
    AudienceOptions {
        s3: settings.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect(),
        range_bytes: 64 * 1024,
        cache_bytes_max: 256 * 1024,
        tries_max: 2,
        retry_ms: (5, 20),
        ..AudienceOptions::default()
    }
}

fn open(url: &str, options: &AudienceOptions) -> Result<AudienceReader, AudienceError> {
    let format = if url.ends_with(".parquet") { FileFormat::Parquet } else { FileFormat::Csv };
    let source = AudienceSource::Remote { url: url.to_owned(), format, delimiter: None };
    AudienceReader::open_with(&source, &rules(Channel::Http), options)
}

fn read(url: &str, options: &AudienceOptions) -> Result<Vec<String>, AudienceError> {
    let mut reader = open(url, options)?;
    let mut found = Vec::new();
    while let Some(batch) = reader.next_batch(1_000)? {
        found.extend(batch.rows().map(|row| shown(row.line, row.content)));
    }
    Ok(found)
}

#[test]
fn a2_objects_of_s3_are_read_pinned_and_refused_when_they_change() {
    let moto = Moto::start();
    let options = options(&moto);
    let mut text = String::from("address\n");
    (0..30_000).for_each(|number| text.push_str(&format!("person-{number:06}\n")));
    moto.put("lists", b"");
    moto.put("lists/2026/people.csv", text.as_bytes());

    let url = "s3://lists/2026/people.csv";
    let found = read(url, &options).unwrap();
    assert_eq!((found.len(), found[29_999].as_str()), (30_000, "30001: person-029999"));
    let pin = open(url, &options).unwrap().pin();
    assert!(pin.to_string().starts_with(&format!("{}-@etag:\"", text.len())), "{pin}");
    assert_eq!(open(url, &options).unwrap().pin(), pin, "the same object, the same pin");

    let mut reader = open(url, &options).unwrap();
    assert!(reader.next_batch(10).unwrap().is_some());
    moto.put("lists/2026/people.csv", text.replace("person-02", "person_02").as_bytes());
    let error = loop {
        match reader.next_batch(1_000) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the change was not noticed"),
            Err(error) => break error,
        }
    };
    let AudienceError::Changed { expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!(**expected, pin);
    assert_eq!(**found, open(url, &options).unwrap().pin());

    for (url, code) in [
        ("s3://lists/2026/none.csv", "audience_not_found"),
        ("s3://no-such-bucket/people.csv", "audience_not_found"),
    ] {
        assert_eq!(read(url, &options).unwrap_err().code(), code, "{url}");
    }
    let mut anonymous = options.clone();
    anonymous.s3.insert("skip_signature".to_owned(), "true".into());
    let error = read(url, &anonymous).unwrap_err();
    assert_eq!(error.code(), "audience_forbidden");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let other = AudienceOptions { allow_buckets: vec!["s3://others".to_owned()], ..options.clone() };
    assert_eq!(read(url, &other).unwrap_err().code(), "audience_bucket_not_allowed");
    let mut misspelled = options.clone();
    misspelled.s3.insert("regoin".to_owned(), "x".into());
    let error = read(url, &misspelled).unwrap_err();
    assert!(error.code() == "audience_store_settings" && error.to_string().contains("`regoin`"), "{error}");

    #[cfg(feature = "parquet")]
    parquet(&moto, &options);

    let endpoint = moto.endpoint();
    drop(moto);
    let error = read(url, &options).unwrap_err();
    assert_eq!(error.code(), "audience_unavailable");
    assert!(!error.to_string().contains(&endpoint), "{error}");
}

#[cfg(feature = "parquet")]
fn parquet(moto: &Moto, options: &AudienceOptions) {
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    let column = |name: &str| -> ArrayRef {
        std::sync::Arc::new(StringArray::from_iter((0..50_000).map(|n| Some(format!("{name}{n:08}")))))
    };
    let rows = RecordBatch::try_from_iter([("address", column("a")), ("name", column("n"))]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(20_000))
        .build();
    let (_directory, path) = crate::support::parquet_file(&rows, properties);
    moto.put("lists/people.parquet", &std::fs::read(&path).unwrap());
    let found = read("s3://lists/people.parquet", options).unwrap();
    assert_eq!(found.len(), 50_000);
    assert_eq!(found, crate::support::rows_by(&AudienceSource::Parquet { path }, 1_000).unwrap());
}

#[test]
fn the_other_stores_take_their_own_settings() {
    for (url, expected) in [("gs://lists/people.csv", "google"), ("az://lists/people.csv", "azure")] {
        let mut options = AudienceOptions { tries_max: 1, ..AudienceOptions::default() };
        let settings = if expected == "google" { &mut options.google } else { &mut options.azure };
        settings.insert("no_such_setting".to_owned(), "hunter2".into());
        let error = open(url, &options).unwrap_err();
        assert_eq!(error.code(), "audience_store_settings");
        assert!(!error.to_string().contains("hunter2"));
    }
}
