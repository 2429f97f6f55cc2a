//! Audiences of web servers: ranges, versions, what a launch must not reach.

use crate::server::{Answer, Server};
use crate::support::rules;
use sluice_audience::{AudienceError, AudienceOptions, AudienceReader, AudienceSource, RemoteProblem};
use sluice_core::launch::FileFormat;
use sluice_schemas::Channel;
use std::sync::atomic::{AtomicUsize, Ordering};

fn people(rows: usize) -> String {
    let mut text = String::from("address\n");
    (0..rows).for_each(|number| text.push_str(&format!("person-{number:06}\n")));
    text
}

fn options(server: &Server) -> AudienceOptions {
    AudienceOptions {
        allow_hosts: vec![server.address.to_string()],
        allow_private_networks: true,
        allow_plain_http: true,
        range_bytes: 64 * 1024,
        cache_bytes_max: 256 * 1024,
        tries_max: 3,
        retry_ms: (5, 20),
        ..AudienceOptions::default()
    }
}

fn source(url: &str) -> AudienceSource {
    let format = match url.split('?').next().unwrap().rsplit_once('.').unwrap().1 {
        "parquet" => FileFormat::Parquet,
        "ndjson" => FileFormat::Ndjson,
        _ => FileFormat::Csv,
    };
    AudienceSource::Remote { url: url.to_owned(), format, delimiter: None }
}

fn open(url: &str, options: &AudienceOptions) -> Result<AudienceReader, AudienceError> {
    AudienceReader::open_with(&source(url), &rules(Channel::Http), options)
}

/// Rows until the end or an error.
fn read(url: &str, options: &AudienceOptions) -> Result<Vec<String>, AudienceError> {
    let mut reader = open(url, options)?;
    let mut found = Vec::new();
    while let Some(batch) = reader.next_batch(1_000)? {
        found.extend(batch.rows().map(|row| crate::support::shown(row.line, row.content)));
    }
    Ok(found)
}

