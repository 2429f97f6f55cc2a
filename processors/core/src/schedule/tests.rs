use super::*;
use proptest::prelude::*;
use sluice_schemas::{Channel, Missed, OpenHours, Recurring, SendWindow, WindowClock};

const HOUR: i64 = 3_600_000;
/// 2026-12-01T00:00Z.
const T0: i64 = 1_796_083_200_000;

fn row(rules: Rules) -> CampaignRow {
    let bare = CampaignLaunch::bare("digest", Channel::Http, vec!["page".to_owned()]);
    CampaignRow::launched(CampaignLaunch { rules, ..bare }, T0)
}

fn rules(start_at: Option<&str>, end_at: Option<&str>, cron: Option<(&str, Missed)>) -> Rules {
    Rules {
        start_at: start_at.map(str::to_owned),
        end_at: end_at.map(str::to_owned),
        recurring: cron.map(|(cron, missed)| Recurring { cron: cron.to_owned(), missed }),
        ..Rules::default()
    }
}

fn valid(rules: Rules) -> ValidRules {
    row(rules).valid_rules().unwrap()
}

#[test]
fn b5_a_launch_starts_at_once_at_its_time_or_at_its_first_occurrence() {
    let start = |rules| starts_ms(&valid(rules), T0);
    assert_eq!(start(rules(None, None, None)), None);
    assert_eq!(start(rules(Some("2020-01-01T00:00"), None, None)), None, "it is over");
    assert_eq!(start(rules(Some("2026-12-01T09:00"), None, None)), Some(T0 + 9 * HOUR));
    let hourly = Some(("0 * * * *", Missed::Once));
    assert_eq!(start(rules(None, None, hourly)), Some(T0 + HOUR), "the one of this moment is over");
    assert_eq!(start(rules(Some("2026-12-01T09:00"), None, hourly)), Some(T0 + 9 * HOUR));
    assert_eq!(start(rules(Some("2026-12-01T09:01"), None, hourly)), Some(T0 + 10 * HOUR));
}

#[test]
fn b5_a_scheduled_campaign_waits_starts_and_is_over_at_its_end() {
    let rules = valid(rules(Some("2026-12-01T09:00"), Some("2026-12-01T12:00"), None));
    let at = |hours: i64| due(T0 + 9 * HOUR, &rules, T0 + hours * HOUR);
    assert_eq!(at(8), Due::Wait { until_ms: T0 + 9 * HOUR });
    assert_eq!((at(9), at(11)), (Due::Start, Due::Start), "also after downtime");
    assert_eq!(at(12), Due::Over);
}

#[test]
fn b5_a_scheduled_campaign_is_looked_at_at_its_start_or_its_end_or_now_where_something_is_booked() {
    let daily = Some(("0 9 * * *", Missed::Once));
    let waits = |end_at: Option<&str>| {
        let row = row(Rules { end_at: end_at.map(str::to_owned), ..rules(None, None, daily) });
        CampaignRow { state: CampaignState::Scheduled, starts_at_ms: T0 + 9 * HOUR, ..row }
    };
    assert_eq!(waits(None).wakes_ms(), T0 + 9 * HOUR);
    assert_eq!(waits(Some("2026-12-02T00:00")).wakes_ms(), T0 + 9 * HOUR);
    assert_eq!(waits(Some("2026-12-01T03:00")).wakes_ms(), T0 + 3 * HOUR, "nothing comes before it");
    assert_eq!(last_is_booked().wakes_ms(), T0 + 2 * HOUR);
}

#[test]
fn b5_an_occurrence_that_leaves_no_time_before_the_end_is_none() {
    let hours = OpenHours { days: Vec::new(), from: "00:00".to_owned(), to: "02:30".to_owned() };
    let window = SendWindow { open: vec![hours], clock: WindowClock::Campaign, closed_on: Vec::new() };
    let hourly = rules(None, Some("2026-12-01T20:00"), Some(("0 * * * *", Missed::Once)));
    let open = valid(Rules { window: Some(window), ..hourly });
    let at = |starts: i64, now: i64| due(T0 + starts * HOUR, &open, T0 + now * HOUR);
    assert_eq!(at(1, 1), Due::Occurrence { at_ms: T0 + HOUR, next_ms: Some(T0 + 2 * HOUR) });
    assert_eq!(at(2, 2), Due::Occurrence { at_ms: T0 + 2 * HOUR, next_ms: None });
    assert_eq!(at(2, 3), Due::Over, "late, it could call nobody");
}

