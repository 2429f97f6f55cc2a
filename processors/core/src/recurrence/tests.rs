use super::*;
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn ms(instant: &str) -> i64 {
    instant.parse::<Timestamp>().unwrap().as_millisecond()
}

fn recurrence(cron: &str, name: &str) -> Recurrence {
    Recurrence::check(cron, zone(name)).unwrap()
}

/// The first occurrences after an instant.
fn following(cron: &str, name: &str, after: &str, count: usize) -> Vec<String> {
    let recurrence = recurrence(cron, name);
    let next = |at: &i64| recurrence.next_after(*at);
    let occurrences = std::iter::successors(recurrence.next_after(ms(after)), next);
    occurrences.take(count).map(|at| Timestamp::from_millisecond(at).unwrap().to_string()).collect()
}

#[test]
fn b5_cron_means_the_clock_of_the_zone() {
    let at = |cron| following(cron, "America/Sao_Paulo", "2026-11-20T12:00:00Z", 2);
    assert_eq!(at("0 9 * * mon-fri"), ["2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z"]);
    assert_eq!(at("30 18 1 * *"), ["2026-12-01T21:30:00Z", "2027-01-01T21:30:00Z"]);
    assert_eq!(at("0 9 L * *"), ["2026-11-30T12:00:00Z", "2026-12-31T12:00:00Z"]);
    assert_eq!(at("0 0 29 2 *"), ["2028-02-29T03:00:00Z", "2032-02-29T03:00:00Z"]);
    // Both kinds of days restricted: either will do.
    assert_eq!(at("0 9 1 * sat"), ["2026-11-21T12:00:00Z", "2026-11-28T12:00:00Z"]);
    // The moment itself is not after itself, nor is one ms later.
    assert_eq!(at("0 9 * * *"), ["2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z"]);
    let daily = recurrence("0 9 * * *", "UTC");
    assert_eq!(daily.next_after(ms("2026-11-20T08:59:59.999Z")), Some(ms("2026-11-20T09:00:00Z")));
    assert_eq!(daily.next_after(ms("2026-11-20T09:00:00.001Z")), Some(ms("2026-11-21T09:00:00Z")));
}

