use super::fields::{LAUNCH, walk};
use super::*;
use proptest::prelude::*;
use serde_json::json;

/// A launch that names every field.
fn whole() -> Value {
    json!({
        "campaign": "c", "tenant": "t", "channel": "http", "pages": ["p"],
        "audience": {
            "path": "a.csv", "inline": [{"phone": "1"}], "format": "csv", "delimiter": ",", "columns": {"address": "b"},
        },
        "message": {
            "template": {"name": "n", "language": "en", "components": []},
            "text": {"body": "b", "messaging_type": "UPDATE", "tag": "T"},
            "http": {"method": "POST", "headers": {"X-A": "b"}, "body": {}, "message_id": "/id"},
        },
        "variables": {"a": "b"}, "rate": "5/s", "max_retries": 3, "on_unknown": "keep", "time_zone": "UTC",
        "rules": {
            "priority": "normal",
            "window": {"open": [{"days": ["mon"], "from": "09:00", "to": "10:00"}], "clock": "campaign", "closed_on": ["2026-12-25"]},
            "daily_send_limit": 5, "pair_rate": "1/s", "start_at": "2026-12-01T09:00", "end_at": "2026-12-02T09:00",
            "recurring": {"cron": "0 9 * * *", "missed": "once"},
        },
    })
}

/// `rules.window.open[0].from` as a JSON pointer.
fn pointer(place: &str) -> String {
    format!("/{}", place.replace("[0]", ".0").replace('.', "/"))
}

fn lines(document: &Value) -> Vec<String> {
    mistakes(document.clone()).iter().map(ToString::to_string).collect()
}

fn places() -> Vec<String> {
    let mut places = Vec::new();
    walk(LAUNCH, "", &mut |place, _| places.push(place.to_owned()));
    places
}

#[test]
fn the_fields_are_those_that_the_reader_takes() {
    assert_eq!(lines(&whole()), [""; 0]);
    assert!(serde_json::from_value::<CampaignLaunch>(whole()).is_ok());
    for place in places() {
        let mut without = whole();
        let (parent, name) = place.rsplit_once('.').unwrap_or(("", &place));
        let parent = if parent.is_empty() { String::new() } else { pointer(parent) };
        let object = without.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
        assert!(object.remove(name).is_some(), "{place} is not in the launch that names every field");
        let reads = serde_json::from_value::<CampaignLaunch>(without.clone()).is_ok();
        assert_eq!(lines(&without).is_empty(), reads, "{place} left out");
    }
    let places = places();
    let objects = places.iter().filter(|place| {
        let value = whole().pointer(&pointer(place)).cloned();
        places.iter().any(|inner| inner.starts_with(&format!("{place}.")))
            && value.is_some_and(|value| value.is_object())
    });
    for place in objects.map(String::as_str).chain(["", "rules.window.open[0]"]) {
        let mut with = whole();
        let object = if place.is_empty() { Some(&mut with) } else { with.pointer_mut(&pointer(place)) };
        object.unwrap()["zzz"] = json!(1);
        let error = serde_json::from_value::<CampaignLaunch>(with).unwrap_err().to_string();
        let mut known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        let mut ours: Vec<&str> = places.iter().filter_map(|inner| child(place, inner)).collect();
        known.sort_unstable();
        ours.sort_unstable();
        assert_eq!(known, ours, "{place}: {error}");
    }
}

/// The name of a field right inside of `place`.
fn child<'a>(place: &str, inner: &'a str) -> Option<&'a str> {
    let rest = if place.is_empty() { inner } else { inner.strip_prefix(place)?.strip_prefix('.')? };
    (!rest.contains('.')).then_some(rest)
}

