use super::*;
use serde_json::{Value, json};
use sluice_schemas::{Missed, Priority, WindowClock};

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

/// What is wrong with the text of a launch, as lines.
fn unreadable(text: &str) -> Vec<String> {
    match parse_json(text).unwrap_err() {
        LaunchError::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
        not_json => vec![not_json.to_string()],
    }
}

#[test]
fn a_misspelled_key_is_refused_with_its_place_and_the_nearest_known_one() {
    let found = unreadable("{\n  \"campaign\": \"a\",\n  \"chanel\": \"http\"\n}");
    assert_eq!(found[0], "chanel: there is no such field; perhaps `channel` is meant");
    assert_eq!(
        unreadable(r#"{"channel": "watsapp"}"#)[0],
        "campaign: it is missing; a launch needs campaign, channel, pages, audience and message; docs/launch.md describes them"
    );
    assert!(unreadable(r#"{"channel": "watsapp"}"#)[1].ends_with("perhaps `whatsapp` is meant"));
    assert!(unreadable("{\"campaign\": 5}")[0].contains("quotes"));
    let torn = parse_json("{\"campaign\":\n \"a\"").unwrap_err();
    assert!(
        matches!(&torn, LaunchError::NotJson { line: 2, hint, .. } if hint.contains("ends too early")),
        "{torn}"
    );
    let twice = parse_json(r#"{"campaign": "a", "campaign": "b"}"#).unwrap_err();
    assert!(matches!(twice, LaunchError::Wrong(_)), "what is missing comes first");
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    let mut text = http().to_string();
    text.insert_str(1, r#""campaign": "b","#);
    let error = parse_json(&text).unwrap_err();
    assert!(error.to_string().starts_with("duplicate field `campaign` at line 1"), "{error}");
}

/// A launch with these rules on two pages, in Sao Paulo (3 h behind UTC).
fn ruled(rules: Value) -> Value {
    let mut launch = whatsapp();
    launch["pages"] = json!(["a", "b"]);
    launch["time_zone"] = json!("america/sao_paulo");
    launch["rules"] = rules;
    launch
}

fn ms(instant: &str) -> i64 {
    instant.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn b1_to_b5_rules_are_checked_and_compiled() {
    let hours = json!([{"days": ["mon"], "from": "09:00", "to": "18:00"}]);
    let valid = checked(&ruled(json!({
        "priority": "urgent", "window": {"open": hours, "clock": "recipient", "closed_on": ["2026-12-25"]},
        "daily_send_limit": 2, "pair_rate": "1/min", "start_at": "2026-12-01T09:00", "end_at": "2026-12-24T21:00Z",
        "recurring": {"cron": "0 9 * * mon", "missed": "skip"},
    })))
    .unwrap();
    let rules = &valid.rules;
    assert_eq!((rules.priority, rules.daily_send_limit), (Priority::Urgent, Some(2)));
    assert_eq!(rules.window.as_ref().unwrap().clock(), WindowClock::Recipient);
    assert_eq!(rules.pair_rate.unwrap().to_string(), "1/min");
    assert_eq!(rules.start_at_ms, Some(ms("2026-12-01T12:00:00Z")));
    assert_eq!(rules.end_at_ms, Some(ms("2026-12-24T21:00:00Z")));
    let (recurrence, missed) = rules.recurrence.as_ref().unwrap();
    assert_eq!(*missed, Missed::Skip);
    assert_eq!(recurrence.next_after(ms("2026-12-01T12:00:00Z")), Some(ms("2026-12-07T12:00:00Z")));
    assert_eq!(ValidRules::of(&valid.launch).as_ref(), Ok(rules));
    let without = checked(&whatsapp()).unwrap().rules;
    assert_eq!((without.priority, without.window, without.recurrence), (Priority::Normal, None, None));
}

#[test]
fn b1_to_b5_every_bad_rule_is_refused_with_the_name_of_its_field() {
    let open = |days: Value, from: &str, to: &str| json!({"open": [{"days": days, "from": from, "to": to}]});
    let cases = [
        (json!({"window": {"open": []}}), "rules.window.open: it never opens"),
        (json!({"window": open(json!([]), "9 am", "18:00")}), "rules.window.open[0].from: `9 am`"),
        (json!({"daily_send_limit": 0}), "rules.daily_send_limit: 0 lets nothing through"),
        (json!({"daily_send_limit": -5}), "rules.daily_send_limit: -5 lets nothing through"),
        (json!({"daily_send_limit": 1}), "rules.daily_send_limit: 1 cannot be split over 2 pages"),
        (json!({"pair_rate": "0/min"}), "rules.pair_rate: '0/min' is not a rate"),
        (json!({"start_at": "2026-12-01"}), "rules.start_at: `2026-12-01`: it has no time of day"),
        (json!({"end_at": "Christmas"}), "rules.end_at: `Christmas`: it is not a date and a time"),
        (
            json!({"start_at": "2026-12-01T09:00", "end_at": "2026-12-01T12:00Z"}),
            "rules.end_at: it is not after",
        ),
        (json!({"recurring": {"cron": "0 9 30 2 *"}}), "rules.recurring.cron: `0 9 30 2 *` never comes"),
        (
            // A Tuesday to a Thursday.
            json!({"start_at": "2026-12-01T09:00", "end_at": "2026-12-03T09:00", "window": open(json!(["fri"]), "09:00", "18:00")}),
            "rules.window: it does not open between start_at and end_at",
        ),
        (
            json!({"start_at": "2026-12-01T09:00", "end_at": "2026-12-03T09:00", "recurring": {"cron": "0 9 * * fri"}}),
            "rules.recurring.cron: it never comes between start_at and end_at",
        ),
    ];
    for (rules, expected) in cases {
        let found = checked(&ruled(rules)).map(|_| ()).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with(expected), "expected `{expected}`, found `{}`", found[0]);
    }
    let mut launch = ruled(json!({"pair_rate": "x", "start_at": "y", "window": {"open": []}}));
    launch["time_zone"] = json!("Mars/Olympus");
    launch["rate"] = json!("1/s");
    let fields: Vec<String> =
        checked(&launch).unwrap_err().into_iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["rate", "time_zone", "rules.window.open", "rules.start_at", "rules.pair_rate"]);
    assert_eq!(ValidRules::of(&parse_json(&launch.to_string()).unwrap()).unwrap_err().len(), 5);
}

#[test]
fn b2_a_rate_that_lets_nothing_through_is_refused_with_the_name_of_its_field() {
    for written in ["0/s", "0/min", "0/day", "-1/s", "0.5/s", "0", ""] {
        let expected = format!("'{written}' is not a rate; write for example 80/s");
        let of_campaign = problems(whatsapp(), "/rate", json!(written));
        let of_pair = problems(ruled(json!({})), "/rules/pair_rate", json!(written));
        for (field, found) in [("rate", of_campaign), ("rules.pair_rate", of_pair)] {
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("{field}: {expected}")), "{}", found[0]);
        }
    }
}

#[test]
fn b5_a_start_that_is_over_is_no_mistake() {
    assert!(checked(&ruled(json!({"start_at": "2020-01-01T09:00"}))).is_ok());
    let recurring = json!({"start_at": "2020-01-01T09:00", "recurring": {"cron": "0 9 * * *"}});
    assert!(checked(&ruled(recurring)).is_ok());
}

#[test]
fn rules_that_can_not_be_read_are_refused_with_their_place() {
    let first = |rules: Value| {
        let found = unreadable(&ruled(rules).to_string());
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    let weekday = first(json!({"window": {"open": [{"days": ["mo"], "from": "09:00", "to": "18:00"}]}}));
    assert_eq!(
        weekday,
        "rules.window.open[0].days[0]: `mo` is none of the known words; perhaps `mon` is meant"
    );
    assert_eq!(
        first(json!({"priorty": "bulk"})),
        "rules.priorty: there is no such field; perhaps `priority` is meant"
    );
    assert!(first(json!({"priority": "urgnt"})).ends_with("perhaps `urgent` is meant"));
    let missing = first(json!({"window": {"open": [{"from": "09:00"}]}}));
    assert_eq!(missing, "rules.window.open[0].to: it is missing; add `to`; docs/launch.md describes it");
}
