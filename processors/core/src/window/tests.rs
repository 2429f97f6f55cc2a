use super::*;
use proptest::prelude::*;
use sluice_schemas::OpenHours;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn ms(instant: &str) -> i64 {
    instant.parse::<Timestamp>().unwrap().as_millisecond()
}

fn hours(days: &[Weekday], from: &str, to: &str) -> OpenHours {
    OpenHours { days: days.to_vec(), from: from.to_owned(), to: to.to_owned() }
}

fn spec(open: &[OpenHours], closed_on: &[&str]) -> SendWindow {
    let closed_on = closed_on.iter().map(|day| (*day).to_owned()).collect();
    SendWindow { open: open.to_vec(), clock: WindowClock::Campaign, closed_on }
}

fn window(open: &[OpenHours], closed_on: &[&str]) -> Window {
    Window::check(&spec(open, closed_on)).unwrap()
}

fn daily(from: &str, to: &str) -> Window {
    window(&[hours(&[], from, to)], &[])
}

fn open_until(instant: &str) -> Opening {
    Opening::Open { until_ms: Some(ms(instant)) }
}

fn closed_until(instant: &str) -> Opening {
    Opening::Closed { opens_ms: Some(ms(instant)) }
}

const ALWAYS: Opening = Opening::Open { until_ms: None };
const WORKDAYS: [Weekday; 5] = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];

#[test]
fn b1_hours_and_weekdays_hold_in_the_zone() {
    let window = window(&[hours(&WORKDAYS, "09:00", "12:00"), hours(&WORKDAYS, "18:00", "21:00")], &[]);
    let zone = zone("America/Sao_Paulo");
    // 2026-11-20 is a Friday; Sao Paulo is 3 h behind.
    assert_eq!(window.at(&zone, ms("2026-11-20T11:59:59.999Z")), closed_until("2026-11-20T12:00:00Z"));
    assert_eq!(window.at(&zone, ms("2026-11-20T12:00:00Z")), open_until("2026-11-20T15:00:00Z"));
    assert_eq!(window.at(&zone, ms("2026-11-20T14:59:59.999Z")), open_until("2026-11-20T15:00:00Z"));
    assert_eq!(window.at(&zone, ms("2026-11-20T15:00:00Z")), closed_until("2026-11-20T21:00:00Z"));
    assert_eq!(window.at(&zone, ms("2026-11-21T00:00:00Z")), closed_until("2026-11-23T12:00:00Z"));
}

#[test]
fn b1_hours_over_midnight_belong_to_the_day_they_start_on() {
    let window = window(&[hours(&[Weekday::Sat], "22:00", "02:00")], &["2026-11-28"]);
    let utc = TimeZone::UTC;
    assert_eq!(window.at(&utc, ms("2026-11-21T22:00:00Z")), open_until("2026-11-22T02:00:00Z"));
    assert_eq!(window.at(&utc, ms("2026-11-22T01:00:00Z")), open_until("2026-11-22T02:00:00Z"));
    // Closed on the 28th: neither that evening nor the night after it; the 5th is the next.
    assert_eq!(window.at(&utc, ms("2026-11-22T02:00:00Z")), closed_until("2026-12-05T22:00:00Z"));
    assert_eq!(window.at(&utc, ms("2026-11-29T01:00:00Z")), closed_until("2026-12-05T22:00:00Z"));
}

#[test]
fn b1_a_closed_day_does_not_cut_the_night_that_began_before_it() {
    let window = window(&[hours(&[], "22:00", "06:00")], &["2026-12-25"]);
    let utc = TimeZone::UTC;
    assert_eq!(window.at(&utc, ms("2026-12-25T05:00:00Z")), open_until("2026-12-25T06:00:00Z"));
    assert_eq!(window.at(&utc, ms("2026-12-25T06:00:00Z")), closed_until("2026-12-26T22:00:00Z"));
}

#[test]
fn b1_hours_that_adjoin_or_overlap_are_one_opening() {
    let night = window(
        &[hours(&[], "18:00", "24:00"), hours(&[], "00:00", "06:00"), hours(&[], "05:00", "07:30")],
        &[],
    );
    assert_eq!(night.at(&TimeZone::UTC, ms("2026-11-20T19:00:00Z")), open_until("2026-11-21T07:30:00Z"));
    let friday =
        window(&[hours(&[Weekday::Fri], "12:00", "00:00"), hours(&[Weekday::Sat], "00:00", "24:00")], &[]);
    assert_eq!(friday.at(&TimeZone::UTC, ms("2026-11-20T12:00:00Z")), open_until("2026-11-22T00:00:00Z"));
}

