//! Audiences of Google Cloud Storage and Azure, against a server that answers as their stores do; and `https://`.

use crate::identity::Identity;
use crate::server::{Answer, Server};
use crate::support::{rules, shown};
use sluice_audience::{AudienceError, AudienceOptions, AudienceReader, AudienceSource};
use sluice_core::launch::FileFormat;
use sluice_runtime::Secret;
use sluice_schemas::Channel;
use std::collections::BTreeMap;

const ROWS: usize = 30_000;

fn people() -> String {
    let mut text = String::from("address\n");
    (0..ROWS).for_each(|number| text.push_str(&format!("person-{number:06}\n")));
    text
}

fn settings<const N: usize>(settings: [(&str, String); N]) -> BTreeMap<String, Secret> {
    settings.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// A store with one object in each of both, behind TLS that only `ca_file` vouches for.
struct Store {
    server: Server,
    options: AudienceOptions,
}

impl Store {
    fn new(identity: &Identity) -> Self {
        let server = Server::with_tls(people(), identity);
        server.state.lock().unwrap().modified = Some("Sat, 21 Nov 2026 07:00:00 GMT".to_owned());
        let google = [("base_url", server.root()), ("bearer_token", "hunter2".to_owned())];
        let azure = [
            ("endpoint", server.root()),
            ("account_name", "lists".to_owned()),
            // "hunter2" in base64, as account keys are.
            ("access_key", "aHVudGVyMg==".to_owned()),
        ];
        let options = AudienceOptions {
            google: settings(google),
            azure: settings(azure),
            ca_file: identity.ca_file(),
            allow_hosts: vec![format!("localhost:{}", server.address.port())],
            allow_private_networks: true,
            range_bytes: 64 * 1024,
            cache_bytes_max: 256 * 1024,
            tries_max: 3,
            retry_ms: (5, 20),
            ..AudienceOptions::default()
        };
        Self { server, options }
    }

    fn answering(self, answer: impl FnMut(usize) -> Answer + Send + 'static) -> Self {
        Self { server: self.server.answering(answer), ..self }
    }

    fn open(&self, url: &str) -> Result<AudienceReader, AudienceError> {
        let source = AudienceSource::Remote { url: url.to_owned(), format: FileFormat::Csv, delimiter: None };
        AudienceReader::open_with(&source, &rules(Channel::Http), &self.options)
    }

    fn read(&self, url: &str) -> Result<Vec<String>, AudienceError> {
        let mut reader = self.open(url)?;
        let mut found = Vec::new();
        while let Some(batch) = reader.next_batch(1_000)? {
            found.extend(batch.rows().map(|row| shown(row.line, row.content)));
        }
        Ok(found)
    }

    /// Reading ends with this code, and the error says no secret.
    fn refuses(&self, url: &str, code: &str) {
        let error = self.read(url).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        assert_eq!(error.code(), code, "{url}: {text}");
    }
}

/// The URL of the object in each store, its path there, and how requests are signed.
const CLOUDS: [(&str, &str, &str); 2] = [
    ("gs://lists/2026/people.csv", "/lists/2026%2Fpeople%2Ecsv", "Bearer hunter2"),
    ("az://lists/2026/people.csv", "/lists/2026/people.csv", "SharedKey lists:"),
];

#[test]
fn a2_objects_of_google_and_azure_are_read_in_ranges_of_one_version_signed_and_over_tls() {
    let identity = Identity::new();
    for (url, path, signature) in CLOUDS {
        let store = Store::new(&identity);
        let found = store.read(url).unwrap();
        assert_eq!((found.len(), found[ROWS - 1].as_str()), (ROWS, "30001: person-029999"), "{url}");
        let pin = store.open(url).unwrap().pin();
        assert_eq!(pin.to_string(), format!("{}-@etag:\"v1\"", people().len()));
        let state = store.server.state.lock().unwrap();
        for (method, asked, authorization) in &state.requests {
            assert!(matches!(method.as_str(), "HEAD" | "GET") && asked == path, "{method} {asked}");
            assert!(
                authorization.as_deref().is_some_and(|said| said.starts_with(signature)),
                "{authorization:?}"
            );
        }
        let ranges = state.asked.iter().filter(|(_, _, condition)| condition.is_some());
        let ranges: Vec<u64> = ranges.map(|(from, to, _)| to - from).collect();
        assert!(ranges.len() >= people().len().div_ceil(64 * 1024), "{url}: {ranges:?}");
        assert!(ranges.iter().all(|bytes| *bytes <= 64 * 1024), "{url}: {ranges:?}");
    }
}

#[test]
fn hazard_1_an_object_of_google_or_azure_that_changes_in_the_middle_is_refused() {
    let identity = Identity::new();
    for (url, ..) in CLOUDS {
        let store = Store::new(&identity);
        let mut reader = store.open(url).unwrap();
        assert!(reader.next_batch(10).unwrap().is_some());
        store.server.state.lock().unwrap().etag = Some("\"v2\"".to_owned());
        let error = loop {
            match reader.next_batch(1_000) {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the change was not noticed"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), "audience_changed", "{url}");
    }
}

#[test]
fn answers_of_google_and_azure_say_what_to_do_and_passing_ones_are_tried_again() {
    let identity = Identity::new();
    for (url, ..) in CLOUDS {
        let answering = |answer| Store::new(&identity).answering(move |_| Answer::Status(answer));
        answering(404).refuses(url, "audience_not_found");
        answering(403).refuses(url, "audience_forbidden");
        answering(401).refuses(url, "audience_forbidden");
        answering(400).refuses(url, "audience_refused");
        answering(503).refuses(url, "audience_unavailable");
        let shaky = Store::new(&identity).answering(|number| match number % 3 {
            0 => Answer::Status(503),
            1 => Answer::CutAfter(10),
            _ => Answer::Serve,
        });
        assert_eq!(shaky.read(url).unwrap().len(), ROWS, "{url}");
        let mut closed = Store::new(&identity);
        closed.options.allow_buckets = vec!["gs://others".to_owned()];
        closed.refuses(url, "audience_bucket_not_allowed");
    }
}

#[test]
fn a2_https_is_read_where_the_authority_is_known_and_refused_where_it_is_not() {
    let identity = Identity::new();
    let mut store = Store::new(&identity);
    let url = store.server.url("people.csv");
    assert!(url.starts_with("https://localhost:"));
    assert_eq!(store.read(&url).unwrap().len(), ROWS);
    let asked = store.server.state.lock().unwrap().requests.len();

    // Another authority, none at all, and a name that the certificate does not say.
    let other = Identity::new();
    store.options.ca_file = other.ca_file();
    store.refuses(&url, "audience_unavailable");
    store.options.ca_file = Default::default();
    store.refuses(&url, "audience_unavailable");
    store.options.ca_file = identity.ca_file();
    let (by_number, port) = (store.server.address.to_string(), store.server.address.port());
    store.options.allow_hosts.push(by_number.clone());
    store.refuses(&format!("https://{by_number}/people.csv"), "audience_unavailable");
    assert_eq!(store.server.state.lock().unwrap().requests.len(), asked, "nothing was asked of a stranger");

    store.options.ca_file = "no/such/file.pem".into();
    store.refuses(&url, "audience_store_settings");
    store.options.ca_file = identity.ca_file();
    store.options.allow_hosts = vec![format!("other.example:{port}")];
    store.refuses(&url, "audience_host_not_allowed");
}
