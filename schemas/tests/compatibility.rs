//! Every record that an earlier version wrote can be read: the files of `fixtures/` are kept for ever.
//!
//! A new version of a schema gets a new fixture: `SLUICE_WRITE_FIXTURES=1 cargo test -p sluice-schemas`.

use apache_avro::schema_compatibility::SchemaCompatibility;
use serde_bytes::ByteArray;
use sluice_schemas::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

fn map(pairs: &[(&str, &str)]) -> StringMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

macro_rules! check {
    ($record:expr, $name:literal) => {
        check!($record, $name, |record| record)
    };
    // `$since` fills in what versions after the first have added.
    ($record:expr, $name:literal, $since:expr) => {{
        let first = $record;
        let since: fn(_) -> _ = $since;
        let record = since(first.clone());
        let versions = schemas(&record);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let newest = path.join(format!("{}.v{versions}.bin", $name));
        if std::env::var_os("SLUICE_WRITE_FIXTURES").is_some() && !newest.exists() {
            std::fs::write(&newest, encode(&record)).unwrap();
        }
        for version in 1..=versions {
            let file = path.join(format!("{}.v{version}.bin", $name));
            let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            same(&decode(&bytes).unwrap(), if version == versions { &record } else { &first });
        }
        assert_eq!(decode::<_>(&encode(&record)).ok().as_ref(), Some(&record));
    }};
}

fn same<T: PartialEq + Debug>(read: &T, expected: &T) {
    assert_eq!(read, expected);
}

/// Checks each pair of neighbouring versions and counts them.
fn schemas<T: Record>(_: &T) -> usize {
    let schemas: Vec<_> = T::versions().schemas().collect();
    for older in &schemas {
        for newer in &schemas {
            SchemaCompatibility::can_read(older, newer)
                .unwrap_or_else(|error| panic!("{}: {error}", T::NAME));
        }
    }
    schemas.len()
}

fn class() -> GateClass {
    GateClass { zone: Some("America/Sao_Paulo".to_owned()), day: Some("2026-12-01".to_owned()) }
}

fn rules() -> Rules {
    let open = vec![OpenHours {
        days: vec![Weekday::Mon, Weekday::Sun],
        from: "22:00".to_owned(),
        to: "02:00".to_owned(),
    }];
    Rules {
        priority: Priority::Bulk,
        window: Some(SendWindow {
            open,
            clock: WindowClock::Recipient,
            closed_on: vec!["2026-12-25".to_owned()],
        }),
        daily_send_limit: Some(1_000),
        pair_rate: Some("1/min".to_owned()),
        start_at: Some("2026-12-01T09:00".to_owned()),
        end_at: Some("2026-12-03T09:00Z".to_owned()),
        recurring: Some(Recurring { cron: "0 9 * * mon".to_owned(), missed: Missed::Skip }),
    }
}

