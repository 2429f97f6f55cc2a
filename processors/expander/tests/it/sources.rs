//! Sources that are empty, gone or changed.

use crate::world::{Person, World, launch, options};
use sluice_core::CampaignState;
use sluice_schemas::CampaignEventKind;
use std::time::Duration;

async fn half_expanded() -> World {
    let world = World::new(vec![Person::Valid; 100]);
    world.submit(&launch(1));
    world.fuel.limit(20, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    world.fuel.no_limit();
    assert!(!world.chunks().is_empty() && world.seal().is_none());
    world
}

#[tokio::test(start_paused = true)]
async fn an_empty_audience_is_sealed_with_nothing() {
    let world = World::new(Vec::new());
    world.submit(&launch(3));
    world.run_until_over().await;
    world.check_sealed(0);
}

#[tokio::test(start_paused = true)]
async fn an_audience_without_a_valid_row_is_sealed_and_nothing_is_to_be_sent() {
    let world = World::new(vec![Person::Duplicate; 20]);
    world.submit(&launch(1));
    world.run_until_over().await;
    world.check_sealed(20);
    assert!(world.chunks().iter().all(|chunk| chunk.spans.is_empty() && chunk.skipped == chunk.size));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_audience_fails_the_campaign_with_what_to_do() {
    let world = World::new(vec![Person::Valid; 10]);
    world.source.set(|source| source.unreadable = true);
    world.submit(&launch(1));
    world.run_until_over().await;
    let row = world.row().unwrap();
    assert_eq!(row.state, CampaignState::Failed);
    let reason = row.reason.clone().unwrap();
    assert!(reason.contains("cannot read people.csv") && reason.contains("check the disk"), "{reason}");
    let kinds: Vec<_> = world.events().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [CampaignEventKind::Started, CampaignEventKind::Failed]);
    assert_eq!(row.announced, Some(row.event_id()));
}

#[tokio::test(start_paused = true)]
async fn g2_a_half_expanded_campaign_waits_for_its_audience_and_then_goes_on() {
    let world = half_expanded().await;
    world.source.set(|source| source.unreadable = true);
    let repair = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(world.row().unwrap().state, CampaignState::Running);
        world.source.set(|source| source.unreadable = false);
    };
    tokio::join!(world.run_until_over(), repair);
    world.check_sealed(100);
    assert!((3..12).contains(&world.source.opened()), "tried {} times", world.source.opened());
}

#[tokio::test(start_paused = true)]
async fn g2_a_source_that_breaks_in_the_middle_loses_nobody() {
    let world = World::new(vec![Person::Valid; 100]);
    world.source.set(|source| source.breaks_after = Some(60));
    world.submit(&launch(2));
    let repair = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.source.set(|source| source.breaks_after = None);
    };
    tokio::join!(world.run_until_over(), repair);
    world.check_sealed(100);
}

#[tokio::test(start_paused = true)]
async fn hazard_1_a_changed_audience_is_refused_until_it_is_restored() {
    let world = half_expanded().await;
    let before = world.chunks();
    world.source.set(|source| source.pin = "1010-bb".to_owned());
    let restore = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!((world.row().unwrap().state, world.chunks()), (CampaignState::Running, before));
        world.source.set(|source| source.pin = "1000-aa".to_owned());
    };
    tokio::join!(world.run_until_over(), restore);
    world.check_sealed(100);
}

#[tokio::test(start_paused = true)]
async fn an_audience_that_changed_before_anybody_was_committed_fails_with_both_sizes() {
    let world = World::new(vec![Person::Valid; 100]);
    world.submit(&launch(1));
    world.fuel.limit(6, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    world.fuel.no_limit();
    assert!(world.chunks().is_empty() && world.row().is_some_and(|row| row.source_pin.is_some()));
    world.source.set(|source| source.pin = "1010-bb".to_owned());
    world.run_until_over().await;
    let row = world.row().unwrap();
    assert_eq!(row.state, CampaignState::Failed);
    let reason = row.reason.unwrap();
    assert!(reason.starts_with("the audience changed while the campaign was expanding: "), "{reason}");
    assert!(reason.contains("people.csv was 1000 bytes at launch and is 1010 now"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn g1_an_audience_that_changed_while_it_was_read_is_cancelled_and_sealed() {
    let world = World::new(vec![Person::Valid; 100]);
    world.source.set(|source| source.changes = true);
    world.submit(&launch(1));
    world.run_until_over().await;
    let row = world.row().unwrap();
    assert_eq!(row.state, CampaignState::Cancelling);
    assert!(row.reason.unwrap().contains("people.csv changed while it was read"));
    let seal = world.seal().unwrap();
    assert_eq!(
        seal.total - seal.not_expanded,
        world.chunks().iter().map(|chunk| u64::from(chunk.size)).sum::<u64>()
    );
}

#[tokio::test(start_paused = true)]
async fn hazard_28_a_slow_source_makes_few_chunks_and_starts_at_once() {
    let world = World::new(vec![Person::Valid; 600]);
    world.source.set(|source| (source.batch, source.pace) = (1, Duration::from_millis(100)));
    world.submit(&launch(1));
    let early = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!world.chunks().is_empty(), "the first chunk is out");
    };
    let options = sluice_expander::ExpanderOptions { chunk_rows_max: 8_192, ..options() };
    tokio::join!(world.run(options, Duration::from_secs(120), World::is_over), early);
    world.check_sealed(600);
    assert!(world.chunks().len() < 25, "{} chunks", world.chunks().len());
}