#[test]
fn b5_of_missed_occurrences_at_most_one_starts_late() {
    let due_at = |missed, hours: i64, minutes: i64| {
        let rules = valid(rules(None, None, Some(("0 * * * *", missed))));
        due(T0 + HOUR, &rules, T0 + hours * HOUR + minutes * 60_000)
    };
    let occurrence = |at: i64| Due::Occurrence { at_ms: T0 + at * HOUR, next_ms: Some(T0 + (at + 1) * HOUR) };
    assert_eq!(due_at(Missed::Once, 0, 59), Due::Wait { until_ms: T0 + HOUR });
    assert_eq!(due_at(Missed::Once, 1, 0), occurrence(1));
    assert_eq!(due_at(Missed::Once, 7, 30), occurrence(7), "the newest");
    assert_eq!(due_at(Missed::Skip, 7, 30), Due::Skip { next_ms: Some(T0 + 8 * HOUR) });
    assert_eq!(due_at(Missed::Skip, 7, 2), occurrence(7), "a restart is no downtime");
}

#[test]
fn b5_the_last_occurrence_is_before_the_end() {
    let rules = valid(rules(None, Some("2026-12-01T03:00"), Some(("0 * * * *", Missed::Once))));
    let at = |starts: i64, now: i64| due(T0 + starts * HOUR, &rules, T0 + now * HOUR);
    assert_eq!(at(1, 1), Due::Occurrence { at_ms: T0 + HOUR, next_ms: Some(T0 + 2 * HOUR) });
    assert_eq!(at(2, 2), Due::Occurrence { at_ms: T0 + 2 * HOUR, next_ms: None });
    assert_eq!((at(2, 3), at(3, 2)), (Due::Over, Due::Over));
}

#[test]
fn b5_an_occurrence_is_the_launch_under_the_terms_in_force_and_does_not_recur() {
    let mut row = row(rules(Some("2026-12-01T00:00"), None, Some(("0 9 * * *", Missed::Once))));
    row.changed = Some(Terms { rate: Some("5/s".to_owned()), ..row.terms() });
    let launch = row.occurrence(T0 + 9 * HOUR);
    assert_eq!((launch.campaign.as_str(), launch.rate.as_deref()), ("digest-20261201t0900z", Some("5/s")));
    assert_eq!(launch.rules, Rules::default());
    assert_eq!(CampaignRow::launched(launch, T0).state, CampaignState::Running);
}

#[test]
fn b5_an_occurrence_is_booked_then_crossed_out_and_the_last_one_ends_the_campaign() {
    let rules = rules(None, None, Some(("0 * * * *", Missed::Once)));
    let waits = CampaignRow { state: CampaignState::Scheduled, starts_at_ms: T0, ..row(rules) };
    let booked = waits.after(&waits.book(T0, Some(T0 + HOUR), T0 + 5)).unwrap();
    assert_eq!((booked.booked_ms(), booked.starts_at_ms), (Some(T0), T0 + HOUR));
    assert_eq!(booked.after(&waits.book(T0, Some(T0 + HOUR), T0 + 6)), None, "another process was faster");
    let launched = booked.after(&booked.cross_out(T0, T0 + 9)).unwrap();
    assert_eq!((launched.booked_ms(), launched.starts_at_ms), (None, T0 + HOUR));
    assert_eq!(launched.state, CampaignState::Scheduled);
    let last = last_is_booked();
    let ended = last.after(&last.cross_out(T0 + 2 * HOUR, T0 + 2 * HOUR)).unwrap();
    assert_eq!((ended.state, ended.booked_ms()), (CampaignState::Completed, None), "nobody cancelled it");
}

/// A schedule whose last occurrence is booked: hourly, up to three o'clock.
fn last_is_booked() -> CampaignRow {
    let rules = rules(None, Some("2026-12-01T03:00"), Some(("0 * * * *", Missed::Once)));
    let waits = CampaignRow { state: CampaignState::Scheduled, starts_at_ms: T0 + 2 * HOUR, ..row(rules) };
    waits.after(&waits.book(T0 + 2 * HOUR, None, T0 + 2 * HOUR)).unwrap()
}