#[test]
fn b5_a_fixed_time_that_is_skipped_comes_after_the_gap_and_a_repeated_one_once() {
    // Berlin: 02:00 to 03:00 is skipped on 2026-03-29 and repeated on 2026-10-25.
    let berlin = |after| following("30 2 * * *", "Europe/Berlin", after, 3);
    assert_eq!(
        berlin("2026-03-28T00:00:00Z"),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        berlin("2026-10-24T00:00:00Z"),
        ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // The southern hemisphere: half an hour in Lord Howe, midnight in Santiago.
    let lord_howe = following("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2);
    assert_eq!(lord_howe, ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]);
    let santiago = following("0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", 2);
    assert_eq!(santiago, ["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"]);
}

#[test]
fn b5_what_repeats_within_the_day_follows_the_clock() {
    let spring = following("30 * * * *", "Europe/Berlin", "2026-03-28T23:45:00Z", 3);
    assert_eq!(spring, ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"]);
    let autumn = following("30 2,3 * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 3);
    assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]);
}

#[test]
fn b5_of_several_missed_occurrences_the_newest_starts_or_none() {
    let daily = recurrence("0 9 * * *", "UTC");
    let last = ms("2026-11-20T09:00:00Z");
    let due = |now: &str, missed| daily.due(last, ms(now), missed);
    assert_eq!(due("2026-11-21T08:59:59.999Z", Missed::Once), None);
    assert_eq!(due("2026-11-21T09:00:00Z", Missed::Once), Some(ms("2026-11-21T09:00:00Z")));
    assert_eq!(due("2026-11-25T17:00:00.500Z", Missed::Once), Some(ms("2026-11-25T09:00:00Z")));
    assert_eq!(due("2026-11-25T17:00:00Z", Missed::Skip), None);
    assert_eq!(due("2026-11-25T09:05:00Z", Missed::Skip), Some(ms("2026-11-25T09:00:00Z")));
    assert_eq!(due("2026-11-25T09:05:00.001Z", Missed::Skip), None);
    assert_eq!(
        due("2026-11-19T12:00:00Z", Missed::Once),
        None,
        "a clock that steps back starts nothing again"
    );
}

#[test]
fn b5_an_expression_that_can_not_be_meant_is_refused() {
    let problem = |cron: &str| Recurrence::check(cron, TimeZone::UTC).unwrap_err().to_string();
    for (cron, expected) in [
        ("", "`` does not have five fields"),
        ("@daily", "does not have five fields"),
        ("0 0 9 * * mon", "does not have five fields"),
        ("0 25 * * *", "`0 25 * * *` can't be read"),
        ("0 9 * * someday", "can't be read"),
        ("0 9 30 2 *", "`0 9 30 2 *` never comes"),
        ("0 9 31 4,6,9,11 *", "never comes"),
    ] {
        let found = problem(cron);
        assert!(found.starts_with("rules.recurring.cron: ") && found.contains(expected), "{found}");
    }
}

#[test]
fn b5_an_occurrence_has_one_name_and_no_other_has_it() {
    let at = ms("2026-12-01T09:00:00Z");
    assert_eq!(occurrence_name("digest", at), "digest-20261201t0900z");
    let longest = "x".repeat(49);
    assert_eq!(occurrence_name(&longest, at), format!("{longest}-20261201t0900z"));
    let (a, b) = (occurrence_name(&"x".repeat(63), at), occurrence_name(&"x".repeat(64), at));
    assert!(a != b && a.len() == 64 && b.len() == 64, "{a} {b}");
    // Both passes of a repeated hour.
    let twice = following("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 2);
    assert_ne!(occurrence_name("digest", ms(&twice[0])), occurrence_name("digest", ms(&twice[1])));
}

fn crons() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        Just("*/15".to_owned()),
        Just("30".to_owned()),
        Just("0,45".to_owned()),
        (0u32..60).prop_map(|m| m.to_string())
    ];
    let hour = prop_oneof![
        Just("*".to_owned()),
        Just("1-3".to_owned()),
        (0u32..24).prop_map(|hour| hour.to_string())
    ];
    let day = prop::sample::select(vec!["* * *", "* * sun", "1,15 * *", "* 3,4,10 *", "L * *"]);
    (minute, hour, day).prop_map(|(minute, hour, day)| format!("{minute} {hour} {day}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn b5_what_is_due_is_the_last_of_those_that_follow(
        cron in crons(),
        name in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"]),
        month in 0i64..12, back in 0i64..5 * 86_400_000, pause in 0i64..3 * 86_400_000,
    ) {
        let recurrence = recurrence(&cron, name);
        // Around the days on which clocks change, and others.
        let transition = ["2026-03-08T07:00:00Z", "2026-03-29T01:00:00Z", "2026-04-04T15:00:00Z", "2026-04-05T03:00:00Z",
            "2026-09-06T04:00:00Z", "2026-10-03T15:30:00Z", "2026-10-25T01:00:00Z", "2026-11-01T06:00:00Z"][month as usize % 8];
        let last = ms(transition) - back;
        let now = last + pause;
        let mut newest = None;
        let mut next = recurrence.next_after(last);
        while let Some(at) = next.filter(|at| *at <= now) {
            prop_assert!(newest.is_none_or(|newest| at > newest));
            newest = Some(at);
            next = recurrence.next_after(at);
        }
        prop_assert_eq!(recurrence.due(last, now, Missed::Once), newest, "{} {}", cron, name);
    }

    #[test]
    fn any_text_is_an_expression_or_refused_and_never_a_panic(
        fields in prop::collection::vec("[0-9*,/LW#?+a-z@\\-]{1,6}|\\PC{0,4}", 5),
    ) {
        let _either = Recurrence::check(&fields.join(" "), TimeZone::UTC);
    }
}
