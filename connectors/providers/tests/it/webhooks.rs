//! Webhooks as the providers document them, duplicates and nonsense included.

use serde_json::{Value, json};
use sluice_core::ids::EchoTag;
use sluice_core::{CampaignId, ChunkId, PageId, SendId};
use sluice_providers::{Parsed, Suppression, Target, WebhookError, WebhookFact, webhook};
use sluice_schemas::{Channel, Fact, PageRefused, WebhookReceived};

const RECEIVED: i64 = 1_751_142_999_000;

fn parse(channel: Channel, body: &Value) -> Parsed {
    // As Meta sends it: ASCII, everything else escaped.
    let escaped: String = body
        .to_string()
        .encode_utf16()
        .map(|unit| if unit < 128 { char::from(unit as u8).to_string() } else { format!("\\u{unit:04x}") })
        .collect();
    raw(channel, escaped.as_bytes()).unwrap()
}

fn raw(channel: Channel, body: &[u8]) -> Result<Parsed, WebhookError> {
    let page = (channel == Channel::Http).then(|| "p1".to_owned());
    webhook::parse(&WebhookReceived { channel, page, received_at_ms: RECEIVED, body: body.to_vec() })
}

fn tag() -> EchoTag {
    let chunk = ChunkId::new(CampaignId::of("t", "c"), 3, 1, 7);
    EchoTag { send: SendId { chunk, index: 12 }, attempt: 1 }
}

fn whatsapp(value: Value) -> Value {
    let mut value = value;
    value["messaging_product"] = json!("whatsapp");
    value["metadata"] = json!({"display_phone_number": "1", "phone_number_id": "1065"});
    json!({"object": "whatsapp_business_account",
        "entry": [{"id": "WABA", "changes": [{"field": "messages", "value": value}]}]})
}

fn brief(parsed: &Parsed) -> Vec<(Target, Fact, i64)> {
    parsed.facts.iter().map(|fact| (fact.target.clone(), fact.fact, fact.at_ms)).collect()
}

#[test]
fn d1_whatsapp_statuses_find_back_by_tag_otherwise_by_id() {
    let status = |status: &str, tag: Option<String>| {
        json!({"id": "wamid.1", "status": status, "timestamp": "1751142888", "recipient_id": "16505551234",
            "biz_opaque_callback_data": tag, "pricing": {"billable": true}, "surprise": [1]})
    };
    let body = whatsapp(json!({"statuses": [
        status("sent", Some(tag().to_string())), status("delivered", Some(tag().to_string())),
        status("delivered", Some(tag().to_string())), status("read", None), status("played", Some("cmp42:x".to_owned())),
        status("warming_up", None),
    ]}));
    let parsed = parse(Channel::Whatsapp, &body);
    let (by_tag, by_id) = (Target::Tag(tag()), Target::Message(Channel::Whatsapp, "wamid.1".to_owned()));
    let at = 1_751_142_888_000;
    assert_eq!(
        brief(&parsed),
        [
            (by_tag.clone(), Fact::Accepted, at),
            (by_tag.clone(), Fact::Delivered, at),
            (by_tag, Fact::Delivered, at),
            (by_id.clone(), Fact::Read, at),
            (by_id, Fact::Read, at),
        ]
    );
    assert_eq!(parsed.facts[0].provider_id.as_deref(), Some("wamid.1"));
    assert_eq!(parsed.facts[0].page, Some(PageId::from("1065")));
    assert_eq!(parsed.ignored, 1);
}

