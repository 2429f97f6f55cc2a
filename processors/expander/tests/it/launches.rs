//! What becomes of launch records.

use crate::world::{Person, World, launch, options};
use sluice_core::{CampaignState, Seal};
use sluice_runtime::ports::log::Position;
use sluice_schemas::{CampaignEventKind, CampaignLaunch, Rules};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn the_same_launch_twice_starts_once() {
    let world = World::new(vec![Person::Valid; 30]);
    world.submit(&launch(2));
    world.submit(&launch(2));
    world.run_until_over().await;
    world.submit(&launch(2));
    world.run(options(), Duration::from_secs(5), |_| false).await;
    world.check_sealed(30);
    assert_eq!(world.events().len(), 1);
    assert_eq!((world.source.opened(), world.log.committed_launches()), (1, Position(3)));
}

#[tokio::test(start_paused = true)]
async fn poison_and_nonsense_become_dead_letters_and_hold_up_nobody() {
    let world = World::new(vec![Person::Valid; 3]);
    world.submit_bytes(b"{}".to_vec());
    world.submit(&launch(0));
    world.submit(&launch(1));
    world.run_until_over().await;
    world.check_sealed(3);
    let letters = world.dead_letters();
    let places: Vec<_> = letters.iter().map(|letter| (letter.topic.as_str(), letter.offset)).collect();
    assert_eq!(places, [("campaign.launches", 0), ("campaign.launches", 1)]);
    assert_eq!(letters[0].value, b"{}");
    assert!(letters[0].reason.contains("single-object"), "{}", letters[0].reason);
    assert!(letters[1].reason.contains("pages"), "{}", letters[1].reason);
}

/// The world's clock begins on 2023-11-14 at 22:13:20 UTC.
fn ends_at(end_at: &str) -> CampaignLaunch {
    CampaignLaunch { rules: Rules { end_at: Some(end_at.to_owned()), ..Rules::default() }, ..launch(1) }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn b5_a_launch_that_was_too_late_when_it_was_written_is_a_dead_letter_with_its_field() {
    let world = World::new(vec![Person::Valid; 3]);
    world.submit(&ends_at("2023-11-14T22:00"));
    world.run(options(), Duration::from_secs(5), |_| false).await;
    let letters = world.dead_letters();
    assert!(
        letters[0].reason.starts_with("rules.end_at: `2023-11-14T22:00` is over"),
        "{}",
        letters[0].reason
    );
    assert_eq!((world.row(), world.log.committed_launches()), (None, Position(1)), "its name is free");
}

#[tokio::test(start_paused = true)]
async fn b5_a_launch_that_was_fine_when_it_was_written_and_is_read_after_its_end_is_an_ended_campaign() {
    let world = World::new(vec![Person::Valid; 3]);
    world.submit(&ends_at("2023-11-14T23:00"));
    tokio::time::sleep(HOUR).await;
    world.run(options(), Duration::from_secs(5), |_| false).await;
    let row = world.row().unwrap();
    let why = "its launch was read too late: rules.end_at: `2023-11-14T23:00` is over: it is 2023-11-14 23:13 UTC now";
    assert!(row.reason.as_ref().is_some_and(|reason| reason.starts_with(why)), "{:?}", row.reason);
    let nobody = Seal { chunks: 0, total: 0, not_expanded: 0 };
    assert_eq!((row.state, row.awaits_start, row.seal), (CampaignState::Cancelling, true, Some(nobody)));
    assert_eq!((world.source.opened(), world.dead_letters().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn c7_a_launch_that_is_read_again_after_its_end_changes_nothing_of_its_campaign() {
    let world = World::new(vec![Person::Valid; 30]);
    world.submit(&ends_at("2023-11-14T23:00"));
    // It was created; that it was read is not committed any more.
    world.fuel.limit(1, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    world.fuel.no_limit();
    assert_eq!(
        (world.log.committed_launches(), world.row().unwrap().state),
        (Position(0), CampaignState::Running)
    );
    tokio::time::sleep(HOUR).await;
    // And once more by whoever produced it, written after the end.
    world.submit(&ends_at("2023-11-14T23:00"));
    world.run(options(), Duration::from_secs(5), |_| false).await;
    world.check_sealed(30);
    let row = world.row().unwrap();
    assert_eq!(
        (row.state, row.reason, world.log.committed_launches()),
        (CampaignState::Running, None, Position(2))
    );
    assert!(world.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn hazard_33_a_launch_is_committed_before_it_is_expanded() {
    let world = World::new(vec![Person::Valid; 1_000]);
    world.source.set(|source| source.pace = Duration::from_secs(1));
    world.submit(&launch(1));
    world.run(options(), Duration::from_secs(2), World::is_over).await;
    assert!(world.seal().is_none());
    assert_eq!(world.log.committed_launches(), Position(1));
}

#[tokio::test(start_paused = true)]
async fn hazard_22_a_started_event_that_may_be_missing_is_produced_again_under_one_id() {
    let world = World::new(vec![Person::Valid; 3]);
    world.submit(&launch(1));
    // Created, committed and appended; noting it is lost.
    world.fuel.limit(3, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    world.fuel.no_limit();
    world.run_until_over().await;
    let events = world.events();
    assert!(events.len() == 2 && events[0] == events[1] && events[0].kind == CampaignEventKind::Started);
    world.check_sealed(3);
}

#[tokio::test(start_paused = true)]
async fn a_long_expansion_blocks_no_other_launch() {
    let world = World::new(vec![Person::Valid; 200]);
    world.source.set(|source| source.pace = Duration::from_secs(1));
    world.submit(&launch(1));
    let mut other = launch(1);
    other.campaign = "winback".to_owned();
    world.submit(&other);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    assert_eq!((world.events().len(), world.source.opened()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn hazard_34_a_stop_is_heard_while_the_store_is_away() {
    for healthy_ms in (0..60).step_by(7) {
        let world = World::new(vec![Person::Valid; 200]);
        world.source.set(|source| source.pace = Duration::from_millis(5));
        world.submit(&launch(1));
        let store = world.store.clone();
        let away = async move {
            tokio::time::sleep(Duration::from_millis(healthy_ms)).await;
            store.unavailable(u32::MAX);
        };
        let started = tokio::time::Instant::now();
        let stop = Duration::from_secs(20);
        let (ended, ()) = tokio::join!(
            world.run_and_stop(options(), Duration::from_secs(60), |_| started.elapsed() > stop),
            away
        );
        assert!(ended && started.elapsed() < stop + Duration::from_secs(6), "{:?}", started.elapsed());
        world.check_committed();
    }
}
