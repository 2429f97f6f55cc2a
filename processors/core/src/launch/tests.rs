use super::*;
use serde_json::{Value, json};

fn whatsapp() -> Value {
    json!({
        "campaign": "spring-sale", "channel": "whatsapp", "pages": ["106540352242922"],
        "audience": {"path": "people.csv"},
        "message": {"template": {"name": "spring_sale", "language": "en_US",
            "components": [{"type": "body", "parameters": [{"type": "text", "text": "{{first_name}}"}]}]}},
    })
}

fn text(channel: &str, body: &str) -> Value {
    json!({
        "campaign": "winback", "channel": channel, "pages": ["p1"],
        "audience": {"inline": [{"psid": "24444529763028279"}]},
        "message": {"text": {"body": body}},
    })
}

fn http() -> Value {
    json!({
        "campaign": "http-example", "channel": "http", "pages": ["p1"],
        "audience": {"path": "people.ndjson"},
        "message": {"http": {"body": {"to": "{{address}}"}, "message_id": "/id", "headers": {"X-Kind": "a"}}},
    })
}

fn checked(document: &Value) -> Result<ValidLaunch, Vec<LaunchProblem>> {
    validate(&parse_json(&document.to_string()).unwrap())
}

/// The launch with the value at a JSON pointer replaced; the problems as lines.
fn problems(mut document: Value, pointer: &str, value: Value) -> Vec<String> {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    checked(&document).map(|_| ()).unwrap_err().iter().map(ToString::to_string).collect()
}

fn assert_problem(document: Value, pointer: &str, value: Value, expected: &str) {
    let found = problems(document, pointer, value);
    assert!(found.iter().any(|line| line.contains(expected)), "expected `{expected}` in {found:?}");
}

#[test]
fn launches_of_each_channel_compile() {
    let valid = checked(&whatsapp()).unwrap();
    assert_eq!(valid.variables().collect::<Vec<_>>(), ["first_name"]);
    assert_eq!((valid.time_zone, valid.rate), ("UTC", None));
    let mut out = Vec::new();
    valid.render(|_| Some("Ana"), &mut out).unwrap();
    let rendered: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(rendered[0]["parameters"][0]["text"], "Ana");
    assert!(matches!(checked(&text("messenger", "Hi")).unwrap().message, CompiledMessage::Text { .. }));
    assert!(matches!(checked(&http()).unwrap().message, CompiledMessage::Http { .. }));
}

#[test]
fn names_pages_and_numbers_are_checked() {
    assert_problem(whatsapp(), "/campaign", json!("Spring Sale"), "campaign: `Spring Sale`");
    assert_problem(whatsapp(), "/campaign", json!("x".repeat(65)), "campaign: ");
    assert_problem(whatsapp(), "/tenant", json!("a/b"), "tenant: ");
    assert_problem(whatsapp(), "/pages", json!([]), "pages: there is none");
    assert_problem(whatsapp(), "/pages", json!(["a", "a"]), "pages[1]: `a` is named twice");
    assert_problem(whatsapp(), "/pages", json!(["a b"]), "pages[0]: `a b` is not a page");
    assert_problem(whatsapp(), "/max_retries", json!(11), "max_retries: 11");
    assert_problem(whatsapp(), "/time_zone", json!("America/Sao_Paolo"), "perhaps `America/Sao_Paulo`");
    assert_problem(whatsapp(), "/rate", json!("fast"), "rate: ");
}

#[test]
fn a_rate_that_leaves_a_page_with_nothing_is_refused() {
    let mut launch = whatsapp();
    launch["pages"] = json!(["a", "b", "c"]);
    assert_problem(launch, "/rate", json!("2/s"), "cannot be split over 3 pages");
}

#[test]
fn the_audience_is_one_of_a_file_and_rows() {
    assert_problem(whatsapp(), "/audience", json!({}), "audience: there are no recipients");
    assert_problem(whatsapp(), "/audience", json!({"path": "a.csv", "inline": []}), "keep one of them");
    assert_problem(whatsapp(), "/audience", json!({"path": "people.xlsx"}), "set audience.format");
    assert_problem(whatsapp(), "/audience/delimiter", json!("::"), "cannot separate cells");
    assert_problem(whatsapp(), "/audience/delimiter", json!("é"), "cannot separate cells");
    assert_problem(whatsapp(), "/audience/delimiter", json!("\""), "cannot separate cells");
    assert_problem(http(), "/audience/delimiter", json!(";"), "only CSV files have one");
    assert_problem(whatsapp(), "/audience/columns", json!({"adress": "tel"}), "perhaps `address`");
    assert_problem(whatsapp(), "/audience/columns", json!({"address": ""}), "name is empty");
    let at = "/audience/path";
    assert_problem(whatsapp(), at, json!("ftp://example.com/a.csv"), "audience.path: `ftp` is not a scheme");
    assert_problem(whatsapp(), at, json!("https://a:b@example.com/a.csv"), "credentials");
    assert_problem(whatsapp(), at, json!("s3://bucket/people"), "ends with .parquet");
    let mut launch = whatsapp();
    for path in ["people.parquet", "s3://bucket/people.csv", "https://example.com/people.ndjson?day=1"] {
        launch["audience"]["path"] = json!(path);
        assert!(checked(&launch).is_ok(), "{path}");
    }
    assert_eq!(audience_format("s3://bucket/a.PARQUET", None), Some(FileFormat::Parquet));
    assert_eq!(audience_format("https://example.com/a.csv?x=b.pq", None), Some(FileFormat::Csv));
    let empty = json!({"inline": []});
    let mut launch = whatsapp();
    launch["audience"] = empty;
    assert!(checked(&launch).is_ok(), "a campaign without recipients completes at once (A5)");
}

