//! Hazards 3, 4, 11: claims; and calls within their slots.

use super::run::{Run, for_each, ms};
use crate::cluster::{Cluster, PARTITIONS, Scenario};
use sluice_core::CampaignState;
use sluice_core::facts::Status;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_simulation::truth::calls_in_window_max;
use sluice_simulation::{Faults, ProviderFaults, StoreFaults};
use std::cell::Cell;
use std::time::Duration;

#[test]
fn hazard_03_grants_that_hang_and_are_applied_later_claim_nobody_twice() {
    let woke_up = Cell::new(0);
    for_each("seed", 0..12, |seed| {
        let woke_up = &woke_up;
        async move {
            let store = StoreFaults {
                ambiguous_ppm: 300_000,
                late_ms_max: 6_000,
                unavailable_ppm: 60_000,
                ..Faults::none().store
            };
            let scenario = Scenario {
                faults: Faults { latency_ms_max: 20, store, ..Faults::none() },
                // Long calls: whoever dies leaves some whose outcome only the ledger knows of.
                provider: ProviderFaults {
                    latency_ms_max: 900,
                    webhook_missing_ppm: 1_000_000,
                    ..ProviderFaults::none()
                },
                pages: 1,
                page_rate: Some("5/s"),
                ..Scenario::default()
            };
            let mut run = Run::started(seed, &scenario).await;
            // The owner dies right after a late write: its successor finds what that write left.
            for round in 3..8 {
                let seen = run.cluster.late_grants();
                let sendable = run.cluster.audience.sendable() as usize;
                // Whoever was granted by one that died may never be called.
                let has_ended = |cluster: &Cluster| {
                    let campaigns = cluster.store.snapshot().campaigns;
                    campaigns.values().any(|row| row.state == CampaignState::Completed)
                };
                run.until("a late grant", |cluster| {
                    cluster.late_grants() > seen || cluster.calls().len() + 5 > sendable || has_ended(cluster)
                })
                .await;
                if has_ended(&run.cluster) {
                    break;
                }
                woke_up.set(woke_up.get() + u32::from(run.cluster.late_grants() > seen));
                if let Some(owner) = run.owner() {
                    run.kill(owner);
                    run.start(&format!("node-{round}"));
                }
                run.until("a new owner", |cluster| {
                    let owner = cluster.ledger().and_then(|ledger| ledger.owner);
                    owner.is_some_and(|owner| {
                        run.nodes.iter().any(|node| owner.ends_with(&format!("-{}", node.process)))
                    })
                })
                .await;
            }
            run.completes().await.assert_no_attempt_twice();
        }
    });
    assert!(woke_up.get() > 30, "only {} owners died after a late grant", woke_up.get());
}

/// Appends every record of `chunks` once more, as a consumer that starts from an old position reads it.
async fn repeat_descriptors(cluster: &Cluster) -> usize {
    let mut repeated = 0;
    for partition in (0..PARTITIONS).map(Partition) {
        let records: Vec<NewRecord> = cluster
            .log
            .inspect(Topic::Chunks, partition)
            .into_iter()
            .map(|record| NewRecord { key: record.key, value: record.value })
            .collect();
        repeated += records.len();
        if !records.is_empty() {
            cluster.hands.log.append(Topic::Chunks, partition, records).await.unwrap();
        }
    }
    repeated
}