#[test]
fn g9_more_mistakes_than_anybody_reads_are_counted_and_a_long_document_is_told_its_first_one() {
    let mut launch = whole();
    launch["audience"]["inline"] = (0..1_000).map(|number| json!({"phone": number})).collect();
    let found = lines(&launch);
    assert_eq!(found.len(), TOLD_MAX + 1, "{found:?}");
    assert!(found[TOLD_MAX].starts_with("the document: there are 9"), "{}", found[TOLD_MAX]);
    assert_eq!(Details::Nothing.mistakes(launch["audience"]["inline"].clone()).len(), 1);
    launch["audience"]["inline"] = (0..100_000).map(|number| json!({"phone": number})).collect();
    let error = crate::launch::parse_json(&launch.to_string()).unwrap_err();
    assert!(matches!(&error, crate::launch::LaunchError::NotJson { line: 1, .. }), "{error}");
}

#[test]
fn every_mistake_is_told_at_once_each_with_its_place() {
    let mut launch = whole();
    launch["chanel"] = json!("http");
    launch["end_at"] = json!("2026-12-02T09:00");
    launch["max_retries"] = json!("xyz");
    launch["time_zone"] = json!("Mars/Olympus");
    launch["rules"]["window"]["open"] =
        json!([{"days": ["monday", "fry"], "from": "9 am", "to": "25:00"}, {"from": "09:00"}]);
    launch["audience"]["inline"] = json!([{"phone": "1"}, {"phone": 5}]);
    let found = lines(&launch);
    let expected = [
        "chanel: there is no such field; perhaps `channel` is meant",
        "end_at: there is no such field; it belongs to `rules.end_at`",
        "audience.inline[1].phone: `5` is no text; write it in double quotes",
        "max_retries: `xyz` is no whole number; write digits, without quotes",
        "rules.window.open[0].days[0]: `monday` is none of the known words; known are: mon, tue, wed, thu, fri, sat, sun",
        "rules.window.open[0].days[1]: `fry` is none of the known words; perhaps `fri` is meant",
        "rules.window.open[1].to: it is missing; add `to`; docs/launch.md describes it",
        "audience: `path` and `inline` are both given; keep one of them",
        "time_zone: `Mars/Olympus` is not a time zone; use an IANA name such as America/Sao_Paulo, or leave it out for UTC",
        "rules.window.open[0].from: `9 am` is not a time of day; write hours and minutes, 00:00 to 23:59",
        "rules.window.open[0].to: `25:00` is not a time of day; write hours and minutes, 00:00 to 24:00",
    ];
    for line in expected {
        assert!(found.iter().any(|found| found == line), "`{line}` is not in {found:#?}");
    }
}

#[test]
fn what_only_follows_from_a_mistake_is_not_told() {
    let found =
        lines(&json!({"campaign": "c", "chanel": "http", "pages": "p", "message": {"http": {"body": {}}}}));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("chanel: "), "and not that channel is missing");
    assert!(found[1].starts_with("pages: `p` is no list") && found[2].starts_with("audience: it is missing"));
    assert_eq!(lines(&json!([])), ["the document: a list is no object; write names and values in { and }"]);
    let many: Vec<Value> = (0..80).map(|_| json!({"phone": 5})).collect();
    let found = lines(
        &json!({"campaign": "c", "channel": "http", "pages": ["p"], "audience": {"inline": many}, "message": {"http": {"body": {}}}}),
    );
    assert_eq!(
        (found.len(), found[50].as_str()),
        (51, "the document: there are 30 more mistakes; correct these first")
    );
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        Just(json!(2.5)),
        Just(json!("")),
        Just(json!("mon")),
        Just(json!("http")),
        Just(json!({})),
        Just(json!({"xyz": "a"})),
        Just(json!({"xyz": 1})),
    ]
}

proptest! {
    #[test]
    fn a_document_is_told_a_mistake_exactly_where_the_reader_finds_one(
        changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4),
    ) {
        let places = places();
        let mut launch = whole();
        for (place, value) in changes {
            if let Some(at) = launch.pointer_mut(&pointer(&places[place.index(places.len())])) {
                *at = value;
            }
        }
        let reads = serde_json::from_value::<CampaignLaunch>(launch.clone());
        let found = mistakes(launch);
        prop_assert_eq!(found.is_empty(), reads.is_ok(), "{:?} {:?}", found, reads.err());
    }
}