#[test]
fn a_failed_status_carries_its_code_and_whether_another_attempt_makes_sense() {
    let failed = |code: u32| {
        let body = whatsapp(json!({"statuses": [{
            "id": "wamid.1", "status": "failed", "timestamp": "1751142888", "recipient_id": "16505551234",
            "biz_opaque_callback_data": tag().to_string(),
            "errors": [{"code": code, "title": "Title", "message": "Title", "error_data": {"details": "größer"}}]}]}));
        parse(Channel::Whatsapp, &body)
    };
    let parsed = failed(131_026);
    let expected = WebhookFact {
        page: Some(PageId::from("1065")),
        target: Target::Tag(tag()),
        fact: Fact::FailedForGood,
        at_ms: 1_751_142_888_000,
        reason: Some("131026".to_owned()),
        message: Some("größer".to_owned()),
        provider_id: Some("wamid.1".to_owned()),
    };
    assert_eq!(parsed.facts, [expected]);
    assert_eq!(failed(131_000).facts[0].fact, Fact::Failed);
    assert_eq!(failed(131_049).facts[0].fact, Fact::FailedForGood);
    assert_eq!(failed(999_999).facts[0].fact, Fact::Failed);

    let stopped = failed(131_050);
    let facts: Vec<_> = stopped.facts.iter().map(|fact| fact.fact).collect();
    assert_eq!(facts, [Fact::OptedOut, Fact::FailedForGood]);
    assert_eq!(stopped.suppressions[0].address, "+16505551234");
}

#[test]
fn b6_a_failure_that_concerns_the_whole_page_is_told_of_the_page_too() {
    let failed = |code: u32| {
        let errors = json!([{"code": code, "title": "Title", "error_data": {"details": "more about it"}}]);
        let status =
            json!({"id": "wamid.1", "status": "failed", "timestamp": "1751142888", "errors": errors});
        parse(Channel::Whatsapp, &whatsapp(json!({"statuses": [status]})))
    };
    let refused = |code: u32, reason: &str, wait_ms| PageRefused {
        page: "1065".to_owned(),
        reason: reason.to_owned(),
        detail: format!("{code}: more about it"),
        at_ms: 1_751_142_888_000,
        wait_ms,
    };
    for (code, reason, wait_ms) in [
        (131_042, "account", None),
        (190, "account", None),
        (368, "account", Some(600_000)),
        (131_048, "account", Some(3_600_000)),
        (130_429, "throttled", None),
        (131_057, "throttled", Some(60_000)),
    ] {
        let parsed = failed(code);
        assert_eq!(parsed.refused, [refused(code, reason, wait_ms)]);
        assert_eq!(
            (parsed.facts.len(), parsed.facts[0].fact),
            (1, Fact::Failed),
            "its recipient fails as before"
        );
    }
    // One recipient, a pair, a template, a country, nobody knows what.
    for code in [131_026, 131_049, 131_056, 131_000, 132_015, 130_497, 131_050, 999_999] {
        assert_eq!(failed(code).refused, [], "{code}");
    }
}

#[test]
fn b6_an_error_of_the_page_itself_is_heard_without_a_message() {
    let errors =
        json!([{"code": 130_429, "title": "Rate limit hit"}, {"code": 131_000, "title": "?"}, {"code": "x"}]);
    let parsed = parse(Channel::Whatsapp, &whatsapp(json!({ "errors": errors })));
    let refused = PageRefused {
        page: "1065".to_owned(),
        reason: "throttled".to_owned(),
        detail: "130429: Rate limit hit".to_owned(),
        at_ms: RECEIVED,
        wait_ms: None,
    };
    assert_eq!((parsed.refused, parsed.facts.len(), parsed.ignored), (vec![refused], 0, 2));
}

