//! Commands to a campaign whose pages are many.

use crate::support::{Bench, id};
use sluice_completion::{cancel, pause};
use sluice_simulation::Faults;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn g7_c5_a_command_to_thousands_of_pages_is_acknowledged_before_who_gave_it_has_gone() {
    let mut faults = Faults::none();
    faults.store.distance_ms = 20;
    let bench = Bench::new(1, faults);
    bench.campaign_on(3_000).await;
    let began = bench.world.now();
    pause(&bench.hand_ports(), id(), None).await.unwrap();
    let took = bench.world.now() - began;
    assert!(took < Duration::from_secs(10), "{took:?}");
    let pages = bench.row().page_ids();
    let ledgers = bench.hand_store().ledgers(&pages).await.unwrap();
    assert!(pages.iter().all(|page| ledgers[page].fence.control == 1), "each has heard");
    cancel(&bench.hand_ports(), id(), None).await.unwrap();
    assert!(bench.world.now() - began < Duration::from_secs(20));
}
