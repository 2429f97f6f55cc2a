//! Hazards 5, 6, 7: two processes that both believe that a page is theirs.

use super::run::{Run, for_each, ms};
use crate::cluster::{Cluster, PARTITIONS, Scenario};
use sluice_core::facts::Status;
use sluice_core::{CampaignState, PageId};
use sluice_log::simulated::GroupTimes;
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_schemas::OnUnknown;
use sluice_simulation::truth::calls_in_window_max;
use sluice_simulation::{Faults, ProcessId, ProviderFaults};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Life of a grant.
const LIFE: Duration = ms(2_000);

/// A group that gives a frozen member's partitions away while its grants still live.
fn hasty() -> GroupTimes {
    GroupTimes { session_timeout: ms(250), rebalance_timeout: ms(500), revoke_deadline: ms(400) }
}

fn scenario() -> Scenario {
    Scenario {
        faults: Faults { latency_ms_max: 20, ..Faults::none() },
        provider: ProviderFaults { latency_ms_max: 0, ..ProviderFaults::none() },
        rows: 120,
        pages: 1,
        nodes: 2,
        settles_by_webhook: false,
        page_rate: Some("20/s"),
        ..Scenario::default()
    }
}

/// Calls leave up to 20 ms after their slots.
const JITTER: Duration = ms(21);

fn rate_is_kept(cluster: &Cluster) {
    let most =
        calls_in_window_max(&cluster.provider.truth(), &Cluster::page(), Duration::from_secs(1) - JITTER);
    assert!(most <= 20, "G4: {most} calls within a second");
}

/// Freezes the owner once `calls` calls were made and more are claimed.
async fn freeze_owner(run: &Run, calls: usize, time: Duration) -> ProcessId {
    run.until("an owner with claims", |cluster| {
        cluster.calls().len() >= calls && cluster.ledger().is_some_and(|ledger| !ledger.body.is_empty())
    })
    .await;
    let owner = run.owner().unwrap();
    run.freeze(owner, time);
    owner
}

#[test]
fn hazard_05_a_frozen_owner_that_wakes_calls_nobody_after_its_grant_ended() {
    let in_hand = Cell::new(0);
    for_each("frozen after calls", 1..25, |calls| {
        let in_hand = &in_hand;
        async move {
            // Without a limit everything is in the caller's hand at once.
            let faults = Faults { latency_ms_max: 300, ..Faults::none() };
            let scenario = Scenario { faults, page_rate: None, ..scenario() };
            let mut run = Run::started(calls, &scenario).await;
            let former = freeze_owner(&run, calls as usize, Duration::from_secs(60)).await;
            let frozen_at = run.cluster.world.now();
            run.until("a new owner", |cluster| {
                cluster.ledger().unwrap().owner.is_some_and(|owner| !owner.ends_with(&format!("-{former}")))
            })
            .await;
            run.reaches(CampaignState::Completed).await;
            tokio::time::sleep((frozen_at + Duration::from_secs(65)).saturating_sub(run.cluster.world.now()))
                .await;
            in_hand.set(in_hand.get() + run.cluster.world.report().matches("comes too late").count());
            for call in run.cluster.calls().iter().filter(|call| call.process == former) {
                assert!(
                    call.at < frozen_at + LIFE,
                    "called {:?} after the freeze: {call:?}",
                    call.at - frozen_at
                );
            }
            run.ends().await.assert_no_attempt_twice();
        }
    });
    assert!(in_hand.get() > 100, "only {} calls were in the hand of a frozen owner", in_hand.get());
}

#[test]
fn hazard_05_a_short_freeze_in_a_hasty_group_calls_nobody_twice() {
    for_each("frozen ms", (200..4_000).step_by(190), |time| async move {
        let run = Run::started(time, &Scenario { group: hasty(), rows: 60, ..scenario() }).await;
        freeze_owner(&run, 5, ms(time)).await;
        run.completes().await.assert_no_attempt_twice();
    });
}

