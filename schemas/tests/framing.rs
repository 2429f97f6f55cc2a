//! Which schema a value names, and values of foreign schemas.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed call is a failed test")]

use serde_bytes::ByteArray;
use sluice_schemas::framing::frame_for_registry;
use sluice_schemas::*;
use std::collections::BTreeMap;

/// A writer's schema and one datum of it, written by hand through apache-avro's generic value.
fn datum(schema: &str, json: serde_json::Value) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let value = apache_avro::types::Value::try_from(json).unwrap().resolve(&schema).unwrap();
    apache_avro::writer::datum::GenericDatumWriter::builder(&schema)
        .build()
        .unwrap()
        .write_value_to_vec(value)
        .unwrap()
}

fn newest(kind: RecordKind) -> &'static str {
    kind.versions().texts().last().unwrap().0
}

fn launch_schema() -> serde_json::Value {
    serde_json::from_str(newest(RecordKind::CampaignLaunch)).unwrap()
}

fn launch_json() -> serde_json::Value {
    serde_json::json!({
        "campaign": "spring-sale", "tenant": "acme", "channel": "http", "pages": ["shop"],
        "audience": {"path": null, "inline": [{"address": "a@example.org", "first_name": "Ana"}],
            "format": "ndjson", "delimiter": null, "columns": {}},
        "message": {"template": null, "text": null, "http": {
            "method": "POST", "headers": {}, "body": "{\"to\": \"{{address}}\"}", "message_id": "/id"}},
        "variables": {"shop": "Müller"}, "rate": "80/s", "max_retries": 3, "on_unknown": "keep",
        "time_zone": null
    })
}

fn launch() -> CampaignLaunch {
    serde_json::from_value(launch_json()).unwrap()
}

fn field<'s>(schema: &'s mut serde_json::Value, name: &str) -> &'s mut serde_json::Value {
    let fields = schema["fields"].as_array_mut().unwrap();
    fields.iter_mut().find(|field| field["name"] == name).unwrap()
}

/// Reads `json` written with `schema` as a launch.
fn read(schema: &serde_json::Value, json: serde_json::Value) -> Result<CampaignLaunch, DecodeError> {
    let text = schema.to_string();
    let translation = Translation::new(&text, &[RecordKind::CampaignLaunch]).unwrap();
    assert!(!translation.is_trivial());
    let mut out = vec![1, 2, 3];
    translation.apply(&datum(&text, json), &mut out)?;
    decode(&out)
}

#[test]
fn the_first_bytes_tell_the_framing() {
    let value = encode(&CampaignControl { campaign: ByteArray::new([0; 8]), at_ms: 0 });
    let Framed::SingleObject { fingerprint, datum } = Framed::of(&value) else { panic!() };
    assert_eq!(fingerprint, fingerprint_of(&value).unwrap());
    assert_eq!(datum, &value[10..]);
    let mut framed = vec![9, 9];
    frame_for_registry(0x0102_0304, datum, &mut framed);
    assert_eq!(framed[..5], [0, 1, 2, 3, 4]);
    assert_eq!(Framed::of(&framed), Framed::Registry { id: 0x0102_0304, datum });
    for short in [&b""[..], &[0], &[0, 0, 0, 1], &value[..9], b"{\"campaign\": 1}"] {
        assert_eq!(Framed::of(short), Framed::Neither);
    }
}

#[test]
fn a_value_of_a_registry_that_was_not_translated_names_its_schema_and_what_to_do() {
    let mut framed = Vec::new();
    frame_for_registry(71, b"datum", &mut framed);
    let error = decode::<CampaignLaunch>(&framed).unwrap_err();
    assert!(matches!(error, DecodeError::Registry { id: 71, .. }));
    let text = error.to_string();
    assert!(
        text.contains("schema 71") && text.contains("CampaignLaunch") && text.contains("configure"),
        "{text}"
    );
}

#[test]
fn every_record_written_with_our_own_schema_gets_a_new_frame_only() {
    for &kind in RecordKind::ALL {
        for (text, fingerprint) in kind.versions().texts() {
            let translation = Translation::new(text, RecordKind::ALL).unwrap();
            assert!(translation.is_trivial() && translation.record() == kind);
            let mut out = Vec::new();
            translation.apply(b"any bytes", &mut out).unwrap();
            assert_eq!(Framed::of(&out), Framed::SingleObject { fingerprint, datum: b"any bytes" });
        }
    }
}

#[test]
fn other_documentation_and_defaults_are_still_our_own_schema() {
    let mut schema = launch_schema();
    schema["doc"] = "mine".into();
    field(&mut schema, "max_retries")["default"] = 9.into();
    assert!(Translation::new(&schema.to_string(), &[RecordKind::CampaignLaunch]).unwrap().is_trivial());
}

#[test]
fn a_launch_of_an_upstream_with_more_fields_is_read() {
    let mut schema = launch_schema();
    schema["fields"].as_array_mut().unwrap().insert(
        1,
        serde_json::json!({"name": "owner", "type": ["null", {"type": "record", "name": "Owner", "fields": [
            {"name": "team", "type": "string"}]}], "default": null}),
    );
    let mut json = launch_json();
    json["owner"] = serde_json::json!({"team": "growth"});
    assert_eq!(read(&schema, json).unwrap(), launch());
}

