//! Limits of pages and above them that somebody changes while calls are made, judged by the provider's list of calls.

use crate::support::{Bench, SIZE};
use sluice_core::quota::Quota;
use sluice_schemas::{GateClass, Rules};
use sluice_simulation::Faults;
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A call is heard up to 20 ms after it started.
const WAY: Duration = Duration::from_millis(20);

/// Limits a second by when they began; `None`: there was none.
type History = Vec<(Duration, Option<u32>)>;

fn quotas(rate: Option<u32>) -> BTreeMap<String, Quota> {
    let quota = |rate| Quota {
        rate: Some(format!("{rate}/s").parse().unwrap()),
        tenants: vec!["acme".to_owned()],
        ..Quota::default()
    };
    rate.map(|rate| ("acme".to_owned(), quota(rate))).into_iter().collect()
}

fn times(bench: &Bench) -> Vec<Duration> {
    bench.heard().into_iter().map(|(at, _)| at).collect()
}

fn within(calls: &[Duration], from: Duration, to: Duration) -> usize {
    calls.iter().filter(|at| (from..to).contains(*at)).count()
}

/// No window of a second holds more than the largest of the limits that were in force in any part of it, or a second
/// before: so long a change may take.
fn keeps(calls: &[Duration], history: &History) {
    for from in calls {
        let to = *from + SECOND - WAY;
        let held = history.iter().enumerate().filter(|(place, (began, _))| {
            let until = history.get(place + 1).map_or(Duration::MAX, |(until, _)| *until + SECOND);
            *began < to && until > *from
        });
        let most = held.map(|(_, (_, limit))| limit.unwrap_or(u32::MAX)).max().unwrap_or(0);
        let count = within(calls, *from, to);
        assert!(count <= most as usize, "{count} calls from {from:?}, {history:?}: {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g4_b2_another_rate_of_a_page_is_in_force_within_a_second_and_none_is_exceeded_meanwhile() {
    let mut bench = Bench::new();
    bench.page_rate = "10/s".parse().ok();
    bench.campaign_on("c", "acme", "page", 0, 40).await;
    let running = bench.start("sender");
    let mut history: History = vec![(bench.world.now(), Some(10))];
    for limit in [3, 25, 1, 20] {
        tokio::time::sleep(3 * SECOND).await;
        running.change((Some(&format!("{limit}/s")), None), &BTreeMap::new());
        history.push((bench.world.now(), Some(limit)));
    }
    tokio::time::sleep(3 * SECOND).await;
    let calls = times(&bench);
    keeps(&calls, &history);
    for (began, limit) in &history[1..] {
        let used = within(&calls, *began + SECOND, *began + 3 * SECOND);
        assert!(used as u32 + 1 >= 2 * limit.unwrap() * 9 / 10, "{limit:?} from {began:?}: {used}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b2_a_page_that_waits_for_a_slow_rate_hears_of_a_faster_one_and_an_idle_one_has_it_later() {
    let mut bench = Bench::new();
    bench.page_rate = "1/h".parse().ok();
    bench.ruled_campaign("first", None, Rules::default(), &[GateClass::default()]).await;
    let running = bench.start("sender");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.calls(), 1);
    running.change((None, None), &BTreeMap::new());
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.calls(), SIZE as usize, "no limit any more");
    for number in 0..SIZE {
        bench.accepted("first", number).await;
    }
    tokio::time::sleep(120 * SECOND).await;
    running.change((Some("30/min"), None), &BTreeMap::new());
    tokio::time::sleep(10 * SECOND).await;
    bench.ruled_campaign("second", None, Rules::default(), &[GateClass::default()]).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let calls = bench.calls_of("second").len();
    assert!((4..=5).contains(&calls), "{calls} calls in 9 s");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_b3_a_changed_limit_of_a_pages_day_counts_what_was_called_under_the_former_one() {
    let mut bench = Bench::new();
    bench.page_daily = "8/day".parse().ok();
    bench.campaign_on("c", "acme", "page", 0, 40).await;
    let running = bench.start("sender");
    let mut after = Vec::new();
    for daily in ["8/day", "13/day", "5/day", "15/day"] {
        running.change((None, Some(daily)), &BTreeMap::new());
        tokio::time::sleep(2 * SECOND).await;
        after.push(bench.calls());
    }
    assert_eq!(after, [8, 13, 13, 15]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_b2_a_changed_quota_is_in_force_within_a_second_on_all_pages_and_none_is_exceeded_meanwhile() {
    let mut bench = Bench::new();
    bench.quotas = quotas(Some(20));
    let (one, two) = (bench.start("one"), bench.start("two"));
    bench.campaign_on("left", "acme", "left page", 0, 80).await;
    bench.campaign_on("right", "acme", "right page", 3, 80).await;
    let mut history: History = vec![(bench.world.now(), Some(20))];
    for limit in [4, 30, 10, 40] {
        tokio::time::sleep(4 * SECOND).await;
        // Two processes hear of it one after the other.
        one.change((None, None), &quotas(Some(limit)));
        history.push((bench.world.now(), Some(limit)));
        tokio::time::sleep(SECOND / 2).await;
        two.change((None, None), &quotas(Some(limit)));
    }
    tokio::time::sleep(4 * SECOND).await;
    let calls = times(&bench);
    keeps(&calls, &history);
    for (began, limit) in &history[1..] {
        let used = within(&calls, *began + 2 * SECOND, *began + 4 * SECOND);
        assert!(used as u32 + 2 >= 2 * limit.unwrap() * 8 / 10, "{limit:?} from {began:?}: {used}");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b2_a_quota_comes_goes_and_covers_others_while_its_campaigns_run() {
    let bench = Bench::new();
    let running = bench.start("sender");
    bench.campaign_on("c", "acme", "page", 0, 3).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.calls(), 3 * SIZE as usize, "without a limit");
    running.change((None, None), &quotas(Some(2)));
    bench.campaign_on("d", "acme", "page", 0, 3).await;
    tokio::time::sleep(4 * SECOND).await;
    let slow = bench.calls() - 3 * SIZE as usize;
    assert!((5..=10).contains(&slow), "{slow} calls in 4 s");
    let other = Quota { tenants: vec!["another".to_owned()], ..quotas(Some(2))["acme"].clone() };
    running.change((None, None), &BTreeMap::from([("acme".to_owned(), other)]));
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.calls(), 6 * SIZE as usize, "it is another tenant's");
    running.stop().await;
}

fn a_day(count: u32) -> BTreeMap<String, Quota> {
    let daily = format!("{count}/day").parse().ok();
    BTreeMap::from([("acme".to_owned(), Quota { rate: None, daily, ..quotas(Some(1))["acme"].clone() })])
}

/// The row of [`a_day`] counts what was called, and no more.
async fn counts_the_calls(bench: &Bench) {
    let row = bench.store().quota("acme").await.unwrap().unwrap();
    let window = bench.quotas["acme"].windows().next().unwrap();
    assert_eq!(row.body.used(&window, bench.world.wall_ms()), bench.calls() as u64);
}

#[tokio::test(start_paused = true)]
async fn g4_b3_what_was_leased_under_a_changed_quota_and_not_called_is_given_back() {
    let mut bench = Bench::new();
    bench.quotas = a_day(1_000);
    bench.page_rate = "4/s".parse().ok();
    bench.campaign_on("c", "acme", "page", 0, 40).await;
    let running = bench.start("sender");
    for round in 1..=20 {
        tokio::time::sleep(Duration::from_millis(1_170)).await;
        running.change((Some("4/s"), None), &a_day(1_000 + round % 2));
    }
    tokio::time::sleep(SECOND).await;
    running.stop().await;
    counts_the_calls(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn g4_b3_calls_under_way_at_a_change_of_a_quota_that_are_not_made_are_given_back() {
    let mut bench = Bench::new();
    bench.quotas = a_day(1_000);
    bench.page_rate = "20/s".parse().ok();
    bench.campaign_on("c", "acme", "page", 0, 40).await;
    let running = bench.start("sender");
    for round in 1..=5 {
        tokio::time::sleep(2 * SECOND).await;
        // Longer than a token lives: each comes too late.
        bench.stall(5 * SECOND);
        tokio::time::sleep(SECOND / 2).await;
        running.change((Some("20/s"), None), &a_day(1_000 + round % 2));
        tokio::time::sleep(6 * SECOND).await;
    }
    assert!(bench.calls() > 150, "{}", bench.calls());
    running.stop().await;
    counts_the_calls(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn g4_hazard_4_a_quota_that_is_changed_while_a_lease_is_on_its_way_is_not_leased_twice() {
    let of = |place: usize| {
        let pages = vec![format!("another page {place}")];
        let quota =
            Quota { rate: None, daily: "60/day".parse().ok(), pages, ..quotas(Some(1))["acme"].clone() };
        BTreeMap::from([("acme".to_owned(), quota)])
    };
    let mut bench = Bench::new();
    bench.quotas = of(0);
    let mut faults = Faults::none();
    faults.store.distance_ms = 30;
    bench.world.set_faults(faults);
    bench.campaign_on("c", "acme", "page", 0, 40).await;
    let running = bench.start("sender");
    for round in 1..200 {
        tokio::time::sleep(Duration::from_millis(7)).await;
        running.change((None, None), &of(round));
    }
    tokio::time::sleep(30 * SECOND).await;
    let calls = bench.calls();
    assert!((1..=60).contains(&calls), "{calls}");
    running.stop().await;
}
