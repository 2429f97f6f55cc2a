//! Limits above pages, over two pages of two processes on one store, judged by the provider's list of calls.

use crate::support::{Bench, SIZE};
use sluice_core::quota::Quota;
use sluice_runtime::Clock;
use sluice_simulation::{Faults, StoreFaults};
use std::collections::BTreeSet;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn quota(rate: Option<&str>, daily: Option<&str>) -> Quota {
    Quota {
        rate: rate.map(|rate| rate.parse().unwrap()),
        daily: daily.map(|daily| daily.parse().unwrap()),
        tenants: vec!["acme".to_owned()],
        ..Quota::default()
    }
}

fn bench(quota: Quota) -> Bench {
    let mut bench = Bench::new();
    bench.quotas.insert("acme".to_owned(), quota);
    bench
}

/// The most calls that any window of `window` holds. A call is heard up to 20 ms after it started.
fn most_in(window: Duration, calls: &[Duration]) -> usize {
    let window = window - Duration::from_millis(20);
    let inside = |from: &Duration| calls.iter().filter(|at| (*from..*from + window).contains(at)).count();
    calls.iter().map(inside).max().unwrap_or(0)
}

fn times(bench: &Bench) -> Vec<Duration> {
    bench.heard().into_iter().map(|(at, _)| at).collect()
}

