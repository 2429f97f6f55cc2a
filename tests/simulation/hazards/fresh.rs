//! A4, G7: whoever opts out is not called any more within seconds, however long a decoded send waits for its call.

use super::run::{Run, for_each, ms};
use crate::audience::SimAudience;
use crate::cluster::{Cluster, Scenario};
use sluice_schemas::Channel;
use sluice_simulation::{Faults, ProviderFaults};
use std::time::Duration;

fn scenario(page_rate: Option<&'static str>) -> Scenario {
    Scenario {
        faults: Faults { latency_ms_max: 20, ..Faults::none() },
        provider: ProviderFaults { latency_ms_max: 10, ..ProviderFaults::none() },
        rows: 60,
        pages: 1,
        nodes: 1,
        chunk_rows: 64,
        settles_by_webhook: false,
        page_rate,
        ..Scenario::default()
    }
}

/// Every third person who was not called yet opts out.
async fn some_opt_out(cluster: &Cluster) -> Vec<String> {
    let called: Vec<Option<String>> = cluster.calls().into_iter().map(|call| call.address).collect();
    let people = (0..cluster.audience.rows).filter(|row| row % 3 == 0).map(SimAudience::address);
    let out: Vec<String> = people.filter(|person| !called.contains(&Some(person.clone()))).collect();
    let rows = out.iter().map(|address| (address.clone(), "asked".to_owned())).collect();
    cluster.hands.store.suppress("default", Channel::Http, rows).await.unwrap();
    out
}

fn assert_not_called(cluster: &Cluster, people: &[String], after: Duration) {
    assert!(people.len() > 5);
    for call in cluster.calls().iter().filter(|call| call.at > after) {
        assert!(!people.contains(call.address.as_ref().unwrap()), "{call:?} after its opt-out");
    }
}

#[test]
fn a4_an_opt_out_is_respected_while_a_slow_limit_keeps_the_person_waiting() {
    for_each("seed", 0..3, |seed| async move {
        let run = Run::started(seed, &scenario(Some("10/min"))).await;
        run.until("some calls", |cluster| cluster.calls().len() > 3).await;
        let out = some_opt_out(&run.cluster).await;
        let at = run.cluster.world.now();
        let cluster = run.completes().await;
        assert_not_called(&cluster, &out, at + Duration::from_secs(5));
        cluster.assert_no_attempt_twice();
    });
}

#[test]
fn a4_an_opt_out_is_respected_after_a_long_hold() {
    for_each("seed", 0..3, |seed| async move {
        let run = Run::started(seed, &scenario(Some("20/s"))).await;
        run.until("some calls", |cluster| cluster.calls().len() > 5).await;
        let provider = &run.cluster.provider;
        provider.set_faults(ProviderFaults { unreachable_ppm: 1_000_000, ..ProviderFaults::none() });
        tokio::time::sleep(Duration::from_secs(40)).await;
        let out = some_opt_out(&run.cluster).await;
        let at = run.cluster.world.now();
        tokio::time::sleep(Duration::from_secs(20)).await;
        provider.set_faults(ProviderFaults::none());
        let cluster = run.completes().await;
        assert_not_called(&cluster, &out, at + ms(1));
        cluster.assert_no_attempt_twice();
    });
}