#[test]
fn hazard_06_a_former_member_that_wakes_up_does_not_take_the_page_back() {
    let before_its_take = Cell::new(0);
    for_each("frozen after ms", 0..40, |after| {
        let before_its_take = &before_its_take;
        async move {
            let scenario = Scenario { group: hasty(), rows: 60, nodes: 1, ..scenario() };
            let mut run = Run::started(after, &scenario).await;
            let member = run.nodes[0].process;
            run.until("a descriptor", |cluster| cluster.has_descriptors()).await;
            tokio::time::sleep(ms(2 * after)).await;
            // Its commit was accepted: what follows at once is a rightful take, however late it is carried out.
            let had_asked = (0..PARTITIONS).any(|shard| {
                run.cluster.log.inspect_committed("sender", Topic::Chunks, Partition(shard)).is_some()
            });
            let time = Duration::from_secs(5);
            let thaw_at = run.cluster.world.now() + time;
            run.freeze(member, time);
            run.start("node-2");
            run.until("another owner", |cluster| {
                cluster
                    .ledger()
                    .and_then(|ledger| ledger.owner)
                    .is_some_and(|owner| !owner.ends_with(&format!("-{member}")))
            })
            .await;
            // It may become the owner again, but only after the other one has handed over.
            run.cluster.world.sleep_until(thaw_at - ms(10)).await;
            let mut owner = run.cluster.owner_name().await;
            let its = |owner: &Option<String>| {
                owner.as_ref().is_some_and(|owner| owner.ends_with(&format!("-{member}")))
            };
            while run.cluster.world.now() < thaw_at + ms(1_500) {
                tokio::time::sleep(ms(1)).await;
                let now = run.cluster.owner_name().await;
                let stolen = owner.is_some() && now != owner && its(&now);
                assert!(
                    !stolen || had_asked,
                    "taken from {owner:?} by {now:?} at {:?}",
                    run.cluster.world.now()
                );
                owner = now;
            }
            if !had_asked {
                before_its_take.set(before_its_take.get() + 1);
            }
            let cluster = run.completes().await;
            cluster.assert_no_attempt_twice();
            rate_is_kept(&cluster);
        }
    });
    assert!(before_its_take.get() > 3, "only {} froze before they took the page", before_its_take.get());
}

#[test]
fn hazard_11_a_page_that_was_lost_and_taken_by_nobody_gives_back_who_was_not_called() {
    let granted = Cell::new(0);
    for_each("frozen after calls", 1..25, |calls| {
        let granted = &granted;
        async move {
            let scenario = Scenario { group: hasty(), rows: 60, nodes: 1, ..scenario() };
            let run = Run::started(calls, &scenario).await;
            // Everybody's membership ends at once, as when the brokers are away for long.
            freeze_owner(&run, calls as usize, Duration::from_secs(5)).await;
            let claimed = run.cluster.ledger().map_or(0, |ledger| ledger.body.len());
            granted.set(granted.get() + claimed);
            let cluster = run.completes().await;
            assert_eq!(cluster.count(Status::Unknown), 0, "its process lives: it knows whom it called");
            cluster.assert_no_attempt_twice();
            rate_is_kept(&cluster);
        }
    });
    assert!(granted.get() > 20, "only {} claims were in the ledger", granted.get());
}

/// The longest time from a call of one process to the next call of the page by another one, and how many pages changed
/// hands.
fn silences(cluster: &Cluster) -> (Duration, usize) {
    let mut last: BTreeMap<PageId, (Duration, ProcessId)> = BTreeMap::new();
    let (mut longest, mut changes) = (Duration::ZERO, 0);
    for call in cluster.calls() {
        let before = last.insert(call.page.clone(), (call.at, call.process));
        if let Some((at, _)) = before.filter(|(_, process)| *process != call.process) {
            longest = longest.max(call.at - at);
            changes += 1;
        }
    }
    (longest, changes)
}