#[test]
fn b1_the_whole_week_never_closes_but_for_closed_days() {
    let week =
        |closed_on: &[&str]| window(&[hours(&[], "00:00", "12:00"), hours(&[], "12:00", "24:00")], closed_on);
    let berlin = zone("Europe/Berlin");
    let now = ms("2026-11-20T12:00:00Z");
    assert_eq!(week(&[]).at(&berlin, now), ALWAYS);
    assert_eq!(Window::always().at(&berlin, now), ALWAYS);
    let closed = week(&["2026-12-25", "2028-12-25"]);
    assert_eq!(closed.at(&berlin, now), open_until("2026-12-24T23:00:00Z"));
    assert_eq!(closed.at(&berlin, ms("2026-12-25T12:00:00Z")), closed_until("2026-12-25T23:00:00Z"));
    assert_eq!(closed.at(&berlin, ms("2026-12-26T12:00:00Z")), open_until("2028-12-24T23:00:00Z"));
    assert_eq!(closed.at(&berlin, ms("2029-01-01T00:00:00Z")), ALWAYS);
}

/// What each instant says: `(zone, hours, instant, answer)`.
type Transition = (&'static str, Window, &'static str, Opening);

#[test]
fn g5_hours_that_open_or_close_inside_a_gap() {
    let cases: [Transition; 8] = [
        // Berlin skips 02:00 to 03:00 at 2026-03-29T01:00Z.
        (
            "Europe/Berlin",
            daily("02:30", "04:00"),
            "2026-03-29T00:59:59.999Z",
            closed_until("2026-03-29T01:00:00Z"),
        ),
        (
            "Europe/Berlin",
            daily("02:30", "04:00"),
            "2026-03-29T01:00:00Z",
            open_until("2026-03-29T02:00:00Z"),
        ),
        (
            "Europe/Berlin",
            daily("01:00", "02:30"),
            "2026-03-29T00:30:00Z",
            open_until("2026-03-29T01:00:00Z"),
        ),
        // Hours that lie inside the gap do not open on that day.
        (
            "Europe/Berlin",
            daily("02:10", "02:50"),
            "2026-03-29T00:30:00Z",
            closed_until("2026-03-30T00:10:00Z"),
        ),
        (
            "Europe/Berlin",
            daily("00:00", "09:00"),
            "2026-03-29T00:00:00Z",
            open_until("2026-03-29T07:00:00Z"),
        ),
        // The southern hemisphere: Santiago skips 00:00 to 01:00 at 2026-09-06T04:00Z.
        (
            "America/Santiago",
            daily("00:30", "02:00"),
            "2026-09-06T03:00:00Z",
            closed_until("2026-09-06T04:00:00Z"),
        ),
        // Lord Howe skips 02:00 to 02:30 at 2026-10-03T15:30Z.
        (
            "Australia/Lord_Howe",
            daily("02:15", "03:00"),
            "2026-10-03T15:00:00Z",
            closed_until("2026-10-03T15:30:00Z"),
        ),
        (
            "Australia/Lord_Howe",
            daily("02:15", "03:00"),
            "2026-10-03T15:30:00Z",
            open_until("2026-10-03T16:00:00Z"),
        ),
    ];
    for (name, window, instant, answer) in cases {
        assert_eq!(window.at(&zone(name), ms(instant)), answer, "{name} {instant}");
    }
}

#[test]
fn g5_an_hour_that_comes_twice_is_open_both_times() {
    let cases: [Transition; 9] = [
        // New York repeats 01:00 to 02:00 at 2026-11-01T06:00Z.
        (
            "America/New_York",
            daily("01:00", "02:00"),
            "2026-11-01T05:00:00Z",
            open_until("2026-11-01T07:00:00Z"),
        ),
        (
            "America/New_York",
            daily("01:30", "02:00"),
            "2026-11-01T05:00:00Z",
            closed_until("2026-11-01T05:30:00Z"),
        ),
        (
            "America/New_York",
            daily("01:30", "02:00"),
            "2026-11-01T05:30:00Z",
            open_until("2026-11-01T06:00:00Z"),
        ),
        (
            "America/New_York",
            daily("01:30", "02:00"),
            "2026-11-01T06:00:00Z",
            closed_until("2026-11-01T06:30:00Z"),
        ),
        (
            "America/New_York",
            daily("01:30", "02:00"),
            "2026-11-01T06:30:00Z",
            open_until("2026-11-01T07:00:00Z"),
        ),
        (
            "America/New_York",
            daily("00:00", "01:30"),
            "2026-11-01T04:00:00Z",
            open_until("2026-11-01T05:30:00Z"),
        ),
        // Auckland repeats 02:00 to 03:00 at 2026-04-04T14:00Z.
        (
            "Pacific/Auckland",
            daily("02:00", "03:00"),
            "2026-04-04T13:30:00Z",
            open_until("2026-04-04T15:00:00Z"),
        ),
        // Lord Howe repeats 01:30 to 02:00 at 2026-04-04T15:00Z.
        (
            "Australia/Lord_Howe",
            daily("01:30", "02:00"),
            "2026-04-04T14:30:00Z",
            open_until("2026-04-04T15:30:00Z"),
        ),
        (
            "Australia/Lord_Howe",
            daily("01:00", "01:45"),
            "2026-04-04T14:00:00Z",
            open_until("2026-04-04T14:45:00Z"),
        ),
    ];
    for (name, window, instant, answer) in cases {
        assert_eq!(window.at(&zone(name), ms(instant)), answer, "{name} {instant}");
    }
}