#[test]
fn whatsapp_replies_name_the_message_they_answer() {
    let body = whatsapp(json!({
    "contacts": [{"wa_id": "16505551234", "profile": {"name": "Ana"}}],
    "messages": [
        {"id": "wamid.in1", "from": "16505551234", "timestamp": "1751142888", "type": "text",
         "text": {"body": "olá"}, "context": {"from": "1", "id": "wamid.1"}},
        {"id": "wamid.in2", "timestamp": "1751142889", "type": "reaction", "reaction": {"message_id": "wamid.1"}},
        {"id": "wamid.in3", "timestamp": "1751142890", "type": "order", "order": {}, "context": {"id": "wamid.2"}},
        {"id": "wamid.in4", "timestamp": "1751142891", "type": "text", "text": {"body": "hello"}},
        {"id": "wamid.in5", "timestamp": "1751142891", "type": "unsupported", "errors": [{"code": 131_051}]},
    ]}));
    let parsed = parse(Channel::Whatsapp, &body);
    let message = |id: &str| Target::Message(Channel::Whatsapp, id.to_owned());
    assert_eq!(
        brief(&parsed),
        [
            (message("wamid.1"), Fact::Responded, 1_751_142_888_000),
            (message("wamid.1"), Fact::Responded, 1_751_142_889_000),
            (message("wamid.2"), Fact::Responded, 1_751_142_890_000),
            (message("wamid.2"), Fact::Ordered, 1_751_142_890_000),
        ]
    );
    assert_eq!(parsed.ignored, 2);
}

#[test]
fn d8_a_stop_at_the_platform_suppresses_and_a_resume_does_not_undo_it() {
    let preference = |value: &str| json!({"wa_id": "16505551234", "category": "marketing_messages", "value": value, "timestamp": 1});
    let body = whatsapp(json!({"user_preferences": [preference("stop"), preference("resume")]}));
    let parsed = parse(Channel::Whatsapp, &body);
    let reason = "stopped_marketing".to_owned();
    let expected = Suppression { channel: Channel::Whatsapp, address: "+16505551234".to_owned(), reason };
    assert_eq!((parsed.suppressions, parsed.ignored), (vec![expected], 1));
}

fn page(events: Value) -> Value {
    json!({"object": "page", "entry": [{"id": "77", "time": 1, "messaging": events}]})
}

#[test]
fn d2_messenger_reads_and_deliveries_reach_everything_up_to_their_watermark() {
    let party = json!({"id": "24444529763028279"});
    let body = page(json!([
        {"sender": party, "recipient": {"id": "77"}, "timestamp": 5, "delivery": {"mids": ["m_1", "m_2"], "watermark": 1_000}},
        {"sender": party, "timestamp": 6, "delivery": {"watermark": 1_001}},
        {"sender": party, "timestamp": 7, "read": {"watermark": 1_002}},
        {"sender": party, "timestamp": 7, "read": {}},
    ]));
    let parsed = parse(Channel::Messenger, &body);
    let person = Target::Person { page: PageId::from("77"), address: "24444529763028279".to_owned() };
    let message = |id: &str| Target::Message(Channel::Messenger, id.to_owned());
    assert_eq!(
        brief(&parsed),
        [
            (message("m_1"), Fact::Delivered, 1_000),
            (message("m_2"), Fact::Delivered, 1_000),
            (person.clone(), Fact::Delivered, 1_000),
            (person.clone(), Fact::Delivered, 1_001),
            (person, Fact::Read, 1_002),
        ]
    );
    assert_eq!(parsed.ignored, 1);
}

#[test]
fn messenger_replies_name_a_message_or_a_person_and_echoes_are_ours() {
    let party = json!({"id": "24444529763028279"});
    let body = page(json!([
        {"sender": party, "timestamp": 9, "message": {"mid": "m_in", "text": "sim", "reply_to": {"mid": "m_1"}}},
        {"sender": party, "timestamp": 10, "message": {"mid": "m_in2", "text": "ok"}},
        {"sender": party, "timestamp": 11, "postback": {"title": "Yes", "payload": "YES"}},
        {"sender": {"id": "77"}, "timestamp": 12, "message": {"mid": "m_1", "is_echo": true, "app_id": 1}},
        {"sender": party, "timestamp": 13, "optin": {"type": "notification_messages", "notification_messages_status": "STOP_NOTIFICATIONS"}},
        {"sender": party, "timestamp": 14, "policy_enforcement": {"action": "warning"}},
        "odd",
    ]));
    let parsed = parse(Channel::Messenger, &body);
    let person = Target::Person { page: PageId::from("77"), address: "24444529763028279".to_owned() };
    assert_eq!(
        brief(&parsed),
        [
            (Target::Message(Channel::Messenger, "m_1".to_owned()), Fact::Responded, 9),
            (person.clone(), Fact::Responded, 10),
            (person, Fact::Responded, 11),
        ]
    );
    assert_eq!((parsed.suppressions.len(), parsed.ignored), (1, 3));
}