#[test]
fn hazard_04_claims_of_the_dead_hold_while_their_records_are_read_again() {
    for_each("killed after ms", (300..3_000).step_by(150), |after| async move {
        let provider =
            ProviderFaults { webhook_missing_ppm: 500_000, latency_ms_max: 800, ..ProviderFaults::none() };
        let scenario =
            Scenario { faults: Faults::latency(), provider, pages: 1, nodes: 1, ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        for name in ["node-2", "node-3"] {
            tokio::time::sleep(ms(after)).await;
            let process = run.nodes[0].process;
            run.kill(process);
            // All that was claimed is open in every sense but the ledger's.
            repeat_descriptors(&run.cluster).await;
            run.start(name);
            tokio::time::sleep(Duration::from_secs(11)).await;
            repeat_descriptors(&run.cluster).await;
        }
        run.completes().await.assert_no_attempt_twice();
    });
}

#[test]
fn hazard_04_records_that_are_read_after_the_end_call_nobody() {
    for_each("seed", 0..3, |seed| async move {
        let mut run = Run::started(seed, &Scenario::default()).await;
        run.reaches(CampaignState::Completed).await;
        let calls = run.cluster.calls().len();
        assert!(repeat_descriptors(&run.cluster).await > 0);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(run.cluster.calls().len(), calls);
        run.ends().await;
    });
}

#[test]
fn hazard_11_a_clean_stop_gives_back_what_was_granted_and_leaves_nobody_unknown() {
    let given_back = Cell::new(0);
    for_each("stopped each ms", [150, 333, 700, 1_250], |each| {
        let given_back = &given_back;
        async move {
            let provider = ProviderFaults { latency_ms_max: 600, ..ProviderFaults::none() };
            let scenario = Scenario {
                faults: Faults { latency_ms_max: 30, ..Faults::none() },
                provider,
                rows: 150,
                pages: 1,
                nodes: 2,
                settles_by_webhook: false,
                page_rate: Some("20/s"),
                ..Scenario::default()
            };
            let mut run = Run::started(each, &scenario).await;
            for round in 3..30 {
                run.until("a claim", |cluster| {
                    let ended = cluster
                        .store
                        .snapshot()
                        .campaigns
                        .get(&cluster.id())
                        .is_some_and(|row| row.state.is_ended());
                    ended
                        || cluster
                            .ledger()
                            .is_some_and(|ledger| ledger.owner.is_some() && !ledger.body.is_empty())
                })
                .await;
                tokio::time::sleep(ms(each)).await;
                let Some(owner) = run.owner() else { continue };
                let claims = run.cluster.ledger().unwrap().body.len();
                run.start(&format!("node-{round}"));
                run.stop(owner).await;
                if claims > 0 {
                    given_back.set(given_back.get() + 1);
                }
            }
            let cluster = run.completes().await;
            cluster.assert_no_attempt_twice();
            assert_eq!(cluster.count(Status::Unknown), 0, "unknown after clean stops");
            assert_eq!(cluster.calls().len() as u64, cluster.audience.sendable());
        }
    });
    assert!(given_back.get() > 15, "only {} stops came in the middle", given_back.get());
}

#[test]
fn g4_what_a_stalled_provider_cost_is_not_made_up_for_in_a_burst() {
    let late = Cell::new(0);
    for_each("stalled ms", [300, 900, 1_500, 1_950, 4_000], |stall| {
        let late = &late;
        async move {
            let scenario = Scenario {
                provider: ProviderFaults { latency_ms_max: 0, ..ProviderFaults::none() },
                rows: 300,
                pages: 1,
                nodes: 1,
                chunk_rows: 64,
                page_rate: Some("20/s"),
                settles_by_webhook: false,
                ..Scenario::default()
            };
            let run = Run::started(stall, &scenario).await;
            for calls in [20, 60, 110] {
                run.until("some calls", |cluster| cluster.calls().len() > calls).await;
                run.cluster.provider.stall(ms(stall));
                tokio::time::sleep(ms(stall + 500)).await;
            }
            late.set(late.get() + run.cluster.world.report().matches("comes too late").count());
            let cluster = run.completes().await;
            let most = calls_in_window_max(&cluster.provider.truth(), &Cluster::page(), ms(1_000));
            assert!(most <= 20, "G4: {most} calls within a second");
            cluster.assert_no_attempt_twice();
            assert_eq!(
                cluster.calls().len() as u64,
                cluster.audience.sendable(),
                "given back, and made later"
            );
        }
    });
    assert!(late.get() > 50, "only {} calls were late", late.get());
}
