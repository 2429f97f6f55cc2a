//! Many seeds, all faults.

use crate::checks;
use crate::cluster::{Cluster, Scenario};
use crate::gates::seeded::{Ruled, rulebook};
use crate::gates::{judge, person};
use sluice_core::CampaignState;
use sluice_schemas::OnUnknown;
use sluice_simulation::{Faults, ProviderFaults};
use std::panic::AssertUnwindSafe;

/// Runs one simulated world to its end, on a runtime of its own with time that moves by itself.
pub(crate) fn simulate<F: Future<Output = ()>>(run: F) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(run);
}

/// Half of the seeds have rules, and persons who change them.
fn scenario(seed: u64) -> Scenario {
    let free = unruled(seed);
    if matches!(seed % 4, 0 | 3) {
        return free;
    }
    // The judge sees when calls arrive: the longer their way, the more it has to let pass.
    let latency_ms_max = [0, 20, 0, 300][(seed / 8 % 4) as usize];
    Scenario {
        provider: ProviderFaults { latency_ms_max, ..free.provider },
        page_rate: [Some("20/s"), Some("4/s"), Some("70/min"), None, None][(seed % 5) as usize],
        ruled: Ruled::of(seed),
        ..free
    }
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

fn run(seed: u64, show: bool) {
    run_scenario(seed, &scenario(seed), show);
}

fn run_scenario(seed: u64, scenario: &Scenario, show: bool) {
    simulate(async {
        let cluster = Cluster::new(seed, scenario);
        let result = run_checked(&cluster, scenario).await;
        if show || result.is_err() {
            eprintln!("{scenario:#?}\n{}", cluster.world.report());
        }
        if let Err(panic) = result {
            eprintln!("replay with SLUICE_SEED={seed} cargo test -p sluice-tests --test simulation g1_g2");
            std::panic::resume_unwind(panic);
        }
    });
}

async fn run_checked(cluster: &Cluster, scenario: &Scenario) -> Result<(), Box<dyn std::any::Any + Send>> {
    let mut running = Box::pin(async {
        cluster.launch().await;
        let ends = [CampaignState::Completed, CampaignState::Cancelled];
        let (nodes, given) =
            tokio::join!(cluster.run_until(scenario, &ends), person::commands(cluster, scenario));
        cluster.stop(nodes).await;
        checks::guarantees(cluster);
        let breaches = judge::breaches(&cluster.provider.truth().calls, &rulebook(scenario, &given));
        assert!(breaches.is_empty(), "{breaches:#?} of {given:#?}");
    });
    std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
            Ok(std::task::Poll::Ready(())) => std::task::Poll::Ready(Ok(())),
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
        return run(seed, true);
    }
    let seeds = number("SLUICE_SEEDS").unwrap_or(1_000);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|first| {
                scope
                    .spawn(move || (first..seeds).step_by(threads as usize).for_each(|seed| run(seed, false)))
            })
            .collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

#[test]
fn g4_the_limit_of_a_pair_holds_for_every_seed() {
    for seed in (1..40).step_by(4) {
        let free = scenario(seed);
        let ruled = Ruled { pair: Some("2/min"), ..free.ruled.clone() };
        run_scenario(seed, &Scenario { ruled, ..free }, false);
    }
}

#[test]
fn g4_the_limit_of_several_pages_holds_for_every_seed_whatever_processes_own_them() {
    for seed in (2..82).step_by(4) {
        let free = scenario(seed);
        let rate = ["30/min", "2/s", "12/min", "1/s"][(seed / 4 % 4) as usize];
        let ruled = Ruled { quota: Some(rate), rate: None, ..free.ruled.clone() };
        let scenario = Scenario { ruled, page_rate: None, pages: 3, nodes: 3, ..free };
        run_scenario(seed, &scenario, false);
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
