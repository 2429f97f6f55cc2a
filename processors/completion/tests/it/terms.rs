//! Limits and times that a person changes.

use crate::support::{Bench, id};
use sluice_completion::{CommandError, CompletionPorts, NewLimits, NewTimes, pause, reschedule, set_limits};
use sluice_core::{CampaignRow, CampaignState, Terms, Transition};
use sluice_schemas::Priority;
use sluice_simulation::Faults;
use std::time::Duration;

async fn bench() -> (Bench, CompletionPorts) {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    let ports = bench.hand_ports();
    (bench, ports)
}

fn limits(json: &str) -> NewLimits {
    serde_json::from_str(json).unwrap()
}

fn times(json: &str) -> NewTimes {
    serde_json::from_str(json).unwrap()
}

#[tokio::test(start_paused = true)]
async fn b2_limits_change_one_by_one_and_null_takes_one_away() {
    let (bench, ports) = bench().await;
    let all =
        limits(r#"{"rate": "5/s", "priority": "urgent", "daily_send_limit": 100, "pair_rate": "1/min"}"#);
    set_limits(&ports, id(), &all).await.unwrap();
    set_limits(&ports, id(), &limits(r#"{"daily_send_limit": null}"#)).await.unwrap();
    let row = bench.row();
    assert_eq!((row.rate(), row.rules().priority), (Some("5/s"), Priority::Urgent));
    assert_eq!((row.rules().daily_send_limit, row.rules().pair_rate.as_deref()), (None, Some("1/min")));
    assert_eq!((row.terms_version, row.launch.rate), (2, None), "the launch stays as it was");
    set_limits(&ports, id(), &limits(r#"{"rate": null, "priority": null}"#)).await.unwrap();
    assert_eq!((bench.row().rate(), bench.row().rules().priority), (None, Priority::Normal));
}

#[tokio::test(start_paused = true)]
async fn c5_the_same_terms_again_change_nothing() {
    let (bench, ports) = bench().await;
    let first = set_limits(&ports, id(), &limits(r#"{"rate": "5/s"}"#)).await.unwrap();
    pause(&ports, id(), None).await.unwrap();
    let again = set_limits(&ports, id(), &limits(r#"{"rate": "5/s"}"#)).await.unwrap();
    assert_eq!((first.already, again.already, bench.row().terms_version), (false, true, 1));
    let control = bench.control().await;
    reschedule(&ports, id(), &NewTimes::default()).await.unwrap();
    assert!(bench.control().await > control);
}

#[tokio::test(start_paused = true)]
async fn two_who_change_different_limits_at_once_both_get_theirs() {
    let (bench, ports) = bench().await;
    let (rate, daily) = (limits(r#"{"rate": "5/s"}"#), limits(r#"{"daily_send_limit": 7}"#));
    let (a, b) = tokio::join!(set_limits(&ports, id(), &rate), set_limits(&ports, id(), &daily));
    a.unwrap();
    b.unwrap();
    assert_eq!((bench.row().rate(), bench.row().rules().daily_send_limit), (Some("5/s"), Some(7)));
}

#[tokio::test(start_paused = true)]
async fn what_a_launch_may_not_say_a_change_may_not_either() {
    let (bench, ports) = bench().await;
    for (wrong, field) in [
        (r#"{"rate": "fast"}"#, "rate"),
        (r#"{"rate": "0/s"}"#, "rate"),
        (r#"{"pair_rate": "0/min"}"#, "pair_rate"),
        (r#"{"daily_send_limit": 0}"#, "daily_send_limit"),
    ] {
        let refused = set_limits(&ports, id(), &limits(wrong)).await.unwrap_err();
        let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
        assert_eq!(problems.iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(), [field]);
    }
    assert_eq!(bench.row().terms_version, 0);
}

#[tokio::test(start_paused = true)]
async fn hazard_1_the_clock_of_the_hours_and_the_recurrence_are_not_changed() {
    let (bench, ports) = bench().await;
    let hours = r#"{"window": {"open": [{"from": "09:00", "to": "18:00"}]}}"#;
    reschedule(&ports, id(), &times(hours)).await.unwrap();
    let open = &bench.row().rules().window.clone().unwrap().open;
    assert_eq!((open[0].from.as_str(), open[0].to.as_str()), ("09:00", "18:00"));
    for (change, field) in [
        (r#"{"window": {"open": [{"from": "09:00", "to": "18:00"}], "clock": "recipient"}}"#, "window.clock"),
        (r#"{"recurring": {"cron": "0 9 * * *"}}"#, "recurring"),
    ] {
        let refused = reschedule(&ports, id(), &times(change)).await.unwrap_err();
        let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
        assert_eq!(problems[0].field, field);
    }
    reschedule(&ports, id(), &times(r#"{"window": null}"#)).await.unwrap();
    assert_eq!(bench.row().rules().window, None);
    let comes_back = Bench::new(1, Faults::none());
    comes_back.recurring().await;
    let none = times(r#"{"recurring": null}"#);
    let refused = reschedule(&comes_back.hand_ports(), id(), &none).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
    assert_eq!(problems[0].field, "recurring");
}

#[tokio::test(start_paused = true)]
async fn g5_other_hours_keep_the_holidays_and_other_holidays_keep_the_hours() {
    let (bench, ports) = bench().await;
    let window = || {
        let window = bench.row().rules().window.clone().unwrap();
        (window.open[0].from.clone(), window.closed_on)
    };
    let change = async |json: &str| reschedule(&ports, id(), &times(json)).await.map(|_| ());
    let refused = change(r#"{"window": {"closed_on": ["2026-12-25"]}}"#).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
    assert_eq!(problems[0].field, "window.open", "there are none to keep");
    let both = r#"{"window": {"open": [{"from": "09:00", "to": "18:00"}], "closed_on": ["2026-12-25"]}}"#;
    change(both).await.unwrap();
    change(r#"{"window": {"open": [{"from": "10:00", "to": "18:00"}]}}"#).await.unwrap();
    assert_eq!(window(), ("10:00".to_owned(), vec!["2026-12-25".to_owned()]));
    change(r#"{"window": {"closed_on": ["2026-12-24", "2026-12-25"]}}"#).await.unwrap();
    assert_eq!(window(), ("10:00".to_owned(), vec!["2026-12-24".to_owned(), "2026-12-25".to_owned()]));
    for none in [r#"{"window": {"closed_on": []}}"#, r#"{"window": {"closed_on": null}}"#] {
        change(none).await.unwrap();
        assert_eq!(window(), ("10:00".to_owned(), Vec::new()), "{none}");
        change(r#"{"window": {"closed_on": ["2026-12-25"]}}"#).await.unwrap();
    }
    assert!(serde_json::from_str::<NewTimes>(r#"{"window": {"open": null}}"#).is_err());
    change(r#"{"window": null}"#).await.unwrap();
    assert_eq!(bench.row().rules().window, None);
}

#[tokio::test(start_paused = true)]
async fn b5_an_end_that_is_over_already_ends_nothing_by_a_slip() {
    let (bench, ports) = bench().await;
    let refused = reschedule(&ports, id(), &times(r#"{"end_at": "2020-01-01T00:00"}"#)).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
    assert_eq!((problems[0].field.as_str(), problems[0].problem.as_str()), ("end_at", "it is over already"));
    assert_eq!((bench.row().terms_version, &bench.row().rules().end_at), (0, &None));
}

#[tokio::test(start_paused = true)]
async fn b5_hours_that_do_not_open_before_the_end_are_refused_with_their_field() {
    // The simulated world begins on 2026-01-05 at 09:00 UTC, a Monday.
    let (bench, ports) = bench().await;
    reschedule(&ports, id(), &times(r#"{"end_at": "2026-01-06T12:00Z"}"#)).await.unwrap();
    let hours = |days: &str| {
        times(&format!(
            r#"{{"window": {{"open": [{{"days": ["{days}"], "from": "10:00", "to": "11:00"}}]}}}}"#
        ))
    };
    let refused = reschedule(&ports, id(), &hours("wed")).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
    let expected =
        "window: it does not open between now and end_at, 2026-01-06 12:00 UTC: next at 2026-01-07 10:00 UTC";
    assert!(problems.len() == 1 && problems[0].to_string().starts_with(expected), "{problems:?}");
    assert_eq!(bench.row().rules().window, None);
    reschedule(&ports, id(), &hours("tue")).await.unwrap();
    let earlier = reschedule(&ports, id(), &times(r#"{"end_at": "2026-01-06T10:00Z"}"#)).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &earlier else { panic!("{earlier}") };
    assert_eq!(problems[0].field, "window", "an end before they open is the same mistake");
    // What is not about times may change all the same.
    tokio::time::sleep(Duration::from_secs(26 * 3_600)).await;
    set_limits(&ports, id(), &limits(r#"{"rate": "5/s"}"#)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn b5_hours_of_a_recurrence_that_no_occurrence_could_use_are_refused_and_so_is_an_end_that_is_over() {
    let bench = Bench::new(1, Faults::none());
    bench.recurring().await;
    let ports = bench.hand_ports();
    reschedule(&ports, id(), &times(r#"{"end_at": "2026-01-06T12:00Z"}"#)).await.unwrap();
    let hours = r#"{"window": {"open": [{"days": ["wed"], "from": "10:00", "to": "11:00"}]}}"#;
    let refused = reschedule(&ports, id(), &times(hours)).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
    assert!(
        problems[0].to_string().starts_with("window: it does not open between its first occurrence"),
        "{problems:?}"
    );
    let (state, end_at) = (bench.row().state, bench.row().rules().end_at.clone());
    for over in ["2020-01-01T00:00", "2026-01-05T09:00Z"] {
        let slip = times(&format!(r#"{{"end_at": "{over}"}}"#));
        let refused = reschedule(&ports, id(), &slip).await.unwrap_err();
        let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
        assert_eq!(
            (problems[0].field.as_str(), problems[0].problem.as_str()),
            ("end_at", "it is over already")
        );
        assert!(problems[0].hint.contains("unschedule"), "{problems:?}");
    }
    assert_eq!((bench.row().state, &bench.row().rules().end_at), (state, &end_at), "a slip ends it not");
    // Before its next occurrence: it comes no more.
    reschedule(&ports, id(), &times(r#"{"end_at": "2026-01-05T09:30Z"}"#)).await.unwrap();
}

#[test]
fn a_word_that_is_none_of_the_terms_is_an_error() {
    for json in [r#"{"rates": "5/s"}"#, r#"{"rate": 5}"#] {
        assert!(serde_json::from_str::<NewLimits>(json).is_err(), "{json}");
    }
}

#[tokio::test(start_paused = true)]
async fn b5_the_start_moves_while_a_campaign_waits_for_it_and_not_later() {
    let bench = Bench::new(1, Faults::none());
    bench.scheduled().await;
    let ports = bench.hand_ports();
    let later = r#"{"start_at": "2026-01-06T09:00Z", "end_at": "2026-01-07T09:00Z"}"#;
    let answer = reschedule(&ports, id(), &times(later)).await.unwrap();
    // The simulated world begins a day before.
    assert_eq!(answer.row.starts_at_ms, bench.row().created_at_ms + 86_400_000);
    let again = reschedule(&ports, id(), &times(later)).await.unwrap();
    assert!(again.already);
    set_limits(&ports, id(), &limits(r#"{"rate": "5/s"}"#)).await.unwrap();
    assert_eq!(bench.row().starts_at_ms, answer.row.starts_at_ms);
    let over = reschedule(&ports, id(), &times(r#"{"start_at": "2020-01-01T00:00"}"#)).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &over else { panic!("{over}") };
    assert_eq!(
        (problems[0].field.as_str(), problems[0].problem.as_str()),
        ("start_at", "it is over already")
    );
    assert!(problems[0].hint.contains("`now`"), "{problems:?}");
    assert_eq!(bench.row().starts_at_ms, answer.row.starts_at_ms, "a slip starts nobody");
    let now = r#"{"start_at": "now"}"#;
    reschedule(&ports, id(), &times(now)).await.unwrap();
    assert_eq!(bench.row().starts_at_ms, bench.world.wall_ms());
    assert!(reschedule(&ports, id(), &times(now)).await.unwrap().already);
    reschedule(&ports, id(), &times(later)).await.unwrap();
    let none = reschedule(&ports, id(), &times(r#"{"start_at": null}"#)).await.unwrap();
    assert!(!none.already, "null takes it away");
    assert_eq!((&none.row.rules().start_at, none.row.starts_at_ms), (&None, bench.world.wall_ms()));
    bench.step(CampaignState::Running).await;
    let refused = reschedule(&ports, id(), &times(later)).await.unwrap_err();
    let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
    assert_eq!(problems[0].field, "start_at");
}

/// What a process launches that read `booked` and stood still since; and what is there then.
async fn launched_late(bench: &Bench, booked: &CampaignRow) -> CampaignRow {
    let late = booked.booked_campaign(bench.world.wall_ms()).unwrap();
    let occurrence = late.id;
    let store = bench.hand_store();
    store.create_campaign(late).await.unwrap();
    let crossed = store.transition(id(), booked.cross_out(booked.booked_ms().unwrap(), 0)).await.unwrap();
    assert_eq!(crossed, None, "its terms are others: it is decided again");
    store.campaign(occurrence).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn g7_an_occurrence_that_was_booked_does_not_start_under_terms_that_were_replaced() {
    for again in [false, true] {
        let bench = Bench::new(1, Faults::none());
        bench.recurring().await;
        let (ports, booked) = (bench.hand_ports(), bench.row());
        let slow = limits(r#"{"rate": "5/s"}"#);
        if again {
            // Whoever was asked first died after the step.
            let terms = Terms { rate: Some("5/s".to_owned()), ..booked.terms() };
            let step = Transition::of(&booked, CampaignState::Scheduled, None, 0);
            let step = Transition { terms: Some((booked.terms_version, terms)), ..step };
            bench.hand_store().transition(id(), step).await.unwrap().unwrap();
        }
        assert_eq!(set_limits(&ports, id(), &slow).await.unwrap().already, again);
        let there = launched_late(&bench, &booked).await;
        assert_eq!((there.state, there.rate()), (CampaignState::Running, Some("5/s")));
    }
}

#[tokio::test(start_paused = true)]
async fn b5_an_occurrence_that_was_booked_is_left_out_when_its_start_or_its_hours_are_moved_past_it() {
    // It was booked at 09:00.
    let closed = r#"{"end_at": "2026-01-05T09:30Z", "window": {"open": [{"from": "12:00", "to": "13:00"}]}}"#;
    for moved in [r#"{"start_at": "2030-01-01T00:00"}"#, closed] {
        let bench = Bench::new(1, Faults::none());
        bench.recurring().await;
        let (ports, booked) = (bench.hand_ports(), bench.row());
        reschedule(&ports, id(), &times(moved)).await.unwrap();
        let there = launched_late(&bench, &booked).await;
        assert!(there.awaits_start && there.state == CampaignState::Cancelling, "{moved}: {there:?}");
    }
}