#[test]
fn hazard_11_calls_without_an_answer_hold_up_no_page_that_is_handed_over() {
    let changes = Cell::new(0);
    for_each("seed", 0..6, |seed| {
        let changes = &changes;
        async move {
            // Each page always has some calls under way that end after two seconds, without an answer.
            let provider =
                ProviderFaults { latency_ms_max: 20, lost_answer_ppm: 100_000, ..ProviderFaults::none() };
            let scenario = Scenario {
                provider,
                rows: 2_400,
                pages: 8,
                chunk_rows: 512,
                nodes: 1,
                settles_by_webhook: seed % 2 == 1,
                on_unknown: if seed % 3 == 2 { OnUnknown::Resend } else { OnUnknown::Keep },
                ..scenario()
            };
            let mut run = Run::started(seed, &scenario).await;
            run.until("calls", |cluster| cluster.calls().len() > 400).await;
            // Some pages go to one that joins, and come back when it stops.
            let joined = run.start("node-2");
            run.until("its calls", |cluster| cluster.calls().iter().any(|call| call.process == joined)).await;
            tokio::time::sleep(ms(4_000)).await;
            run.stop(joined).await;
            tokio::time::sleep(ms(3_000)).await;
            let (longest, count) = silences(&run.cluster);
            assert!(longest < ms(1_000), "silent for {longest:?}");
            changes.set(changes.get() + count);
            let cluster = run.completes().await;
            cluster.assert_no_attempt_twice();
            rate_is_kept(&cluster);
            if scenario.on_unknown == OnUnknown::Keep {
                // Only those whose answer was lost: about a tenth.
                let (unknown, all) = (cluster.count(Status::Unknown), cluster.calls().len() as u64);
                assert!(unknown > 0 && unknown < all / 6, "{unknown} of {all}");
            }
        }
    });
    assert!(changes.get() >= 24, "only {} pages changed hands", changes.get());
}

#[test]
fn hazard_07_a_takeover_keeps_the_rate_whatever_the_clocks_say() {
    let in_hand = Cell::new(0);
    for_each("seed", 0..10, |seed| {
        let in_hand = &in_hand;
        async move {
            let scenario = Scenario {
                // Fast answers: the successor uses all of its rate.
                faults: Faults { skew_ms_max: 6_000, latency_ms_max: 4, ..Faults::none() },
                group: hasty(),
                rows: 2_400,
                chunk_rows: 2_400,
                page_rate: Some("400/s"),
                ..scenario()
            };
            let run = Run::started(seed, &scenario).await;
            // It wakes up while its own grants are still good, and calls beside its successor.
            let time = ms(1_200 + 70 * seed);
            let former = freeze_owner(&run, 500, time).await;
            let frozen_at = run.cluster.world.now();
            let epoch = run.cluster.ledger().unwrap().fence.epoch;
            run.until("a takeover", |cluster| cluster.ledger().unwrap().fence.epoch > epoch).await;
            assert!(run.cluster.world.now() < frozen_at + time, "taken over before it woke up");
            let cluster = run.completes().await;
            let woke = |at: Duration| at >= frozen_at + time && at < frozen_at + LIFE;
            let beside =
                cluster.calls().iter().filter(|call| call.process == former && woke(call.at)).count();
            in_hand.set(in_hand.get() + beside);
            let most = calls_in_window_max(
                &cluster.provider.truth(),
                &Cluster::page(),
                Duration::from_secs(1) - ms(5),
            );
            assert!(most <= 400, "G4: {most} calls within a second");
            cluster.assert_no_attempt_twice();
        }
    });
    // A few: most of what it had in hand came too late for its slot. It gets the page back only after the wait of
    // everybody who takes it from an owner that may still call.
    assert!(in_hand.get() > 0, "no call was made beside a successor");
}