#[test]
fn a_launch_of_an_upstream_that_orders_fields_and_symbols_differently_is_read() {
    let mut schema = launch_schema();
    schema["fields"].as_array_mut().unwrap().reverse();
    let symbols = serde_json::json!(["http", "sms", "instagram", "messenger", "whatsapp"]);
    field(&mut schema, "channel")["type"]["symbols"] = symbols;
    let audience = &mut field(&mut schema, "audience")["type"];
    audience["fields"].as_array_mut().unwrap().reverse();
    field(audience, "format")["type"][1]["symbols"] = serde_json::json!(["ndjson", "csv"]);
    assert_eq!(read(&schema, launch_json()).unwrap(), launch());
}

#[test]
fn a_launch_of_an_upstream_that_leaves_out_what_has_a_default_is_read_with_it() {
    let mut schema = launch_schema();
    let kept = ["campaign", "channel", "pages", "audience", "message"];
    schema["fields"].as_array_mut().unwrap().retain(|field| kept.contains(&field["name"].as_str().unwrap()));
    let audience = &mut field(&mut schema, "audience")["type"];
    audience["fields"].as_array_mut().unwrap().retain(|field| field["name"] == "inline");
    let message = &mut field(&mut schema, "message")["type"];
    message["fields"].as_array_mut().unwrap().retain(|field| field["name"] == "http");
    let http = &mut field(message, "http")["type"][1];
    http["fields"].as_array_mut().unwrap().retain(|field| field["name"] == "body");
    let json = serde_json::json!({
        "campaign": "spring-sale", "channel": "http", "pages": ["shop"],
        "audience": {"inline": [{"address": "a@example.org", "first_name": "Ana"}]},
        "message": {"http": {"body": "{}"}}
    });
    let read = read(&schema, json.clone()).unwrap();
    assert_eq!(read, serde_json::from_value(json).unwrap());
    assert_eq!((read.tenant.as_str(), read.max_retries), ("default", 3));
}

#[test]
fn the_namespace_of_an_upstream_does_not_matter() {
    let mut schema = launch_schema();
    schema["namespace"] = "com.acme.marketing".into();
    assert_eq!(read(&schema, launch_json()).unwrap(), launch());
}

#[test]
fn a_field_that_is_not_optional_for_the_upstream_is_read() {
    let mut schema = launch_schema();
    for name in ["rate", "time_zone"] {
        *field(&mut schema, name) = serde_json::json!({"name": name, "type": "string"});
    }
    let mut json = launch_json();
    json["time_zone"] = "Europe/Berlin".into();
    let mut expected = launch();
    expected.time_zone = Some("Europe/Berlin".to_owned());
    assert_eq!(read(&schema, json).unwrap(), expected);
}

#[test]
fn a_symbol_that_we_do_not_know_damages_that_launch_and_no_other() {
    let mut schema = launch_schema();
    field(&mut schema, "channel")["type"]["symbols"] = serde_json::json!(["http", "telegram"]);
    assert_eq!(read(&schema, launch_json()).unwrap(), launch());
    let mut json = launch_json();
    json["channel"] = "telegram".into();
    let error = read(&schema, json).unwrap_err().to_string();
    assert!(error.contains("CampaignLaunch") && error.contains("telegram"), "{error}");
}

#[test]
fn a_schema_of_something_else_is_refused_with_what_is_expected() {
    let control = newest(RecordKind::CampaignControl);
    let expected = [RecordKind::ChunkReady, RecordKind::RetryReady];
    let error = Translation::new(control, &expected).unwrap_err().to_string();
    assert_eq!(error, "it describes sluice.CampaignControl; expected here: ChunkReady, RetryReady");
    let error = Translation::new("\"string\"", &expected).unwrap_err().to_string();
    assert_eq!(error, "it describes no record but a string; expected here: ChunkReady, RetryReady");
    assert!(matches!(Translation::new("{", &expected), Err(ForeignSchemaError::Unreadable(_))));
}

#[test]
fn an_incompatible_schema_is_refused_with_what_differs() {
    let mut schema = launch_schema();
    field(&mut schema, "pages")["type"] = "string".into();
    let error = Translation::new(&schema.to_string(), &[RecordKind::CampaignLaunch]).unwrap_err();
    assert!(matches!(error, ForeignSchemaError::Incompatible { .. }));
    assert!(error.to_string().contains("pages"), "{error}");
    let mut schema = launch_schema();
    schema["fields"].as_array_mut().unwrap().retain(|field| field["name"] != "campaign");
    let error = Translation::new(&schema.to_string(), &[RecordKind::CampaignLaunch]).unwrap_err();
    assert!(error.to_string().contains("campaign"), "{error}");
}

