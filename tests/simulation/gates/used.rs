//! How much of a limit above pages is used where there is always more to send than it allows.

use super::judge::{breaches, used};
use super::person::Given;
use super::seeded::{QuotaRule, Ruled, rulebook};
use crate::cluster::{Cluster, Scenario};
use crate::seeds::simulate;
use sluice_core::CampaignState;
use sluice_simulation::{Faults, ProviderFaults};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn g4_nearly_all_of_a_limit_of_several_pages_is_used_by_processes_whose_clocks_differ() {
    for (seed, rate, nodes) in [(1, "20/s", 1), (2, "20/s", 2), (4, "40/s", 2)] {
        let scenario = Scenario {
            faults: Faults { latency_ms_max: 6, skew_ms_max: 50, ..Faults::none() },
            provider: ProviderFaults { latency_ms_max: 40, ..ProviderFaults::none() },
            rows: 1_600,
            nodes,
            chunk_rows: 64,
            ruled: Ruled { quotas: vec![QuotaRule::of_pages(rate)], ..Ruled::default() },
            ..Scenario::default()
        };
        simulate(async {
            let cluster = Cluster::new(seed, &scenario);
            cluster.launch().await;
            let nodes = cluster.run_until(&scenario, &[CampaignState::Completed]).await;
            cluster.stop(nodes).await;
            let calls = cluster.provider.truth().calls;
            let rules = rulebook(&scenario, &Given::default());
            assert_eq!(breaches(&calls, &rules), Vec::<String>::new());
            let from = calls[0].at + 2 * SECOND;
            let used = used(&calls, &rules.limits[0], from, from + 16 * SECOND).unwrap();
            assert!(used >= 0.95, "seed {seed}, {rate}: {used}");
        });
    }
}
