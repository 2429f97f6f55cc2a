//! What a page remembers of campaigns.

use crate::support::{Bench, SIZE, page};
use sluice_core::chunk_state::entry;
use sluice_schemas::Fact;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn g9_a_campaign_without_work_is_forgotten() {
    let bench = Bench::new();
    bench.campaign(&[]).await;
    bench.merge(1, &[entry(Fact::Accepted, 0, SIZE as u16 - 2, 1, 0)]).await;
    let running = bench.start("sender");
    let open = || running.board.pages()[&page()].campaigns;

    // One recipient is open, and there is no row to send from.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((open(), bench.committed()), (1, 0));

    bench.merge(2, &[entry(Fact::Accepted, 0, SIZE as u16 - 1, 1, 0)]).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((open(), bench.committed()), (0, 1));
    running.stop().await;
}