/// `row` after a person changed its rules.
fn changed(row: &CampaignRow, rules: Rules) -> CampaignRow {
    let terms = Terms { rules, ..row.terms() };
    let step = Transition::of(row, row.state, None, T0);
    row.after(&Transition { terms: Some((row.terms_version, terms)), ..step }).unwrap()
}

#[test]
fn b5_whether_a_schedule_ends_is_decided_on_the_end_that_it_has_when_an_occurrence_is_crossed_out() {
    let booked = last_is_booked();
    let (at_ms, now_ms) = (T0 + 2 * HOUR, T0 + 2 * HOUR + 9);
    assert_eq!(booked.after(&booked.cross_out(at_ms, now_ms)).unwrap().state, CampaignState::Completed);
    let moved =
        |end_at: &str| changed(&booked, Rules { end_at: Some(end_at.to_owned()), ..booked.rules().clone() });
    let longer = moved("2026-12-01T05:00");
    assert_eq!(longer.after(&booked.cross_out(at_ms, now_ms)), None, "decided on another end");
    let waits = longer.after(&longer.cross_out(at_ms, now_ms)).unwrap();
    assert_eq!((waits.state, waits.starts_at_ms), (CampaignState::Scheduled, T0 + 3 * HOUR));
    let more = CampaignRow { starts_at_ms: T0 + 3 * HOUR, ..moved("2026-12-01T03:00") };
    let ended = more.after(&more.cross_out(at_ms, now_ms)).unwrap();
    assert_eq!(ended.state, CampaignState::Completed, "its end was moved before the next one");
}

#[test]
fn g7_a_booked_occurrence_becomes_what_the_terms_in_force_make_of_it() {
    let booked = last_is_booked();
    let at_ms = booked.booked_ms().unwrap();
    assert_eq!(row(Rules::default()).booked_campaign(at_ms), None);
    let launched = booked.booked_campaign(at_ms + 3).unwrap();
    assert_eq!((launched.state, launched.created_at_ms), (CampaignState::Running, at_ms + 3));
    let rules = |start_at: Option<&str>, end_at: &str| Rules {
        start_at: start_at.map(str::to_owned),
        end_at: Some(end_at.to_owned()),
        ..booked.rules().clone()
    };
    let cancelled = CampaignRow { state: CampaignState::Cancelling, ..booked.clone() };
    let later = changed(&booked, rules(Some("2026-12-01T02:30"), "2026-12-01T05:00"));
    let earlier = changed(&booked, rules(None, "2026-12-01T02:00"));
    for (schedule, why) in [
        (cancelled, "digest was cancelled"),
        (later, "digest starts later now"),
        (earlier, "digest has an earlier end now"),
    ] {
        let place = schedule.booked_campaign(at_ms + 3).unwrap();
        assert_eq!(place.id, launched.id, "it has its name");
        assert!(place.awaits_start && place.state == CampaignState::Cancelling, "and never starts");
        assert_eq!(place.reason.as_deref(), Some(why));
    }
    let slower = Terms { rate: Some("5/s".to_owned()), ..booked.terms() };
    let slower = CampaignRow { changed: Some(slower), ..booked };
    assert_eq!(slower.booked_campaign(at_ms).unwrap().launch.rate.as_deref(), Some("5/s"));
}

proptest! {
    #[test]
    fn b5_whoever_carries_occurrences_out_starts_each_once_in_order_however_late(
        delays in prop::collection::vec(0i64..400, 1..40), skips in any::<bool>(),
    ) {
        let missed = if skips { Missed::Skip } else { Missed::Once };
        let rules = valid(rules(None, None, Some(("*/30 * * * *", missed))));
        let mut starts = starts_ms(&rules, T0).unwrap();
        let mut started = Vec::new();
        let mut now = T0;
        for delay in delays {
            now = now.max(starts) + delay * 60_000;
            match due(starts, &rules, now) {
                Due::Occurrence { at_ms, next_ms } => {
                    prop_assert!(at_ms >= starts && at_ms <= now);
                    started.push(at_ms);
                    starts = next_ms.unwrap();
                }
                Due::Skip { next_ms } => starts = next_ms.unwrap(),
                other => prop_assert!(false, "{other:?}"),
            }
            prop_assert!(starts > now);
        }
        prop_assert!(started.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