#[test]
fn damaged_bytes_of_a_foreign_schema_are_an_error() {
    let mut schema = launch_schema();
    schema["fields"].as_array_mut().unwrap().reverse();
    let text = schema.to_string();
    let translation = Translation::new(&text, &[RecordKind::CampaignLaunch]).unwrap();
    let whole = datum(&text, launch_json());
    let mut out = Vec::new();
    for end in 0..whole.len() {
        let error = translation.apply(&whole[..end], &mut out).unwrap_err();
        assert!(matches!(error, DecodeError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_string_that_is_cut_off_is_not_taken_for_none_and_bytes_too_many_are_noticed() {
    let mut schema = launch_schema();
    let more = serde_json::json!({"name": "owner", "type": ["null", "string"], "default": null});
    schema["fields"].as_array_mut().unwrap().push(more);
    let translation = Translation::new(&schema.to_string(), &[RecordKind::CampaignLaunch]).unwrap();
    let mut whole = encode(&launch())[10..].to_vec();
    whole.extend_from_slice(b"\x02\x06Ana");
    let mut out = Vec::new();
    translation.apply(&whole, &mut out).unwrap();
    for cut in 1..=5 {
        let error = translation.apply(&whole[..whole.len() - cut], &mut out).unwrap_err();
        assert!(matches!(error, DecodeError::Damaged { .. }), "{error}");
    }
    whole.push(0);
    let error = translation.apply(&whole, &mut out).unwrap_err().to_string();
    assert!(error.ends_with("1 bytes follow it"), "{error}");
}

/// Each record in a schema that differs from ours by a further field, so that it goes the slow way.
#[test]
fn every_record_can_come_from_a_foreign_schema() {
    fn check<T: PartialEq + std::fmt::Debug>(
        kind: RecordKind,
        record: &T,
        encoded: Vec<u8>,
        decoded: impl Fn(&[u8]) -> T,
    ) {
        let mut schema: serde_json::Value = serde_json::from_str(newest(kind)).unwrap();
        let more = serde_json::json!({"name": "further", "type": ["null", "string"], "default": null});
        schema["fields"].as_array_mut().unwrap().push(more);
        let translation = Translation::new(&schema.to_string(), RecordKind::ALL).unwrap();
        assert!(!translation.is_trivial());
        let mut datum = encoded[10..].to_vec();
        // The further field, null: the first variant.
        datum.push(0);
        let mut out = Vec::new();
        translation.apply(&datum, &mut out).unwrap();
        assert_eq!(&decoded(&out), record, "{}", kind.name());
        assert_eq!(out, encoded, "{}", kind.name());
    }
    macro_rules! each {
        ($($kind:ident: $record:expr),+ $(,)?) => {
            $({
                let record: $kind = $record;
                check(RecordKind::$kind, &record, encode(&record), |bytes| decode(bytes).unwrap());
            })+
        };
    }
    each! {
        CampaignControl: CampaignControl { campaign: ByteArray::new([7; 8]), at_ms: 1 },
        SendRequest: SendRequest {
            chunk: ByteArray::new([1; 16]), index: 8_191, address: "+14155550100".to_owned(),
            name: Some("Ana".to_owned()), customer_id: None, time_zone: None, variables: BTreeMap::new(),
        },
        ChunkReady: ChunkReady {
            chunk: ByteArray::new([1; 16]), page: "p".to_owned(), size: 8_192,
            spans: vec![Span { first: 5, end: 9_000_000_000 }],
            class: GateClass::default(),
        },
        RetryReady: RetryReady {
            chunk: ByteArray::new([1; 16]), page: "p".to_owned(), attempt: 2, not_before_ms: 1_700_000_000_000,
            indexes: vec![IndexRange { first: 1, last: 4 }],
            class: GateClass::default(),
        },
        PageRefused: PageRefused {
            page: "p".to_owned(), reason: "account".to_owned(), detail: "131042".to_owned(), at_ms: 5,
            wait_ms: Some(7),
        },
        WebhookReceived: WebhookReceived {
            channel: Channel::Messenger, page: Some("p".to_owned()), received_at_ms: 9, body: vec![0, 255, 7],
        },
        Receipt: Receipt {
            chunk: ByteArray::new([1; 16]),
            entries: vec![ReceiptEntry {
                fact: Fact::FailedForGood, first: 0, last: 3, attempt: 1, at_ms: 5,
                reason: Some("131026".to_owned()), message: None, provider_id: Some("wamid.1".to_owned()),
                retry_after_ms: Some(4_000), address: None,
            }],
        },
        CampaignProgress: CampaignProgress { chunk: ByteArray::new([1; 16]), size: 10, terminal: 4 },
        CampaignEvent: CampaignEvent {
            id: "x-1-completed".to_owned(), campaign: "x".to_owned(), tenant: "default".to_owned(),
            kind: CampaignEventKind::Completed, run: 1, at_ms: 3,
            counters: BTreeMap::from([("sent".to_owned(), 10)]), reason: None,
        },
        DeadLetter: DeadLetter {
            topic: "sends".to_owned(), partition: 1, offset: 2, reason: "damaged".to_owned(), at_ms: 3,
            key: vec![1], value: vec![2],
        },
        CampaignLaunch: launch(),
    }
}