#[test]
fn the_message_is_exactly_the_part_of_the_channel() {
    assert_problem(
        whatsapp(),
        "/channel",
        json!("messenger"),
        "message.template: messenger does not take it",
    );
    assert_problem(whatsapp(), "/channel", json!("http"), "message: http needs the part `http`");
    assert_problem(whatsapp(), "/message", json!({}), "whatsapp needs the part `template`");
    assert_problem(whatsapp(), "/channel", json!("sms"), "channel: sms is not available yet");
}

#[test]
fn whatsapp_templates_are_checked() {
    assert_problem(whatsapp(), "/message/template/name", json!("Spring"), "is not a template name");
    assert_problem(whatsapp(), "/message/template/language", json!(""), "is not a language code");
    assert_problem(whatsapp(), "/message/template/components", json!({"a": 1}), "array of objects");
    assert_problem(whatsapp(), "/message/template/components", json!("[{"), "not a JSON document");
    assert_problem(whatsapp(), "/message/template/components", json!([{"text": "{{a"}]), "never closed");
}

#[test]
fn texts_keep_the_limits_and_types_of_their_channel() {
    assert!(checked(&text("messenger", &"é".repeat(2_000))).is_ok());
    assert_problem(text("messenger", &"é".repeat(2_001)), "/tenant", json!("t"), "2001 characters");
    assert!(checked(&text("instagram", &"é".repeat(500))).is_ok());
    assert_problem(text("instagram", &"é".repeat(501)), "/tenant", json!("t"), "1002 bytes");
    assert_problem(text("instagram", " "), "/tenant", json!("t"), "it is empty");
    let message = |kind: &str, tag: Value| json!({"body": "Hi", "messaging_type": kind, "tag": tag});
    for tag in RETIRED_TAGS {
        assert_problem(
            text("messenger", "Hi"),
            "/message/text",
            message("MESSAGE_TAG", json!(tag)),
            "retired",
        );
    }
    let cases = [
        (message("MESSAGE_TAG", Value::Null), "needs a tag"),
        (message("UPDATE", json!("HUMAN_AGENT")), "only MESSAGE_TAG takes a tag"),
        (message("UPDAT", Value::Null), "perhaps `UPDATE`"),
        (message("UTILITY", Value::Null), "approved template"),
    ];
    for (part, expected) in cases {
        assert_problem(text("messenger", "Hi"), "/message/text", part, expected);
    }
    let mut tagged = text("messenger", "Hi");
    tagged["message"]["text"] = message("MESSAGE_TAG", json!("HUMAN_AGENT"));
    assert!(checked(&tagged).is_ok());
}

#[test]
fn http_messages_cannot_carry_credentials_or_break_the_request() {
    let headers = |name: &str, value: &str| json!({ name: value });
    let at = "/message/http/headers";
    assert_problem(http(), at, headers("Authorization", "Bearer x"), "configuration or the environment");
    assert_problem(http(), at, headers("X-A", "a\r\nX-B: c"), "printable ASCII");
    assert_problem(http(), at, headers("X A", "a"), "not a header name");
    assert_problem(http(), at, headers("X-A", "{{name}}"), "cannot hold a variable");
    assert_problem(http(), "/message/http/method", json!("GET"), "use POST, PUT or PATCH");
    assert_problem(http(), "/message/http/message_id", json!("id"), "JSON pointer");
    assert_problem(http(), "/message/http/body", json!("{\"a\": {{b}}}"), "inside strings");
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut launch = whatsapp();
    launch["campaign"] = json!("A");
    launch["pages"] = json!([]);
    launch["audience"] = json!({});
    assert_eq!(checked(&launch).map(|_| ()).unwrap_err().len(), 3);
}

#[test]
fn a_misspelled_key_is_refused_with_its_place_and_the_nearest_known_one() {
    let error = parse_json("{\n  \"campaign\": \"a\",\n  \"chanel\": \"http\"\n}").unwrap_err();
    assert_eq!(error.line, 3);
    assert_eq!(error.message.split(',').next(), Some("unknown field `chanel`"));
    assert_eq!(error.hint, "perhaps `channel` is meant");
    let error = parse_json(r#"{"channel": "watsapp"}"#).unwrap_err();
    assert_eq!(error.hint, "perhaps `whatsapp` is meant");
    assert!(parse_json("{\"campaign\": \"a\"").unwrap_err().hint.contains("ends too early"));
    assert!(parse_json("{\"campaign\": 5}").unwrap_err().hint.contains("quotes"));
    assert!(parse_json("{}").unwrap_err().hint.contains("a launch needs"));
}