#[test]
fn g5_a_midnight_that_clocks_skip_or_repeat() {
    // Beirut skips 00:00 to 01:00 on 2026-03-29 at 2026-03-28T22:00Z; the 29th is closed.
    let beirut = window(&[hours(&[], "00:00", "24:00")], &["2026-03-29"]);
    assert_eq!(
        beirut.at(&zone("Asia/Beirut"), ms("2026-03-28T12:00:00Z")),
        open_until("2026-03-28T22:00:00Z")
    );
    assert_eq!(
        beirut.at(&zone("Asia/Beirut"), ms("2026-03-28T22:00:00Z")),
        closed_until("2026-03-29T21:00:00Z")
    );
    // Santiago puts 24:00 back to 23:00 on 2026-04-04, at 2026-04-05T03:00Z: an hour of a Saturday comes twice.
    let saturday = window(&[hours(&[Weekday::Sat], "23:00", "24:00")], &[]);
    assert_eq!(
        saturday.at(&zone("America/Santiago"), ms("2026-04-05T02:00:00Z")),
        open_until("2026-04-05T04:00:00Z")
    );
    // Samoa left out 2011-12-30, a Friday.
    let friday = window(&[hours(&[Weekday::Fri], "00:00", "24:00")], &[]);
    assert_eq!(
        friday.at(&zone("Pacific/Apia"), ms("2011-12-29T12:00:00Z")),
        closed_until("2012-01-05T10:00:00Z")
    );
}

#[test]
fn b3_nothing_starts_before_its_day() {
    let window = daily("09:00", "18:00");
    let (zone, day) = (zone("America/Sao_Paulo"), moment::date("2026-12-01"));
    let at_day = |instant: &str| window.at_day(&zone, day, ms(instant));
    assert_eq!(at_day("2026-11-20T15:00:00Z"), closed_until("2026-12-01T12:00:00Z"));
    assert_eq!(at_day("2026-12-01T02:59:59.999Z"), closed_until("2026-12-01T12:00:00Z"));
    assert_eq!(at_day("2026-12-01T12:00:00Z"), open_until("2026-12-01T21:00:00Z"));
    let always = Window::always();
    assert_eq!(always.at_day(&zone, day, ms("2026-11-20T15:00:00Z")), closed_until("2026-12-01T03:00:00Z"));
    assert_eq!(always.at_day(&zone, day, ms("2026-12-01T03:00:00Z")), ALWAYS);
    assert_eq!(always.at_day(&zone, None, ms("2026-11-20T15:00:00Z")), ALWAYS);
}

#[test]
fn b1_a_window_that_never_opens_or_makes_no_sense_is_refused_by_its_field() {
    let refused = |spec: &SendWindow| -> Vec<String> {
        Window::check(spec).unwrap_err().iter().map(ToString::to_string).collect()
    };
    let cases = [
        (spec(&[], &[]), "rules.window.open: it never opens"),
        (
            spec(&[hours(&[], "09:00", "12:00"), hours(&[], "9", "12:00")], &[]),
            "rules.window.open[1].from: `9` is not",
        ),
        (spec(&[hours(&[], "24:00", "06:00")], &[]), "rules.window.open[0].from: `24:00` is not"),
        (spec(&[hours(&[], "09:00", "24:01")], &[]), "rules.window.open[0].to: `24:01` is not"),
        (spec(&[hours(&[], "09:60", "+1:00")], &[]), "rules.window.open[0].from: `09:60` is not"),
        (
            spec(&[hours(&[], "09:00", "09:00")], &[]),
            "rules.window.open[0].to: `09:00` is also when it opens",
        ),
        (spec(&[hours(&[], "00:00", "00:00")], &[]), "for the whole day write from 00:00 to 24:00"),
        (
            spec(&[hours(&[], "09:00", "18:00")], &["2026-02-29"]),
            "rules.window.closed_on[0]: `2026-02-29` is not a date",
        ),
        (spec(&vec![hours(&[], "09:00", "18:00"); 101], &[]), "rules.window.open: it has more than 100"),
        (
            spec(&[hours(&[], "09:00", "18:00")], &["2026-01-01"; 1_001]),
            "rules.window.closed_on: it has more",
        ),
    ];
    for (spec, expected) in cases {
        let found = refused(&spec);
        assert!(found.iter().any(|line| line.contains(expected)), "expected `{expected}` in {found:?}");
    }
    assert_eq!(refused(&spec(&[hours(&[], "a", "b")], &["c"])).len(), 3, "all at once");
}