#[tokio::test(start_paused = true)]
async fn g4_a_tenants_limit_holds_across_pages_of_two_processes_and_nearly_all_of_it_is_used() {
    let cases = [("20/s", SECOND, 20, 0.95), ("100/s", SECOND, 10, 0.95), ("60/min", MINUTE, 8, 0.9)];
    for (rate, window, windows, least) in cases {
        let bench = bench(quota(Some(rate), None));
        let (one, two) = (bench.start("one"), bench.start("two"));
        let most = rate.split_once('/').unwrap().0.parse::<u32>().unwrap();
        let chunks = most * windows / SIZE;
        bench.campaign_on("left", "acme", "left page", 0, chunks).await;
        bench.campaign_on("right", "acme", "right page", 3, chunks).await;
        tokio::time::sleep(windows * window).await;
        let calls = times(&bench);
        assert!(most_in(window, &calls) <= most as usize, "{rate}: {calls:?}");
        // After the first window, which all of it may begin with.
        let (from, to) = (calls[0] + window, calls[0] + (windows - 1) * window);
        let steady = calls.iter().filter(|at| (from..to).contains(*at)).count();
        let used = steady as f64 / f64::from(most * (windows - 2));
        assert!(used >= least, "{rate}: {used}");
        let (left, right) = (bench.callers_of("left", "acme"), bench.callers_of("right", "acme"));
        let callers: BTreeSet<_> = left.iter().chain(&right).map(|(_, process)| *process).collect();
        assert_eq!(callers.len(), 2, "each page has a process of its own");
        assert!(
            left.len().min(right.len()) * 4 >= left.len().max(right.len()),
            "both get some: {} {}",
            left.len(),
            right.len()
        );
        one.stop().await;
        two.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn g6_another_tenants_campaign_on_the_same_page_goes_on_while_the_quota_is_used_up() {
    let bench = bench(quota(None, Some("4/day")));
    let running = bench.start("sender");
    bench.campaign_on("limited", "acme", "page", 1, 2).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.callers_of("limited", "acme").len(), 4);
    bench.campaign_on("free", "other", "page", 1, 3).await;
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(bench.callers_of("free", "other").len(), 3 * SIZE as usize);
    assert_eq!(bench.callers_of("limited", "acme").len(), 4);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_a_call_under_two_quotas_keeps_both_and_one_that_is_used_up_leaves_the_other_to_others() {
    let mut bench = bench(quota(None, Some("6/day")));
    let pages = vec!["left page".to_owned(), "right page".to_owned()];
    let portfolio = Quota { pages, tenants: Vec::new(), ..quota(Some("30/min"), None) };
    bench.quotas.insert("portfolio".to_owned(), portfolio);
    let (one, two) = (bench.start("one"), bench.start("two"));
    for (page, shard) in [("left page", 0), ("right page", 3)] {
        bench.campaign_on(&format!("limited-{shard}"), "acme", page, shard, 3).await;
        bench.campaign_on(&format!("free-{shard}"), "other", page, shard, 6).await;
    }
    tokio::time::sleep(4 * MINUTE).await;
    let count = |name: &str, tenant: &str| bench.callers_of(name, tenant).len();
    assert_eq!(count("limited-0", "acme") + count("limited-3", "acme"), 6);
    let free = count("free-0", "other") + count("free-3", "other");
    assert!(free > 80, "{free}");
    assert!(most_in(MINUTE, &times(&bench)) <= 30);
    one.stop().await;
    two.stop().await;
    let row = bench.store().quota("portfolio").await.unwrap().unwrap();
    assert!(
        row.version < 2_000,
        "tokens that nobody can use are not leased again and again: {}",
        row.version
    );
}

#[tokio::test(start_paused = true)]
async fn g8_two_quotas_that_are_both_used_up_do_not_wait_for_each_other_for_ever() {
    let mut bench = bench(quota(Some("6/min"), None));
    let pages = vec!["page".to_owned()];
    bench
        .quotas
        .insert("portfolio".to_owned(), Quota { pages, tenants: Vec::new(), ..quota(Some("6/min"), None) });
    let running = bench.start("sender");
    bench.campaign_on("limited", "acme", "page", 1, 4).await;
    tokio::time::sleep(8 * MINUTE).await;
    let calls = times(&bench);
    assert_eq!(calls.len(), 4 * SIZE as usize, "{calls:?}");
    assert!(most_in(MINUTE, &calls) <= 6);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_no_day_holds_more_than_the_limit_and_what_was_not_called_is_used_after_a_restart() {
    let bench = bench(quota(None, Some("7/day")));
    bench.campaign_on("daily", "acme", "page", 1, 2).await;
    for (name, most, of_day) in [("first", 7, 7), ("second", 14, 7), ("third", 20, 6)] {
        let running = bench.start(name);
        tokio::time::sleep(10 * MINUTE).await;
        assert_eq!(times(&bench).len(), most, "{name}");
        running.stop().await;
        let row = bench.store().quota("acme").await.unwrap().unwrap();
        let window = bench.quotas["acme"].windows().next().unwrap();
        let used = row.body.used(&window, bench.world.wall_ms());
        assert_eq!(used, of_day, "all others were given back");
        tokio::time::sleep(DAY + 10 * MINUTE).await;
    }
    assert!(most_in(DAY, &times(&bench)) <= 7);
}

#[tokio::test(start_paused = true)]
async fn g4_a_process_that_stood_still_calls_nobody_with_its_old_tokens() {
    let bench = bench(quota(Some("30/min"), None));
    let one = bench.start("one");
    bench.campaign_on("left", "acme", "left page", 0, 6).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    bench.world.freeze(one.process);
    let (world, frozen) = (bench.world.clone(), one.process);
    tokio::spawn(async move {
        tokio::time::sleep(40 * SECOND).await;
        world.thaw(frozen);
    });
    let two = bench.start("two");
    bench.campaign_on("right", "acme", "right page", 3, 6).await;
    tokio::time::sleep(4 * MINUTE).await;
    let calls = times(&bench);
    assert!(most_in(MINUTE, &calls) <= 30, "{calls:?}");
    assert!(calls.len() > 80, "{}", calls.len());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_leased_and_the_page_says_what_it_waits_for() {
    let bench = bench(quota(Some("30/min"), None));
    let running = bench.start("one");
    bench.campaign_on("left", "acme", "page", 1, 6).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let away = StoreFaults { unavailable_ppm: 1_000_000, ..Faults::none().store };
    bench.world.set_faults(Faults { store: away, ..Faults::none() });
    let mut waits = Vec::new();
    for _ in 0..40 {
        tokio::time::sleep(SECOND / 2).await;
        waits.extend(running.board.pages().into_values().filter_map(|page| page.waits_for));
    }
    assert!(waits.len() > 20, "{waits:?}");
    assert!(times(&bench).len() <= 30);
    bench.world.set_faults(Faults::none());
    tokio::time::sleep(MINUTE).await;
    assert!(times(&bench).len() > 30, "it goes on by itself");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g6_a_campaign_under_a_quota_gets_its_part_of_a_page_that_others_keep_busy() {
    // At once, and where each effect takes up to 40 ms.
    for (rate, of_page, latency_ms_max, least) in
        [("7/s", 7, 0, 108), ("20/s", 20, 0, 108), ("7/s", 7, 40, 55)]
    {
        let mut bench = bench(quota(Some("2/s"), None));
        bench.world.set_faults(Faults { latency_ms_max, ..Faults::none() });
        bench.page_rate = Some(rate.parse().unwrap());
        let (one, two) = (bench.start("one"), bench.start("two"));
        bench.campaign_on("limited", "acme", "left page", 0, 20).await;
        bench.campaign_on("free", "other", "left page", 0, 6 * of_page).await;
        // Takes whatever of the quota is left.
        bench.campaign_on("hog", "acme", "right page", 3, 20).await;
        tokio::time::sleep(MINUTE).await;
        let count = |name: &str, tenant: &str| bench.callers_of(name, tenant).len();
        let (limited, free, hog) = (count("limited", "acme"), count("free", "other"), count("hog", "acme"));
        assert!(limited >= 20 && hog >= 20, "{rate}: {limited} {hog}");
        assert!((least..=121).contains(&(limited + hog)), "{rate}: {limited} {hog}");
        // Where effects take long, a call that would start late gives its slot up.
        let is_used = latency_ms_max > 0 || limited + free >= 56 * of_page as usize;
        assert!(is_used, "{rate}: {limited} {free}");
        one.stop().await;
        two.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b2_a_limit_of_the_day_of_which_enough_is_left_does_not_slow_a_page() {
    // At once, and where each effect takes up to 20 ms.
    for (latency_ms_max, part) in [(0, 0.98), (20, 0.95)] {
        let mut made = Vec::new();
        for quota in [None, Some(quota(None, Some("400/day")))] {
            let mut bench = Bench::new();
            bench.quotas.extend(quota.map(|quota| ("acme".to_owned(), quota)));
            bench.world.set_faults(Faults { latency_ms_max, ..Faults::none() });
            bench.page_rate = Some("20/s".parse().unwrap());
            let running = bench.start("sender");
            bench.campaign_on("daily", "acme", "page", 1, 30).await;
            tokio::time::sleep(12 * SECOND).await;
            made.push(bench.callers_of("daily", "acme").len());
            let now = bench.world.clock(running.process).monotonic();
            let told = running.board.pages().values().map(|page| page.calls.per_second(now)).sum::<u32>();
            assert!((14..=20).contains(&told), "{latency_ms_max} ms: {told}/s is told of {made:?}");
            running.stop().await;
        }
        assert!(made[1] as f64 >= part * made[0] as f64, "{latency_ms_max} ms: {made:?}");
    }
}