fn problem(url: &str, options: &AudienceOptions) -> RemoteProblem {
    match read(url, options).unwrap_err() {
        AudienceError::Remote { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn a2_a_file_of_a_web_server_is_read_in_ranges_of_one_version() {
    let text = people(30_000);
    let server = Server::new(text.as_bytes());
    let found = read(&server.url("people.csv"), &options(&server)).unwrap();
    assert_eq!((found.len(), found[0].as_str()), (30_000, "2: person-000000"));
    let state = server.state.lock().unwrap();
    let largest = state.asked.iter().map(|(from, to, _)| to - from).max().unwrap();
    assert!(largest <= 64 * 1024, "never the whole: {largest}");
    assert_eq!(state.asked.len(), 1 + text.len().div_ceil(64 * 1024));
    assert!(state.asked[1..].iter().all(|(_, _, condition)| condition.as_deref() == Some("\"v1\"")));
}

#[test]
fn ndjson_and_an_empty_file_come_by_url_too() {
    let server = Server::new("{\"address\":\"a\"}\n{\"address\":\"b\"}\n");
    let mut reader = open(&server.url("people.ndjson?day=1"), &options(&server)).unwrap();
    assert_eq!(reader.next_batch(10).unwrap().unwrap().len(), 2);
    assert_eq!(reader.pin().to_string(), "32-@etag:\"v1\"");
    assert_eq!(reader.pin().to_string().parse(), Ok(reader.pin()));
    assert!(reader.next_batch(10).unwrap().is_none());
    let empty = Server::new("");
    assert_eq!(read(&empty.url("people.csv"), &options(&empty)).unwrap_err().code(), "audience_empty");
}

#[cfg(feature = "parquet")]
#[test]
fn g9_parquet_is_read_by_url_through_a_cache_of_ranges() {
    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    let column = |name: &str| -> ArrayRef {
        std::sync::Arc::new(StringArray::from_iter((0..60_000).map(|n| Some(format!("{name}{n:08}")))))
    };
    let rows = RecordBatch::try_from_iter([("name", column("n")), ("address", column("a"))]).unwrap();
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_max_row_group_row_count(Some(20_000))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(32 * 1024)
        .build();
    let (_directory, path) = crate::support::parquet_file(&rows, properties);
    let content = std::fs::read(&path).unwrap();
    let server = Server::new(content.clone());
    let found = read(&server.url("people.parquet"), &options(&server)).unwrap();
    assert_eq!(found, crate::support::rows_by(&AudienceSource::Parquet { path }, 1_000).unwrap());
    let state = server.state.lock().unwrap();
    assert!(state.asked.iter().all(|(from, to, _)| to - from <= 64 * 1024));
    let read: u64 = state.asked.iter().map(|(from, to, _)| to - from).sum();
    assert!(read < 2 * content.len() as u64, "{read} bytes asked for of {}", content.len());
}

#[test]
fn hazard_1_an_object_that_changes_in_the_middle_is_refused_with_both_versions() {
    let server = Server::new(people(30_000));
    let mut reader = open(&server.url("people.csv"), &options(&server)).unwrap();
    assert!(reader.next_batch(10).unwrap().is_some());
    {
        let mut state = server.state.lock().unwrap();
        state.content[5_000] = b'x';
        state.etag = Some("\"v2\"".to_owned());
    }
    let error = loop {
        match reader.next_batch(1_000) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the change was not noticed"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "audience_changed");
    let text = error.to_string();
    assert!(text.contains("\"v1\"") && text.contains("\"v2\""), "{text}");
    // A weak tag and a time do as well, without the server's help.
    for (etag, modified) in [(Some("W/\"a\""), None), (None, Some("Sat, 21 Nov 2026 07:00:00 GMT"))] {
        let server = Server::new(people(30_000));
        server.state.lock().unwrap().etag = etag.map(str::to_owned);
        server.state.lock().unwrap().modified = modified.map(str::to_owned);
        assert_eq!(read(&server.url("people.csv"), &options(&server)).unwrap().len(), 30_000);
        let changed = server.state.clone();
        let server = server.answering(|_| Answer::Serve);
        let mut reader = open(&server.url("people.csv"), &options(&server)).unwrap();
        changed.lock().unwrap().etag = Some("W/\"b\"".to_owned());
        let outcome = loop {
            match reader.next_batch(1_000) {
                Ok(Some(_)) => {}
                other => break other,
            }
        };
        assert_eq!(outcome.unwrap_err().code(), "audience_changed");
    }
}

#[test]
fn a_passing_failure_in_the_middle_costs_a_range_and_not_the_campaign() {
    let troubles = [Answer::Status(503), Answer::CutAfter(1_000), Answer::CutAfter(0), Answer::Status(429)];
    for trouble in troubles {
        // Each range fails twice, the third try goes well.
        let server = Server::new(people(20_000)).answering(move |number| match number % 3 {
            2 => Answer::Serve,
            _ => trouble,
        });
        let found = read(&server.url("people.csv"), &options(&server)).unwrap();
        assert_eq!(found.len(), 20_000, "{trouble:?}");
        assert_eq!(found[19_999], "20001: person-019999");
    }
}

#[test]
fn a_server_that_stays_away_is_an_error_after_the_tries() {
    let server = Server::new(people(20_000)).answering(|number| match number {
        0 | 1 => Answer::Serve,
        _ => Answer::Status(500),
    });
    let found = problem(&server.url("people.csv"), &options(&server));
    assert!(
        matches!(&found, RemoteProblem::Unavailable { tries: 3, cause } if cause.contains("500")),
        "{found}"
    );
    assert_eq!(server.state.lock().unwrap().asked.len(), 5);
    let gone = Server::new("").address;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options =
        AudienceOptions { allow_hosts: vec![closed.to_string(), gone.to_string()], ..options(&server) };
    let found = problem(&format!("http://{closed}/people.csv"), &options);
    assert!(
        matches!(&found, RemoteProblem::Unavailable { cause, .. } if cause.contains("refused")),
        "{found}"
    );
}

#[test]
fn a_server_that_hangs_is_given_up_after_the_time_of_a_range() {
    let server = Server::new(people(20_000)).answering(|number| match number {
        1 => Answer::Hang,
        _ => Answer::Serve,
    });
    let options = AudienceOptions { range_timeout_ms: 300, ..options(&server) };
    assert_eq!(read(&server.url("people.csv"), &options).unwrap().len(), 20_000);
    assert!(server.state.lock().unwrap().asked.len() > 5, "the range was asked for again");
}

#[test]
fn answers_that_are_no_file_say_what_to_do() {
    for (answer, expected) in [
        (Answer::Status(404), "audience_not_found"),
        (Answer::Status(403), "audience_forbidden"),
        (Answer::Status(400), "audience_refused"),
        (Answer::Redirect, "audience_redirect"),
        (Answer::Whole, "audience_no_ranges"),
    ] {
        let server = Server::new(people(10)).answering(move |_| answer);
        let found = problem(&server.url("people.csv"), &options(&server));
        assert_eq!(found.code(), expected);
        assert!(!found.actionable().is_empty());
        assert_eq!(server.state.lock().unwrap().asked.len(), 1, "a lasting answer is not asked for twice");
    }
    let server = Server::new(people(10));
    server.state.lock().unwrap().etag = None;
    assert_eq!(problem(&server.url("people.csv"), &options(&server)).code(), "audience_no_version");
    let small = AudienceOptions { bytes_max: 20, ..options(&server) };
    server.state.lock().unwrap().etag = Some("\"a\"".to_owned());
    assert_eq!(read(&server.url("people.csv"), &small).unwrap_err().code(), "audience_too_large");
}

#[test]
fn a_launch_reaches_no_host_that_the_configuration_does_not_allow() {
    let server = Server::new(people(10));
    let calls = AtomicUsize::new(0);
    let code = |url: &str, options: &AudienceOptions| {
        calls.fetch_add(1, Ordering::Relaxed);
        let error = read(url, options).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        error.code()
    };
    let all = options(&server);
    let port = server.address.port();
    let none = AudienceOptions { allow_hosts: Vec::new(), ..all.clone() };
    assert_eq!(code(&server.url("a.csv"), &none), "audience_host_not_allowed");
    let only_tls = AudienceOptions { allow_plain_http: false, ..all.clone() };
    assert_eq!(code(&server.url("a.csv"), &only_tls), "audience_plain_http");
    let public =
        AudienceOptions { allow_hosts: vec!["*".to_owned()], allow_private_networks: false, ..all.clone() };
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "localhost"]
    {
        assert_eq!(
            code(&format!("http://{host}:{port}/a.csv"), &public),
            "audience_private_address",
            "{host}"
        );
    }
    assert_eq!(code("http://me:hunter2@127.0.0.1/a.csv", &all), "audience_location");
    assert_eq!(code("http://127.0.0.1/a.csv?token=hunter2", &all), "audience_location");
    assert!(server.state.lock().unwrap().asked.is_empty(), "nothing was called");
    let local = AudienceOptions { allow_hosts: vec![format!("localhost:{port}")], ..all };
    assert_eq!(read(&format!("http://localhost:{port}/a.csv"), &local).unwrap().len(), 10, "allowed by name");
}

#[tokio::test]
async fn the_port_opens_urls_without_blocking_and_names_what_is_wrong() {
    use sluice_audience::FileAudiences;
    use sluice_runtime::ports::audience::Audiences;
    let server = Server::new(people(3_000));
    let document = serde_json::json!({
        "campaign": "c", "channel": "http", "pages": ["p1"], "audience": {"path": server.url("people.csv")},
        "message": {"http": {"body": {"to": "{{address}}"}}},
    });
    let launch = sluice_core::launch::parse_json(&document.to_string()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let audiences = FileAudiences::new("", directory.path()).with_options(options(&server));
    let mut opened = audiences.open(&launch).await.unwrap();
    assert!(opened.pin.ends_with("-@etag:\"v1\""), "{}", opened.pin);
    let mut count = 0;
    while let Some(rows) = opened.rows.next().await.unwrap() {
        count += rows.len();
    }
    assert_eq!(count, 3_000);
    let closed = FileAudiences::new("", directory.path());
    let problem = closed.open(&launch).await.unwrap_err();
    assert_eq!(problem.code, "audience_plain_http");
    assert!(problem.actionable.contains("https://"));
}
