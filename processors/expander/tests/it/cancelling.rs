//! Campaigns that are cancelled before they are expanded.

use crate::world::{Person, World, launch, options};
use sluice_core::CampaignState;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn hazard_23_after_a_cancel_the_rest_is_only_counted() {
    let world = World::new(vec![Person::Valid; 500]);
    world.source.set(|source| source.pace = Duration::from_millis(10));
    world.submit(&launch(2));
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.store.put_state(world.id(), CampaignState::Cancelling);
    };
    tokio::join!(world.run_until_over(), cancel);
    world.check_sealed(500);
    let seal = world.seal().unwrap();
    assert!(seal.chunks > 0 && seal.not_expanded > 300, "{seal:?}");
}

#[tokio::test(start_paused = true)]
async fn hazard_23_a_campaign_that_was_cancelled_during_a_crash_is_counted_and_sealed() {
    let world = World::new(vec![Person::Valid; 100]);
    world.submit(&launch(1));
    world.fuel.limit(20, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    let committed = world.committed_lines().len() as u64;
    world.store.put_state(world.id(), CampaignState::Cancelling);
    world.fuel.no_limit();
    world.run_until_over().await;
    world.check_sealed(100);
    assert_eq!(world.seal().unwrap().not_expanded, 100 - committed);
}

#[tokio::test(start_paused = true)]
async fn g8_a_cancelled_campaign_ends_also_when_its_source_is_gone() {
    let world = World::new(vec![Person::Valid; 100]);
    world.submit(&launch(1));
    world.fuel.limit(20, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    world.fuel.no_limit();
    world.store.put_state(world.id(), CampaignState::Cancelling);
    world.source.set(|source| source.unreadable = true);
    world.run(options(), Duration::from_secs(600), World::is_over).await;
    let committed = world.committed_lines().len() as u64;
    let seal = world.seal().unwrap();
    assert_eq!((seal.total, seal.not_expanded), (committed, 0));
}
