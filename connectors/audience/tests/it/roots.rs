//! Which files may be read.

use crate::support::{csv, rules};
use sluice_audience::{AudienceOptions, AudienceReader, absolute};
use sluice_schemas::Channel;
use std::path::Path;

#[test]
fn a_launch_reads_no_file_outside_the_roots_whatever_way_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, outside) = (directory.path().join("lists"), directory.path().join("secret"));
    for path in [&inside, &outside] {
        std::fs::create_dir(path).unwrap();
        std::fs::write(path.join("people.csv"), "address\na\n").unwrap();
    }
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    std::os::unix::fs::symlink(inside.join("people.csv"), inside.join("today.csv")).unwrap();
    let options = AudienceOptions { roots: vec![inside.clone()], ..AudienceOptions::default() };
    let code = |path: &Path| {
        let opened = AudienceReader::open_with(&csv(path, None), &rules(Channel::Http), &options);
        opened.map(|_| ()).map_err(|error| error.code())
    };
    assert_eq!(code(&inside.join("people.csv")), Ok(()));
    assert_eq!(code(&inside.join("today.csv")), Ok(()), "a link to the inside is inside");
    assert_eq!(code(&inside.join("none.csv")), Err("audience_unreadable"));
    for path in [
        outside.join("people.csv"),
        inside.join("../secret/people.csv"),
        inside.join("link/people.csv"),
        // Whether these are there is not told.
        outside.join("none.csv"),
        inside.join("../secret/none.csv"),
        Path::new("/etc/passwd").to_owned(),
    ] {
        assert_eq!(code(&path), Err("audience_outside"), "{}", path.display());
    }
}

#[test]
fn settings_that_cannot_be_worked_with_are_named() {
    let parse = |document: &str| -> AudienceOptions { serde_json::from_str(document).unwrap() };
    for (document, expected) in [
        (r#"{"tries_max": 0}"#, "audience.tries_max"),
        (r#"{"range_bytes": 1000}"#, "audience.range_bytes"),
        (r#"{"cache_bytes_max": 4194304}"#, "audience.cache_bytes_max"),
        (r#"{"retry_ms": [10, 5]}"#, "audience.retry_ms"),
        (r#"{"roots": ["lists"]}"#, "audience.roots"),
        (r#"{"allow_hosts": ["https://example.com"]}"#, "audience.allow_hosts"),
        (r#"{"allow_buckets": ["lists"]}"#, "audience.allow_buckets"),
    ] {
        let error = parse(document).validate().unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.code(), "audience_option");
    }
    AudienceOptions::default().validate().unwrap();
    assert!(serde_json::from_str::<AudienceOptions>(r#"{"root": []}"#).is_err());
    let secret = parse(r#"{"s3": {"secret_access_key": "hunter2"}}"#);
    assert!(!format!("{secret:?}").contains("hunter2"));
}

#[test]
fn a_path_becomes_absolute_and_a_url_stays() {
    assert_eq!(absolute("people.csv", Path::new("/lists")).unwrap(), "/lists/people.csv");
    for url in ["s3://lists/people.csv", "https://example.com/a.csv?b=c", "file:///a/b.csv"] {
        assert_eq!(absolute(url, Path::new("/lists")).unwrap(), url);
    }
}

#[test]
fn a_file_over_the_limit_is_refused_with_both_sizes() {
    let (_directory, path) = crate::support::file("people.csv", b"address\nana\n");
    let options = AudienceOptions { bytes_max: 5, ..AudienceOptions::default() };
    let error = AudienceReader::open_with(&csv(&path, None), &rules(Channel::Http), &options).unwrap_err();
    assert_eq!(error.code(), "audience_too_large");
    assert!(error.to_string().contains("12 bytes, 5 are possible"), "{error}");
}

#[cfg(not(all(feature = "parquet", feature = "object-store")))]
#[test]
fn a_build_without_a_feature_refuses_what_needs_it_and_names_it() {
    use sluice_audience::AudienceSource;
    use sluice_core::launch::FileFormat;
    let refusal = |source: &AudienceSource| {
        let error = AudienceReader::open(source, &rules(Channel::Http)).unwrap_err();
        assert_eq!(error.code(), "audience_feature");
        error.to_string()
    };
    if cfg!(not(feature = "parquet")) {
        let found = refusal(&AudienceSource::Parquet { path: "people.parquet".into() });
        assert!(found.contains("people.parquet") && found.contains("`parquet`"), "{found}");
    }
    if cfg!(not(feature = "object-store")) {
        let url = "s3://lists/people.csv".to_owned();
        let found = refusal(&AudienceSource::Remote { url, format: FileFormat::Csv, delimiter: None });
        assert!(found.contains("s3://lists/people.csv") && found.contains("`object-store`"), "{found}");
    }
}
