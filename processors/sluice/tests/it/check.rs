//! `campaign check` on the sample audiences: exactly the counts of their README.

use crate::support::{Place, Said, object};
use serde_json::{Value, json};

fn data(name: &str) -> String {
    format!("{}/../../tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn check(channel: &str, file: &str, message: &Value, arguments: &[&str]) -> Said {
    let place = Place::new();
    let launch = json!({
        "campaign": "c", "channel": channel, "pages": ["1"], "audience": { "path": "overridden.csv" }, "message": message,
    });
    place.write("launch.json", &launch.to_string());
    let audience = data(file);
    let mut all = vec!["campaign", "check", "launch.json", "--audience", &audience];
    all.extend(arguments);
    place.run(&all)
}

#[test]
fn a6_messenger_10_can_receive_40_can_not() {
    let message = json!({ "text": { "body": "Hi {{name}}" } });
    let said = check("messenger", "contacts-messenger.csv", &message, &[]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(
        said.out.starts_with("contacts-messenger.csv: 50 rows. Messenger: 10 can receive, 40 can't.\n"),
        "{said:?}"
    );
    assert!(said.out.contains("missing_address") && said.out.contains("line"), "{said:?}");
    assert!(said.out.ends_with("Nothing was sent.\n"), "{said:?}");
}

#[test]
fn a6_instagram_5_can_receive_of_27_with_the_flag() {
    let message = json!({ "text": { "body": "Hi" } });
    let report = object(&check("instagram", "contacts-messenger.csv", &message, &["--json"]).out);
    assert_eq!((&report["rows"], &report["valid"]), (&json!(50), &json!(5)));
    let skipped = &report["skipped"];
    let without_id =
        skipped["missing_address"].as_u64().unwrap_or(0) + skipped["invalid_address"].as_u64().unwrap_or(0);
    assert_eq!((without_id, &skipped["no_opt_in"]), (22, &json!(23)));
}

#[test]
fn a6_whatsapp_15_can_receive_of_the_messy_file() {
    let components = json!([{ "type": "body", "parameters": [
        { "type": "text", "text": "{{coupon}}" }, { "type": "text", "text": "{{first_name}}" },
    ]}]);
    let message = json!({ "template": { "name": "t", "language": "en_US", "components": components } });
    let report = object(&check("whatsapp", "contacts-messy.csv", &message, &["--json"]).out);
    assert_eq!(
        (&report["rows"], &report["valid"], &report["valid_without_variables"]),
        (&json!(26), &json!(15), &json!(2))
    );
    let skipped = &report["skipped"];
    let expected = [("duplicate", 1), ("opted_out", 1), ("no_opt_in", 1), ("malformed_row", 2)];
    for (reason, rows) in expected {
        assert_eq!(skipped[reason], json!(rows), "{reason}");
    }
    let phones =
        skipped["missing_address"].as_u64().unwrap_or(0) + skipped["invalid_address"].as_u64().unwrap_or(0);
    assert_eq!(phones, 6);
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(1));

    let said = check("whatsapp", "contacts-messy.csv", &message, &[]);
    assert!(said.out.contains("15 can receive, 11 can't."), "{said:?}");
    assert!(said.out.contains("`coupon`") && said.out.contains("`first_name`"), "{said:?}");
}

#[test]
fn the_rejected_rows_are_written_for_repair() {
    let place = Place::new();
    let launch = json!({
        "campaign": "c", "channel": "messenger", "pages": ["1"], "audience": { "path": data("contacts-messenger.csv") },
        "message": { "text": { "body": "Hi" } },
    });
    place.write("launch.json", &launch.to_string());
    let said = place.run(&["campaign", "check", "launch.json", "--rejected", "rejected.csv"]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(std::fs::read_to_string(place.path("rejected.csv")).unwrap().lines().count(), 41);
}

#[test]
fn an_audience_in_which_nobody_can_receive_exits_with_1() {
    let place = Place::new();
    place.write("none.csv", "psid\nx\n");
    let launch = json!({
        "campaign": "c", "channel": "messenger", "pages": ["1"], "audience": { "path": "none.csv" },
        "message": { "text": { "body": "Hi" } },
    });
    place.write("launch.json", &launch.to_string());
    assert_eq!(place.run(&["campaign", "check", "launch.json"]).exit, 1);
    // Nobody is there.
    place.write("none.csv", "psid\n");
    assert_eq!(place.run(&["campaign", "check", "launch.json"]).exit, 1);
}

#[test]
fn a7_a_preview_says_who_from_when_to_when_and_what_keeps_it_from_being_sent() {
    let place = Place::new();
    let launch = json!({
        "campaign": "c", "channel": "messenger", "pages": ["1"], "audience": { "path": "overridden.csv" },
        "message": { "text": { "body": "Hi" } }, "rate": "1/min", "rules": { "start_at": "2099-12-01T09:00" },
    });
    place.write("launch.json", &launch.to_string());
    let audience = data("contacts-messenger.csv");
    let arguments = ["campaign", "preview", "launch.json", "--audience", &audience];
    let said = place.run(&arguments);
    // The page has no token: it is said, and nothing else is kept back.
    assert_eq!(said.exit, 1, "{said:?}");
    for part in [
        "10 can receive",
        "Earliest start: 2099-12-01 09:00 UTC, in ",
        "limited by its 1/min",
        "It can't be sent yet",
    ] {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    let answer = object(&place.run(&[&arguments[..], &["--json"]].concat()).out);
    assert_eq!((&answer["can_send"], &answer["check"]["valid"]), (&json!(false), &json!(10)));
    let preview = &answer["preview"];
    let took = preview["estimated_end_ms"].as_i64().unwrap() - preview["earliest_start_ms"].as_i64().unwrap();
    assert!((9 * 60_000..=10 * 60_000).contains(&took), "ten calls, one a minute: {preview}");
}
