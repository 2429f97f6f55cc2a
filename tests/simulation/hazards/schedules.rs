//! Campaigns that come back (B5): a person cancels one, or changes its terms, while its occurrence is being launched.

use super::run::{Run, for_each, ms};
use crate::cluster::{Cluster, Scenario};
use sluice_completion::{CommandError, NewLimits, cancel, set_limits};
use sluice_core::{CampaignId, CampaignState};
use sluice_runtime::ports::store::StoreError;
use sluice_schemas::{Missed, Recurring};
use sluice_simulation::Faults;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Comes every minute; the first time after a minute.
async fn every_minute(seed: u64, scenario: &Scenario) -> Run {
    let mut cluster = Cluster::new(seed, scenario);
    cluster.launch.rules.recurring = Some(Recurring { cron: "* * * * *".to_owned(), missed: Missed::Once });
    cluster.launch().await;
    let mut run = Run { cluster, scenario: scenario.clone(), nodes: Vec::new() };
    run.start_all();
    run
}

/// Its occurrences by whether they were launched, or had their place taken.
fn occurrences(cluster: &Cluster, launched: bool) -> BTreeSet<CampaignId> {
    let rows = cluster.store.snapshot().campaigns.into_values();
    let rows = rows.filter(|row| row.id != cluster.id() && row.awaits_start != launched);
    rows.map(|row| row.id).collect()
}

#[test]
fn g7_once_a_cancelled_schedule_is_acknowledged_no_occurrence_of_it_is_launched() {
    static IN_TIME: AtomicUsize = AtomicUsize::new(0);
    static LAUNCHED: AtomicUsize = AtomicUsize::new(0);
    for_each("cancelled after ms", (0..8_000).step_by(100), |after| async move {
        let run = every_minute(after, &Scenario { rows: 20, ..Scenario::default() }).await;
        tokio::time::sleep(ms(59_000)).await;
        run.cluster.world.set_faults(Faults::ambiguous());
        tokio::time::sleep(ms(after)).await;
        let person = run.cluster.commands();
        while let Err(error) = cancel(&person, run.cluster.id(), None).await {
            assert!(matches!(error, CommandError::Store(StoreError::Unavailable(_))), "{error}");
        }
        let launched = occurrences(&run.cluster, true);
        IN_TIME.fetch_add(occurrences(&run.cluster, false).len(), Ordering::Relaxed);
        LAUNCHED.fetch_add(launched.len(), Ordering::Relaxed);
        // What hangs in the network arrives within 40 s.
        tokio::time::sleep(Duration::from_secs(60)).await;
        run.cluster.world.set_faults(Faults::none());
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(occurrences(&run.cluster, true), launched, "{}", run.cluster.world.report());
        for row in run.cluster.store.snapshot().campaigns.values().filter(|row| row.awaits_start) {
            assert_eq!(row.state, CampaignState::Cancelled, "{row:?}");
        }
        let Run { cluster, nodes, .. } = run;
        cluster.stop(nodes).await;
    });
    let counts = (IN_TIME.load(Ordering::Relaxed), LAUNCHED.load(Ordering::Relaxed));
    assert!(counts.0 > 0 && counts.1 > 0, "cancelled in the middle of a launch, and after it: {counts:?}");
}

#[test]
fn g7_once_other_limits_of_a_schedule_are_acknowledged_no_occurrence_starts_under_the_former_ones() {
    static IN_TIME: AtomicUsize = AtomicUsize::new(0);
    static BEFORE: AtomicUsize = AtomicUsize::new(0);
    for_each("changed after ms", (0..8_000).step_by(100), |after| async move {
        let run = every_minute(after, &Scenario { rows: 20, ..Scenario::default() }).await;
        tokio::time::sleep(ms(59_000)).await;
        run.cluster.world.set_faults(Faults::ambiguous());
        tokio::time::sleep(ms(after)).await;
        let (person, slower) = (run.cluster.commands(), Some("777/s".to_owned()));
        let new = NewLimits { rate: Some(slower.clone()), ..NewLimits::default() };
        let version = run.cluster.store.snapshot().campaigns[&run.cluster.id()].terms_version;
        while let Err(error) = set_limits(&person, run.cluster.id(), &new).await {
            assert!(matches!(error, CommandError::Store(StoreError::Unavailable(_))), "{error}");
        }
        let before = occurrences(&run.cluster, true);
        let snapshot = run.cluster.store.snapshot();
        let is_slower = |id: &CampaignId| snapshot.campaigns[id].launch.rate == slower;
        IN_TIME.fetch_add(before.iter().filter(|id| is_slower(id)).count(), Ordering::Relaxed);
        BEFORE.fetch_add(before.iter().filter(|id| !is_slower(id)).count(), Ordering::Relaxed);
        assert!(snapshot.campaigns[&run.cluster.id()].terms_version > version);
        // What hangs in the network arrives within 40 s.
        tokio::time::sleep(Duration::from_secs(60)).await;
        run.cluster.world.set_faults(Faults::none());
        tokio::time::sleep(Duration::from_secs(120)).await;
        let launched = run.cluster.store.snapshot().campaigns;
        let since = launched.values().filter(|row| row.id != run.cluster.id() && !before.contains(&row.id));
        let rates: Vec<_> = since.map(|row| row.launch.rate.clone()).collect();
        assert!(rates.len() >= 2 && rates.iter().all(|rate| *rate == slower), "{rates:?}");
        let Run { cluster, nodes, .. } = run;
        cluster.stop(nodes).await;
    });
    let counts = (IN_TIME.load(Ordering::Relaxed), BEFORE.load(Ordering::Relaxed));
    assert!(counts.0 > 0 && counts.1 > 0, "changed in the middle of a launch, and after it: {counts:?}");
}