#[test]
fn every_earlier_record_can_be_read() {
    check!(
        CampaignLaunch {
            campaign: "spring-sale".to_owned(),
            tenant: "acme".to_owned(),
            channel: Channel::Whatsapp,
            pages: vec!["106540352242922".to_owned()],
            audience: Audience {
                path: Some("contacts.csv".to_owned()),
                inline: Some(vec![map(&[("phone", "+14155550100")])]),
                format: Some(AudienceFormat::Csv),
                delimiter: Some(";".to_owned()),
                columns: map(&[("address", "phone")]),
            },
            message: Message {
                template: Some(TemplateMessage {
                    name: "sale".to_owned(),
                    language: "en_US".to_owned(),
                    components: "[]".to_owned(),
                }),
                text: Some(TextMessage {
                    body: "Hi {{name}}".to_owned(),
                    messaging_type: "UPDATE".to_owned(),
                    tag: Some("HUMAN_AGENT".to_owned()),
                }),
                http: Some(HttpMessage {
                    method: "POST".to_owned(),
                    headers: map(&[("X-Kind", "test")]),
                    body: "{}".to_owned(),
                    message_id: Some("/id".to_owned()),
                }),
            },
            variables: map(&[("shop", "Müller")]),
            rate: Some("80/s".to_owned()),
            max_retries: 3,
            on_unknown: OnUnknown::Resend,
            time_zone: Some("Europe/Berlin".to_owned()),
            rules: Rules::default(),
        },
        "campaign_launch",
        |launch| CampaignLaunch { rules: rules(), ..launch }
    );
    check!(CampaignControl { campaign: ByteArray::new([7; 8]), at_ms: 1 }, "campaign_control");
    check!(
        SendRequest {
            chunk: ByteArray::new([1; 16]),
            index: 8_191,
            address: "+14155550100".to_owned(),
            name: Some("Ana".to_owned()),
            customer_id: None,
            time_zone: Some("UTC".to_owned()),
            variables: map(&[("coupon", "X")]),
        },
        "send_request"
    );
    check!(
        ChunkReady {
            chunk: ByteArray::new([1; 16]),
            page: "p".to_owned(),
            size: 8_192,
            spans: vec![Span { first: 5, end: 9_000_000_000 }],
            class: GateClass::default(),
        },
        "chunk_ready",
        |ready| ChunkReady { class: class(), ..ready }
    );
    check!(
        RetryReady {
            chunk: ByteArray::new([1; 16]),
            page: "p".to_owned(),
            attempt: 2,
            not_before_ms: 1_700_000_000_000,
            indexes: vec![IndexRange { first: 1, last: 4 }],
            class: GateClass::default(),
        },
        "retry_ready",
        |retry| RetryReady { class: class(), ..retry }
    );
    check!(
        PageRefused {
            page: "p".to_owned(),
            reason: "account".to_owned(),
            detail: "131042: payment problem".to_owned(),
            at_ms: 1_700_000_000_000,
            wait_ms: Some(600_000),
        },
        "page_refused"
    );
    check!(
        WebhookReceived {
            channel: Channel::Messenger,
            page: Some("p".to_owned()),
            received_at_ms: 9,
            body: vec![0, 255, 7],
        },
        "webhook_received"
    );
    check!(
        Receipt {
            chunk: ByteArray::new([1; 16]),
            entries: vec![ReceiptEntry {
                fact: Fact::FailedForGood,
                first: 0,
                last: 3,
                attempt: 1,
                at_ms: 5,
                reason: Some("131026".to_owned()),
                message: Some("undeliverable".to_owned()),
                provider_id: Some("wamid.1".to_owned()),
                retry_after_ms: Some(4_000),
                address: Some("24".to_owned()),
            }],
        },
        "receipt"
    );
    check!(CampaignProgress { chunk: ByteArray::new([1; 16]), size: 10, terminal: 4 }, "campaign_progress");
    check!(
        CampaignEvent {
            id: "x-1-completed".to_owned(),
            campaign: "x".to_owned(),
            tenant: "default".to_owned(),
            kind: CampaignEventKind::Completed,
            run: 1,
            at_ms: 3,
            counters: BTreeMap::from([("sent".to_owned(), 10)]),
            reason: None,
        },
        "campaign_event"
    );
    check!(
        DeadLetter {
            topic: "sends".to_owned(),
            partition: 1,
            offset: 2,
            reason: "damaged".to_owned(),
            at_ms: 3,
            key: vec![1],
            value: vec![2],
        },
        "dead_letter"
    );
}

#[test]
fn values_of_others_are_refused_with_a_reason() {
    assert!(matches!(decode::<SendRequest>(b"hello"), Err(DecodeError::NotFramed)));
    let control = encode(&CampaignControl { campaign: ByteArray::new([0; 8]), at_ms: 0 });
    assert!(matches!(decode::<SendRequest>(&control), Err(DecodeError::UnknownSchema { .. })));
    assert!(is::<CampaignControl>(&control) && !is::<SendRequest>(&control));
    let cut = &control[..control.len() - 1];
    assert!(matches!(decode::<CampaignControl>(cut), Err(DecodeError::Damaged { .. })));
}

#[test]
fn the_frame_is_avros_single_object_encoding() {
    let value = encode(&CampaignControl { campaign: ByteArray::new([0; 8]), at_ms: 0 });
    assert_eq!(value[..2], [0xC3, 0x01]);
    assert_eq!(fingerprint_of(&value).unwrap(), value[2..10]);
    assert_eq!(value.len(), 10 + 8 + 1);
}

#[test]
fn a_json_document_in_a_launch_may_stand_as_itself_or_as_text() {
    let launch =
        |body: &str| -> HttpMessage { serde_json::from_str(&format!(r#"{{"body": {body}}}"#)).unwrap() };
    assert_eq!(launch(r#"{"to": "{{address}}"}"#), launch(r#""{\"to\":\"{{address}}\"}""#));
}
