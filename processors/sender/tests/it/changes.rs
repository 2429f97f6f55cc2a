//! Limits that a person changes while the campaign runs, judged by the provider's list of calls: in force within a
//! second of the answer, and in no window above what was allowed meanwhile (C5, G4).

use crate::support::{Bench, Running, SIZE};
use sluice_core::{CampaignState, Terms};
use sluice_schemas::{GateClass, Rules};
use sluice_simulation::{Faults, ProviderFaults};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// What a call at the new rate may be late: its slot, and looking at who opted out before it.
const JITTER: Duration = Duration::from_millis(50);

/// Moments in a second at which a change may come.
fn phases() -> impl Iterator<Item = Duration> {
    (0..1_000).step_by(90).map(Duration::from_millis)
}

/// A campaign of one chunk of `people` that runs, with a provider that is called when a call starts.
async fn running(rate: Option<&str>, rules: Rules, people: u32) -> (Bench, Running) {
    let mut bench = Bench::for_days();
    bench.chunk_size = people;
    bench.answers(ProviderFaults { latency_ms_max: 0, ..ProviderFaults::none() });
    bench.ruled_campaign("changed", rate, rules, &[GateClass::default()]).await;
    let running = bench.start("sender");
    (bench, running)
}

/// Changes the campaign's terms; when that was acknowledged.
async fn change(bench: &Bench, rate: Option<&str>, rules: Rules) -> Duration {
    let terms = Terms { rate: rate.map(str::to_owned), rules, ..Terms::default() };
    bench.command("changed", CampaignState::Running, Some(terms)).await;
    bench.world.now()
}

fn calls(bench: &Bench) -> Vec<Duration> {
    bench.calls_of("changed").into_iter().map(|(at, _)| at).collect()
}

/// Most calls in any window of this length, of whatever position.
fn most_in(calls: &[Duration], window: Duration) -> usize {
    let inside = |first: usize| calls[first..].iter().take_while(|at| **at < calls[first] + window).count();
    (0..calls.len()).map(inside).max().unwrap_or(0)
}

fn daily(limit: i64) -> Rules {
    Rules { daily_send_limit: Some(limit), ..Rules::default() }
}

fn pair(rate: &str) -> Rules {
    Rules { pair_rate: Some(rate.to_owned()), ..Rules::default() }
}

