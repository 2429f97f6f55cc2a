//! The store as it was before the last calls: what an operator does then, as docs/deploy.md says.

use super::run::{Run, for_each};
use crate::cluster::Scenario;
use sluice_completion::cancel;
use sluice_simulation::Faults;
use std::collections::BTreeSet;
use std::time::Duration;

/// Longer than the search for lost chunks takes to ask for them.
const LONG: Duration = Duration::from_secs(600);

/// A campaign whose processes are gone, on the store as it was `since` calls ago.
async fn restored(since: u64) -> Run {
    let scenario = Scenario {
        faults: Faults::latency(),
        rows: 400,
        settles_by_webhook: false,
        page_rate: Some("20/s"),
        ..Scenario::default()
    };
    let mut run = Run::started(since, &scenario).await;
    run.until("some calls", |cluster| cluster.is_sealed() && cluster.calls().len() >= 60).await;
    let (backup, called) = (run.cluster.store.backup(), run.cluster.calls().len());
    run.until("more calls", |cluster| cluster.calls().len() >= called + since as usize).await;
    for process in run.nodes.iter().map(|node| node.process).collect::<Vec<_>>() {
        run.kill(process);
    }
    run.cluster.store.restore(backup);
    run
}

#[test]
fn g1_nobody_is_called_again_on_a_restored_store_whose_campaigns_are_cancelled_first() {
    for_each("calls since", (10..130).step_by(20), |since| async move {
        let mut run = restored(since).await;
        cancel(&run.cluster.hand_ports(), run.cluster.id(), Some("restored".to_owned())).await.unwrap();
        run.start_all();
        tokio::time::sleep(LONG).await;
        run.cluster.assert_no_attempt_twice();
        run.stop_all().await;
    });
}

#[test]
fn g1_without_that_people_are_called_twice() {
    for_each("calls since", [100], |since| async move {
        let mut run = restored(since).await;
        run.start_all();
        tokio::time::sleep(LONG).await;
        let calls = run.cluster.calls();
        let people: BTreeSet<_> = calls.iter().map(|call| call.send).collect();
        assert!(people.len() < calls.len(), "the cancel above would be needless");
        run.stop_all().await;
    });
}