#[test]
fn times_that_cannot_be_computed_with_are_closed() {
    let window = daily("09:00", "18:00");
    for at_ms in [i64::MIN, i64::MAX] {
        assert_eq!(window.at(&TimeZone::UTC, at_ms), Opening::Closed { opens_ms: None });
    }
}

/// The rule in its own words: what a clock in the zone shows lies in the hours of its day or of the day before.
fn oracle(spec: &SendWindow, zone: &TimeZone, at_ms: i64) -> bool {
    let local = zone.to_datetime(Timestamp::from_millisecond(at_ms).unwrap());
    let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
    let time = |text: &str| text[..2].parse::<i64>().unwrap() * 60 + text[3..].parse::<i64>().unwrap();
    spec.open.iter().any(|open| {
        let (from, to) = (time(&open.from), time(&open.to));
        let opens_on = |day: Date| {
            let listed = open.days.is_empty()
                || open
                    .days
                    .iter()
                    .any(|listed| position(*listed) as i8 == day.weekday().to_monday_zero_offset());
            listed && !spec.closed_on.contains(&day.to_string())
        };
        if from < to {
            return opens_on(local.date()) && (from..to).contains(&minute);
        }
        let began_before = minute < to && opens_on(local.date().yesterday().unwrap());
        began_before || (minute >= from && opens_on(local.date()))
    })
}

const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/Havana",
    "Pacific/Chatham",
    "Asia/Beirut",
];

fn specs() -> impl Strategy<Value = SendWindow> {
    let day = prop::sample::select(vec![
        Weekday::Mon,
        Weekday::Tue,
        Weekday::Wed,
        Weekday::Thu,
        Weekday::Fri,
        Weekday::Sat,
        Weekday::Sun,
    ]);
    // Around the hours at which clocks change, more often than elsewhere.
    let minute = prop_oneof![0u32..1_440, 0u32..240, (0u32..48).prop_map(|half| half * 30)];
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let open =
        (prop::collection::vec(day, 0..7), minute.clone(), minute).prop_map(move |(days, from, to)| {
            let to = if from == to { 24 * 60 } else { to };
            hours(&days, &time(from), &time(to))
        });
    let closed = prop::collection::vec(0i64..366, 0..12).prop_map(|days| {
        let first = jiff::civil::date(2026, 1, 1);
        days.into_iter().map(|day| (first + jiff::Span::new().days(day)).to_string()).collect()
    });
    (prop::collection::vec(open, 1..4), closed).prop_map(|(open, closed_on)| SendWindow {
        open,
        clock: WindowClock::Recipient,
        closed_on,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn g5_a_year_minute_by_minute_agrees_with_what_clocks_show(spec in specs(), name in prop::sample::select(&ZONES)) {
        const MINUTE: i64 = 60_000;
        let (window, zone) = (Window::check(&spec).unwrap(), zone(name));
        let (begin, end) = (ms("2026-01-01T00:00:00Z"), ms("2027-01-01T00:00:00Z"));
        let mut answer = window.at(&zone, begin);
        let mut at_ms = begin;
        while at_ms < end {
            if answer.turns_ms().is_some_and(|turns_ms| turns_ms <= at_ms) {
                prop_assert_eq!(answer.turns_ms(), Some(at_ms), "a turn lies between two minutes");
                prop_assert_eq!(window.at(&zone, at_ms - 1), answer);
                let next = window.at(&zone, at_ms);
                prop_assert_ne!(next.is_open(), answer.is_open());
                answer = next;
            }
            prop_assert_eq!(answer.is_open(), oracle(&spec, &zone, at_ms), "{} {}", name, Timestamp::from_millisecond(at_ms).unwrap());
            at_ms += MINUTE;
        }
    }

    #[test]
    fn g5_who_asks_anywhere_gets_the_same_turn(spec in specs(), name in prop::sample::select(&ZONES), at in 0i64..31_536_000_000) {
        let (window, zone) = (Window::check(&spec).unwrap(), zone(name));
        let at_ms = ms("2026-01-01T00:00:00Z") + at;
        let answer = window.at(&zone, at_ms);
        if let Some(turns_ms) = answer.turns_ms() {
            prop_assert!(turns_ms > at_ms);
            prop_assert_eq!(window.at(&zone, (at_ms + turns_ms) / 2), answer);
            prop_assert_eq!(window.at(&zone, turns_ms - 1), answer);
            prop_assert_ne!(window.at(&zone, turns_ms).is_open(), answer.is_open());
        }
    }
}