#[test]
fn instagram_reads_name_a_message() {
    let body = json!({"object": "instagram", "entry": [{"id": "88", "messaging": [
        {"sender": {"id": "1784140000"}, "timestamp": 20, "read": {"mid": "m_1"}},
        {"sender": {"id": "1784140000"}, "timestamp": 21, "message": {"mid": "m_2", "reply_to": {"mid": "m_1"}}},
        {"sender": {"id": "1784140000"}, "timestamp": 22, "message": {"mid": "m_3", "reply_to": {"story": {"id": "1"}}}},
        {"sender": {"id": "1784140000"}, "timestamp": 23, "message": {"mid": "m_4", "is_deleted": true}},
    ]}]});
    let parsed = parse(Channel::Instagram, &body);
    let message = Target::Message(Channel::Instagram, "m_1".to_owned());
    let person = Target::Person { page: PageId::from("88"), address: "1784140000".to_owned() };
    assert_eq!(
        brief(&parsed),
        [(message.clone(), Fact::Read, 20), (message, Fact::Responded, 21), (person, Fact::Responded, 22)]
    );
    assert_eq!(parsed.ignored, 1);
}

#[test]
fn generic_webhooks_are_one_event_or_a_list() {
    let parsed = parse(Channel::Http, &json!({"id": 17, "status": "delivered", "at_ms": 5}));
    let by_id = Target::Message(Channel::Http, "17".to_owned());
    assert_eq!(brief(&parsed), [(by_id.clone(), Fact::Delivered, 5)]);
    assert_eq!(parsed.facts[0].page, Some(PageId::from("p1")));
    let parsed = parse(
        Channel::Http,
        &json!([
            {"tag": tag().to_string(), "id": "17", "status": "failed", "code": "blocked", "message": "no\nway"},
            {"id": "17", "status": "exploded"}, {"status": "read"}, {"id": "17"}, 7,
        ]),
    );
    assert_eq!(brief(&parsed), [(Target::Tag(tag()), Fact::FailedForGood, RECEIVED)]);
    let fact = &parsed.facts[0];
    assert_eq!((fact.reason.as_deref(), fact.message.as_deref()), (Some("blocked"), Some("no way")));
    assert_eq!(parsed.ignored, 4);
}

#[test]
fn one_odd_event_does_not_spoil_the_others() {
    let body = whatsapp(json!({"statuses": [
        {"id": 17, "status": ["x"], "timestamp": "soon"},
        {"id": "wamid.1", "status": "read", "timestamp": 1_751_142_888},
        null,
        {"id": "wamid.2", "status": "sent", "timestamp": "99999999999999999"},
    ], "messages": {"not": "a list"}}));
    let parsed = parse(Channel::Whatsapp, &body);
    assert_eq!((parsed.facts.len(), parsed.ignored), (1, 4));
}

#[test]
fn other_fields_are_counted_and_what_is_no_webhook_is_an_error() {
    let other = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [
        {"field": "message_template_status_update", "value": {"event": "PAUSED"}}]}]});
    let parsed = parse(Channel::Whatsapp, &other);
    assert_eq!((parsed.facts.len(), parsed.ignored), (0, 1));
    let channels = [Channel::Whatsapp, Channel::Messenger, Channel::Instagram, Channel::Http];
    for channel in channels {
        for body in ["", "{", "[1,", "\"text\"", "17", "\u{1}"] {
            assert!(
                matches!(raw(channel, body.as_bytes()), Err(WebhookError::Malformed { .. })),
                "{channel} {body}"
            );
        }
        assert!(raw(channel, b"{\"entry\":[\xff]}").is_err());
    }
    assert!(raw(Channel::Sms, b"{}").is_err());
}
