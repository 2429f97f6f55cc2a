//! Hazards 21, 22, 24: the end of a campaign.

use super::run::{Run, for_each};
use crate::checks;
use crate::cluster::Scenario;
use sluice_core::CampaignState;
use sluice_core::facts::Status;
use sluice_simulation::{Faults, ProviderFaults};
use std::cell::Cell;
use std::time::Duration;

#[test]
fn hazard_21_a_seal_that_comes_after_the_last_chunk_ends_the_campaign() {
    for_each("seed", 0..10, |seed| async move {
        let scenario =
            Scenario { faults: Faults::latency(), nodes: 1 + seed as usize % 2, ..Scenario::default() };
        let mut run = Run::new(seed, &scenario).await;
        run.cluster.audience.pause_before_end = Duration::from_secs(40);
        run.start_all();
        let rows = run.cluster.audience.rows;
        run.until("everybody", |cluster| {
            let counters = checks::counters(cluster);
            counters.total == rows && counters.pending == 0 && !cluster.is_sealed()
        })
        .await;
        run.until("the seal", |cluster| cluster.is_sealed()).await;
        let sealed_at = run.cluster.world.now();
        run.reaches(CampaignState::Completed).await;
        let took = run.cluster.world.now() - sealed_at;
        assert!(took < Duration::from_secs(12), "ended {took:?} after the seal");
        run.ends().await;
    });
}

#[test]
fn hazard_22_a_crash_at_any_effect_of_a_run_tells_its_end_once() {
    let scenario = Scenario { rows: 9, pages: 1, nodes: 1, ..Scenario::default() };
    let effects = Cell::new(0);
    for_each("no crash, seed", [0], |seed| {
        let (effects, scenario) = (&effects, Scenario { faults: Faults::latency(), ..scenario.clone() });
        async move {
            let mut run = Run::started(seed, &scenario).await;
            run.reaches(CampaignState::Completed).await;
            effects.set(run.cluster.world.effects_seen());
        }
    });
    for_each("a crash at effect", (1..=effects.get()).step_by(2), |effect| {
        let scenario = Scenario { faults: Faults::crash_at(effect), ..scenario.clone() };
        async move {
            // The same seed: the run is the same up to the crash.
            let cluster = Run::started(0, &scenario).await.completes().await;
            assert_eq!(cluster.world.crashes_seen(), 1);
            cluster.assert_no_attempt_twice();
        }
    });
}

#[test]
fn hazard_24_failures_told_after_the_end_move_counters_and_start_nothing() {
    for_each("seed", 0..8, |seed| async move {
        let provider =
            ProviderFaults { failed_later_ppm: 500_000, webhook_ms_max: 600_000, ..ProviderFaults::none() };
        let scenario = Scenario { faults: Faults::latency(), provider, ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.reaches(CampaignState::Completed).await;
        let (calls, before) = (run.cluster.calls().len(), run.cluster.count(Status::Failed));
        tokio::time::sleep(Duration::from_secs(700)).await;
        assert_eq!(run.cluster.row().await.unwrap().state, CampaignState::Completed);
        let after = run.cluster.count(Status::Failed);
        assert!(after > before + 5, "{before} failed before the end, {after} after it");
        let cluster = run.ends().await;
        assert_eq!(cluster.calls().len(), calls);
    });
}