#[tokio::test(start_paused = true)]
async fn c5_b2_a_wider_rate_is_in_force_within_a_second_whatever_is_waited_for() {
    for phase in phases() {
        let (bench, running) = running(Some("12/h"), Rules::default(), SIZE).await;
        // The second call would come minutes later.
        tokio::time::sleep(7 * MINUTE + phase).await;
        assert_eq!(calls(&bench).len(), 1);
        let changed = change(&bench, Some("100/s"), Rules::default()).await;
        tokio::time::sleep(2 * SECOND).await;
        let calls = calls(&bench);
        assert_eq!(calls.len(), SIZE as usize);
        assert!(calls[1] - changed <= SECOND + JITTER, "{phase:?}: {:?}", calls[1] - changed);
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c5_g4_a_narrower_rate_is_in_force_within_a_second_and_neither_is_exceeded_meanwhile() {
    let cases = [
        ("20/s", "2/s", 0),
        ("20/s", "30/min", 0),
        ("600/min", "6/min", 0),
        ("5/s", "1/s", 20),
        ("80/s", "4/s", 200),
    ];
    for (old, new, distance_ms) in cases {
        for phase in phases().step_by(3) {
            let (bench, running) = running(Some(old), Rules::default(), 2_000).await;
            let mut faults = Faults::none();
            faults.store.distance_ms = distance_ms;
            bench.world.set_faults(faults);
            tokio::time::sleep(8 * SECOND + phase).await;
            let changed = change(&bench, Some(new), Rules::default()).await;
            tokio::time::sleep(2 * MINUTE).await;
            let calls = calls(&bench);
            let case = format!("{old} to {new} at {distance_ms} ms after {phase:?}");
            let [old, new] = [old, new].map(|rate| rate.parse::<sluice_core::rate::Rate>().unwrap());
            let count = |rate: sluice_core::rate::Rate| rate.count.get() as usize;
            assert!(most_in(&calls, old.per.window()) <= count(old), "{case}: {calls:?}");
            let since: Vec<Duration> = calls.iter().copied().filter(|at| *at >= changed + SECOND).collect();
            assert!(most_in(&since, new.per.window()) <= count(new), "{case}: {since:?}");
            // In the second until then the former limit counts.
            let between = calls.iter().filter(|at| (changed..changed + SECOND).contains(at)).count();
            assert!(between <= count(old), "{case}: {between}");
            let expected = new.per_second() * 110.0;
            assert!(since.len() as f64 > 0.9 * expected, "{case}: it goes on, {} calls", since.len());
            running.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c5_b3_a_narrower_limit_of_the_day_is_in_force_within_a_second_and_counts_what_was_called() {
    // Four are called by then; what is left of the new limit is used, then nobody until some count no longer.
    for (new, by_then) in [(6, 6), (4, 4), (2, 4)] {
        let (bench, sender) = running(Some("1/min"), daily(8), SIZE).await;
        tokio::time::sleep(5 * MINUTE - SECOND).await;
        let before = calls(&bench).len();
        assert_eq!(before, 4);
        let changed = change(&bench, Some("1/min"), daily(new)).await;
        bench.live(HOUR).await;
        sender.stop().await;
        assert_eq!(calls(&bench).len(), by_then, "{new}");
        tokio::time::sleep(22 * HOUR).await;
        let sender = bench.start("another");
        bench.live(3 * HOUR).await;
        let calls = calls(&bench);
        assert!(calls.len() > by_then, "{new}: {calls:?}");
        for (position, at) in calls.iter().enumerate().filter(|(_, at)| **at >= changed + SECOND) {
            let counts = calls[..=position].iter().filter(|call| **call + 24 * HOUR > *at).count();
            assert!(counts <= new as usize, "{new}: {calls:?}");
        }
        sender.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c5_b3_a_wider_limit_of_the_day_is_in_force_within_a_second() {
    for phase in phases() {
        let (bench, running) = running(None, daily(2), SIZE).await;
        tokio::time::sleep(2 * MINUTE + phase).await;
        assert_eq!(calls(&bench).len(), 2);
        let changed = change(&bench, None, daily(7)).await;
        tokio::time::sleep(2 * MINUTE).await;
        let calls = calls(&bench);
        assert_eq!(calls.len(), 7);
        assert!(calls[6] - changed <= SECOND + JITTER, "{phase:?}: {:?}", calls[6] - changed);
        running.stop().await;
    }
}

/// Campaigns to the same people, all with this limit of the pair.
async fn campaigns(rate: &str, names: &[&str]) -> (Bench, Running) {
    let bench = Bench::for_days();
    bench.answers(ProviderFaults { latency_ms_max: 0, ..ProviderFaults::none() });
    for name in names {
        bench.ruled_campaign(name, None, pair(rate), &[GateClass::default()]).await;
    }
    let running = bench.start("sender");
    (bench, running)
}

async fn change_pairs(bench: &Bench, rate: &str, names: &[&str]) -> Duration {
    for name in names {
        let terms = Terms { rules: pair(rate), ..Terms::default() };
        bench.command(name, CampaignState::Running, Some(terms)).await;
    }
    bench.world.now()
}

#[tokio::test(start_paused = true)]
async fn c5_g4_a_narrower_limit_of_the_pair_is_in_force_within_a_second_and_counts_earlier_calls() {
    let names = ["one", "two", "three", "four"];
    for phase in phases().step_by(2) {
        // The interval is 6 s before, and a minute after.
        let (bench, running) = campaigns("10/min", &names).await;
        tokio::time::sleep(15 * SECOND + phase).await;
        let changed = change_pairs(&bench, "1/min", &names).await;
        tokio::time::sleep(5 * MINUTE).await;
        for (person, calls) in bench.calls_by_person() {
            assert_eq!(calls.len(), names.len(), "{person}");
            for pair in calls.windows(2) {
                let least = if pair[1] < changed + SECOND { MINUTE / 10 } else { MINUTE };
                assert!(pair[1] - pair[0] >= least, "{phase:?}, {person}, changed {changed:?}: {calls:?}");
            }
            assert!(calls[0] < changed && calls[3] > changed, "{person}: {calls:?}");
        }
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c5_b2_a_wider_limit_of_the_pair_is_in_force_within_a_second() {
    let names = ["one", "two", "three"];
    for phase in phases().step_by(2) {
        let (bench, running) = campaigns("1/min", &names).await;
        tokio::time::sleep(75 * SECOND + phase).await;
        assert!(bench.calls_by_person().values().all(|calls| calls.len() == 1));
        let changed = change_pairs(&bench, "60/s", &names).await;
        tokio::time::sleep(5 * SECOND).await;
        for (person, calls) in bench.calls_by_person() {
            assert_eq!(calls.len(), names.len(), "{phase:?}, {person}: {calls:?}");
            let late = calls[1] - changed;
            assert!(late <= SECOND + JITTER, "{phase:?}, {person}: {late:?}");
        }
        running.stop().await;
    }
}
