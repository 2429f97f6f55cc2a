//! Many seeds, all faults.

use crate::checks;
use crate::cluster::{Cluster, Scenario};
use crate::gates::kinds::{assert_worth_judging, changed};
use crate::gates::seeded::{rulebook, ruled};
use crate::gates::{judge, person};
use sluice_core::CampaignState;
use sluice_schemas::OnUnknown;
use sluice_simulation::{Faults, ProviderFaults, Random};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::thread::ScopedJoinHandle;

/// Runs one simulated world to its end, on a runtime of its own with time that moves by itself.
pub(crate) fn simulate<F: Future<Output = ()>>(run: F) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(run);
}

/// Three quarters of the seeds have rules, and persons who change them.
pub(crate) fn scenario(seed: u64) -> Scenario {
    let free = unruled(seed);
    // Not the draws of the world.
    let mut random = Random::new(!seed);
    if random.below(4) == 0 { free } else { ruled(free, &mut random) }
}

fn unruled(seed: u64) -> Scenario {
    Scenario {
        faults: if seed.is_multiple_of(3) { Faults::ambiguous() } else { Faults::hostile() },
        provider: ProviderFaults::hostile(),
        rows: 20 + seed % 80,
        pages: 1 + (seed % 3) as usize,
        nodes: 1 + (!seed.is_multiple_of(4)) as usize,
        chunk_rows: 8 + (seed % 25) as u32,
        settles_by_webhook: seed.is_multiple_of(2),
        page_rate: seed.is_multiple_of(5).then_some("20/s"),
        on_unknown: if seed.is_multiple_of(7) { OnUnknown::Resend } else { OnUnknown::Keep },
        time_max: std::time::Duration::from_secs(3_600),
        ..Scenario::default()
    }
}

/// What was worth judging of a run: the limits that were reached, and what persons changed.
type Seen = BTreeSet<&'static str>;

fn run(seed: u64, show: bool) -> Seen {
    let scenario = &scenario(seed);
    let mut seen = Seen::new();
    simulate(async {
        let cluster = Cluster::new(seed, scenario);
        let result = run_checked(&cluster, scenario).await;
        if show || result.is_err() {
            eprintln!("{scenario:#?}\n{}", cluster.world.report());
        }
        match result {
            Ok(of_run) => seen = of_run,
            Err(panic) => {
                eprintln!(
                    "replay with SLUICE_SEED={seed} cargo test -p sluice-tests --test simulation g1_g2"
                );
                std::panic::resume_unwind(panic);
            }
        }
    });
    seen
}

async fn run_checked(cluster: &Cluster, scenario: &Scenario) -> Result<Seen, Box<dyn std::any::Any + Send>> {
    let mut running = Box::pin(async {
        cluster.launch().await;
        let ends = [CampaignState::Completed, CampaignState::Cancelled];
        let (nodes, given) =
            tokio::join!(cluster.run_until(scenario, &ends), person::commands(cluster, scenario));
        cluster.stop(nodes).await;
        checks::guarantees(cluster);
        let (calls, rules) = (cluster.provider.truth().calls, rulebook(scenario, &given));
        let breaches = judge::breaches(&calls, &rules);
        assert!(breaches.is_empty(), "{breaches:#?} of {given:#?}");
        judge::reached(&calls, &rules).union(&changed(&given)).copied().collect()
    });
    std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
            Ok(std::task::Poll::Ready(seen)) => std::task::Poll::Ready(Ok(seen)),
            Ok(std::task::Poll::Pending) => std::task::Poll::Pending,
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[test]
fn g1_g2_g3_g4_g5_g7_g8_hold_for_every_seed() {
    if let Some(seed) = number("SLUICE_SEED") {
        let seen = run(seed, true);
        return eprintln!("{seen:#?}");
    }
    let seeds = number("SLUICE_SEEDS").unwrap_or(1_000);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let of_worker =
            |first| (first..seeds).step_by(threads as usize).map(|seed| run(seed, false)).collect();
        let workers: Vec<_> = (0..threads).map(|first| scope.spawn(move || of_worker(first))).collect();
        let join = |worker: ScopedJoinHandle<'_, Vec<Seen>>| {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        workers.into_iter().flat_map(join).collect()
    });
    if seeds >= 1_000 {
        assert_worth_judging(seen.into_iter());
    }
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    for seed in [1, 2, 3] {
        let digest = || {
            let mut digest = 0;
            simulate(async {
                let scenario = scenario(seed);
                let cluster = Cluster::new(seed, &scenario);
                run_checked(&cluster, &scenario)
                    .await
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                digest = cluster.world.digest();
            });
            digest
        };
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}
