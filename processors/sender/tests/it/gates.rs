//! Windows, limits of the day, priorities and commands, judged by the provider's list of calls.

use crate::support::{Bench, SIZE, page};
use sluice_core::CampaignState;
use sluice_schemas::{GateClass, OpenHours, Priority, Rules, SendWindow, WindowClock};
use sluice_simulation::{Faults, ProviderFaults};
use std::sync::atomic::Ordering;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn plain() -> [GateClass; 1] {
    [GateClass::default()]
}

/// `HH:MM` in UTC, so long after the world's start.
fn clock(bench: &Bench, after: Duration) -> String {
    let minutes =
        (bench.world.wall_ms() - bench.world.now().as_millis() as i64 + after.as_millis() as i64) / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

fn window(bench: &Bench, from: Duration, to: Duration, clock_of: WindowClock) -> Rules {
    let open = vec![OpenHours { days: Vec::new(), from: clock(bench, from), to: clock(bench, to) }];
    Rules { window: Some(SendWindow { open, clock: clock_of, closed_on: Vec::new() }), ..Rules::default() }
}

#[tokio::test(start_paused = true)]
async fn g5_calls_start_inside_the_window_only_and_go_on_when_it_opens_again() {
    let bench = Bench::new();
    let mut rules = window(&bench, 10 * MINUTE, 15 * MINUTE, WindowClock::Campaign);
    let later = window(&bench, 40 * MINUTE, 50 * MINUTE, WindowClock::Campaign).window.unwrap();
    rules.window.as_mut().unwrap().open.extend(later.open);
    bench.ruled_campaign("windowed", Some("1/min"), rules, &plain()).await;
    let running = bench.start("sender");
    tokio::time::sleep(HOUR).await;
    let calls = bench.calls_of("windowed");
    assert_eq!(calls.len(), SIZE as usize, "everybody in the end");
    for (at, _) in &calls {
        let of_day = (bench.world.wall_ms() - bench.world.now().as_millis() as i64 + at.as_millis() as i64)
            % 86_400_000;
        let start =
            (bench.world.wall_ms() - bench.world.now().as_millis() as i64) / 60_000 * 60_000 % 86_400_000;
        let inside = (of_day - start).rem_euclid(86_400_000);
        let is_open = (600_000..900_000).contains(&inside) || (2_400_000..3_000_000).contains(&inside);
        assert!(is_open, "{at:?}");
    }
    let (first, last) = (calls[0].0, calls[calls.len() - 1].0);
    assert!(first < 11 * MINUTE && last > 39 * MINUTE, "{first:?} {last:?}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g6_recipients_whose_window_is_closed_hold_nobody_else_up() {
    let bench = Bench::new();
    // Open now in UTC, and in Tokyo, which is 9 hours ahead, not before tomorrow.
    let rules = window(&bench, Duration::ZERO, HOUR, WindowClock::Recipient);
    let class = |zone: &str| GateClass { zone: Some(zone.to_owned()), day: None };
    bench.ruled_campaign("zones", None, rules, &[class("Asia/Tokyo"), class("UTC")]).await;
    let running = bench.start("sender");
    tokio::time::sleep(10 * MINUTE).await;
    let calls = bench.calls_of("zones");
    assert_eq!(calls.len(), SIZE as usize);
    assert!(calls.iter().all(|(_, chunk)| *chunk == 1), "{calls:?}");
    running.stop().await;
    tokio::time::sleep(15 * HOUR - 20 * MINUTE).await;
    let running = bench.start("another");
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(bench.calls_of("zones").len(), SIZE as usize, "not open yet");
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(bench.calls_of("zones").len(), 2 * SIZE as usize);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_hazard_10_no_24_hours_hold_more_than_the_limit_of_the_day_also_after_a_restart() {
    let bench = Bench::new();
    let rules = Rules { daily_send_limit: Some(4), ..Rules::default() };
    bench.ruled_campaign("daily", None, rules, &plain()).await;
    for name in ["first", "second", "third"] {
        let running = bench.start(name);
        tokio::time::sleep(HOUR).await;
        running.stop().await;
        tokio::time::sleep(23 * HOUR).await;
    }
    let calls = bench.calls_of("daily");
    assert_eq!(calls.len(), SIZE as usize);
    for pair in calls.windows(5) {
        assert!(pair[4].0 - pair[0].0 >= DAY, "{calls:?}");
    }
    assert!(calls[SIZE as usize - 1].0 < 2 * DAY + HOUR, "and all of it is used: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn b3_a_campaign_whose_day_is_used_up_gives_its_page_nothing_to_do_beside_another() {
    let mut worked = Vec::new();
    for daily_send_limit in [None, Some(4)] {
        let mut bench = Bench::new();
        bench.chunk_size = 400;
        bench.page_rate = Some("20/s".parse().unwrap());
        bench.ruled_campaign("busy", None, Rules::default(), &vec![GateClass::default(); 4]).await;
        if daily_send_limit.is_some() {
            let rules = Rules { daily_send_limit, ..Rules::default() };
            bench.ruled_campaign("daily", None, rules, &plain()).await;
        }
        let running = bench.start("sender");
        tokio::time::sleep(MINUTE).await;
        assert!(bench.calls() > 1_100, "the page is busy: {}", bench.calls());
        assert_eq!(bench.calls_of("daily").len() as i64, daily_send_limit.unwrap_or(0));
        worked.push(bench.looks.load(Ordering::Relaxed));
        running.stop().await;
    }
    assert!(worked[1] < worked[0] * 3 / 2, "looks at the clock without it and beside it: {worked:?}");
}

#[tokio::test(start_paused = true)]
async fn g4_b3_hazard_10_no_24_hours_hold_more_than_the_pages_limit_whatever_its_campaigns_and_its_owners() {
    let mut bench = Bench::new();
    bench.page_daily = Some("7/day".parse().unwrap());
    for name in ["one", "two"] {
        bench.ruled_campaign(name, None, Rules::default(), &plain()).await;
    }
    for name in ["first", "second", "third"] {
        let running = bench.start(name);
        tokio::time::sleep(20 * MINUTE).await;
        let day = running.board.pages()[&crate::support::page()].day.unwrap();
        let frees_in = day.frees_at_ms.map(|at_ms| at_ms - bench.world.wall_ms());
        match name {
            "third" => assert_eq!((day.used, frees_in), (6, None)),
            _ => {
                assert_eq!(day.used, 7);
                assert!((23 * 3_600_000..25 * 3_600_000).contains(&frees_in.unwrap()), "{frees_in:?}");
            }
        }
        running.stop().await;
        tokio::time::sleep(24 * HOUR).await;
    }
    let calls = bench.heard();
    assert_eq!(calls.len(), 2 * SIZE as usize);
    for pair in calls.windows(8) {
        assert!(pair[7].0 - pair[0].0 >= DAY, "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b4_an_urgent_campaign_goes_first_and_bulk_still_moves() {
    let mut bench = Bench::new();
    bench.page_rate = Some("1/s".parse().unwrap());
    let of = |priority| Rules { priority, ..Rules::default() };
    let many: Vec<GateClass> = vec![GateClass::default(); 12];
    bench.ruled_campaign("bulk", None, of(Priority::Bulk), &many).await;
    let running = bench.start("sender");
    tokio::time::sleep(20 * Duration::from_secs(1)).await;
    let before = bench.calls_of("bulk").len();
    let launched = bench.world.now();
    bench.ruled_campaign("urgent", None, of(Priority::Urgent), &many[..4]).await;
    tokio::time::sleep(30 * Duration::from_secs(1)).await;
    let (urgent, bulk) = (bench.calls_of("urgent"), bench.calls_of("bulk").len() - before);
    assert!(urgent[0].0 - launched < 3 * Duration::from_secs(1), "{urgent:?}");
    assert!(urgent.len() >= 25 && (1..=4).contains(&bulk), "{} urgent, {bulk} bulk", urgent.len());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g7_a_paused_campaign_calls_nobody_and_goes_on_when_it_is_resumed() {
    let bench = Bench::new();
    bench.ruled_campaign("paused", Some("60/min"), Rules::default(), &plain()).await;
    let running = bench.start("sender");
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    bench.command("paused", CampaignState::Paused, None).await;
    let acknowledged = bench.world.now();
    tokio::time::sleep(10 * MINUTE).await;
    let calls = bench.calls_of("paused");
    assert!(!calls.is_empty() && calls.len() < SIZE as usize, "{calls:?}");
    assert!(calls.iter().all(|(at, _)| *at <= acknowledged + Duration::from_secs(2)), "{calls:?}");
    // A new owner finds it paused, and keeps what there is to do.
    running.stop().await;
    let running = bench.start("another");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(bench.calls_of("paused").len(), calls.len());
    bench.command("paused", CampaignState::Running, None).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(bench.calls_of("paused").len(), SIZE as usize);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_hazard_31_two_campaigns_to_the_same_people_keep_the_limit_of_the_pair_also_after_a_restart() {
    let bench = Bench::new();
    let rules = Rules { pair_rate: Some("2/min".to_owned()), ..Rules::default() };
    for name in ["one", "two", "three"] {
        bench.ruled_campaign(name, None, rules.clone(), &plain()).await;
    }
    let running = bench.start("first");
    tokio::time::sleep(Duration::from_secs(50)).await;
    running.stop().await;
    let running = bench.start("second");
    tokio::time::sleep(5 * MINUTE).await;
    running.stop().await;
    let people = bench.calls_by_person();
    assert_eq!(people.len(), SIZE as usize);
    for (person, calls) in people {
        assert_eq!(calls.len(), 3, "{person}");
        assert!(calls.windows(2).all(|pair| pair[1] - pair[0] >= MINUTE / 2), "{person}: {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b2_g6_a_page_uses_its_rate_whatever_a_store_far_away_takes_to_answer() {
    for (rate, distance_ms, least) in [
        (20, 0, 0.98),
        (20, 20, 0.98),
        (80, 20, 0.98),
        (400, 20, 0.98),
        (20, 200, 0.98),
        (80, 200, 0.98),
        (400, 200, 0.98),
        // Beyond what is asked for ahead: a store that takes so long is nearly an outage.
        (80, 500, 0.75),
    ] {
        let mut bench = Bench::new();
        bench.chunk_size = rate * 4;
        bench.page_rate = Some(format!("{rate}/s").parse().unwrap());
        let mut faults = Faults::none();
        faults.store.distance_ms = distance_ms;
        bench.world.set_faults(faults);
        let running = bench.start("sender");
        bench.campaign_on("far", "acme", "page", 1, 8).await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        let before = bench.callers_of("far", "acme").len();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let made = bench.callers_of("far", "acme").len() - before;
        let used = made as f64 / f64::from(rate * 10);
        assert!((least..=1.0).contains(&used), "{rate}/s at {distance_ms} ms: {used}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b2_whoever_was_certainly_not_called_does_not_wait_for_another_interval_of_the_pair() {
    let no_connection = ProviderFaults { unreachable_ppm: 1_000_000, ..ProviderFaults::none() };
    // Calls that start too late, and calls that get no connection, when the first interval is over.
    for (faults, stalled) in [(ProviderFaults::none(), true), (no_connection, false)] {
        let bench = Bench::new();
        let rules = Rules { pair_rate: Some("1/min".to_owned()), ..Rules::default() };
        bench.ruled_campaign("paired", None, rules, &plain()).await;
        bench.answers(faults);
        let running = bench.start("sender");
        tokio::time::sleep(MINUTE).await;
        if stalled {
            bench.stall(Duration::from_secs(2));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        bench.answers(ProviderFaults::none());
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(bench.calls_of("paired").len(), SIZE as usize, "stalled: {stalled}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b2_the_next_chunk_of_a_slow_source_does_not_wait_for_another_interval_of_the_pair() {
    let bench = Bench::new();
    let rules = Rules { pair_rate: Some("1/min".to_owned()), ..Rules::default() };
    bench.ruled_campaign("paired", None, rules, &plain()).await;
    // Another campaign has something to send all the time.
    bench.ruled_campaign("hourly", Some("1/h"), Rules::default(), &plain()).await;
    let running = bench.start("sender");
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(bench.calls_of("paired").len(), SIZE as usize);
    bench.accepted("paired", 0).await;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(running.board.pages()[&page()].campaigns, 1, "it has nothing to do, and is forgotten");
    bench.next_chunk("paired", 1).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(bench.calls_of("paired").len(), 2 * SIZE as usize);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b2_g6_people_whose_interval_is_over_do_not_hold_those_up_who_were_looked_at() {
    let mut bench = Bench::new();
    bench.chunk_size = 200;
    bench.page_rate = Some("10/s".parse().unwrap());
    let mut faults = Faults::none();
    faults.store.distance_ms = 200;
    bench.world.set_faults(faults);
    let rules = || Rules { pair_rate: Some("1/min".to_owned()), ..Rules::default() };
    bench.ruled_campaign("first", None, rules(), &plain()).await;
    let running = bench.start("sender");
    tokio::time::sleep(Duration::from_secs(90)).await;
    let first = bench.calls_of("first");
    assert_eq!(first.len(), 200);
    // The same people again: each may be called a minute after the call before, one after the other.
    bench.ruled_campaign("second", None, rules(), &plain()).await;
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!(bench.calls_of("second").len(), 200);
    running.stop().await;
}
