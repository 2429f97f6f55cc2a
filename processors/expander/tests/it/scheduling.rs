//! Campaigns for later, and those that come back (B5). The world's clock begins on 2023-11-14 at 22:13:20 UTC.

use crate::world::{CAMPAIGN, Person, World, launch, options};
use sluice_core::{CampaignId, CampaignRow, CampaignState, Seal, Terms, Transition};
use sluice_runtime::ports::log::Position;
use sluice_schemas::{
    CampaignEventKind, CampaignLaunch, Missed, OpenHours, Recurring, Rules, SendWindow, WindowClock,
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// 23:00.
const ELEVEN_MS: i64 = 1_700_002_800_000;
const HOUR_MS: i64 = 3_600_000;

/// Starts a minute after the world's beginning.
fn later() -> CampaignLaunch {
    ruled(Rules { start_at: Some("2023-11-14T22:14:20".to_owned()), ..Rules::default() })
}

fn hourly(missed: Missed) -> CampaignLaunch {
    let recurring = Some(Recurring { cron: "0 * * * *".to_owned(), missed });
    ruled(Rules { recurring, ..Rules::default() })
}

fn ruled(rules: Rules) -> CampaignLaunch {
    CampaignLaunch { rules, ..launch(1) }
}

fn world(launch: &CampaignLaunch) -> World {
    let world = World::new(vec![Person::Valid; 10]);
    world.submit(launch);
    world
}

async fn run(world: &World, time: Duration) {
    world.run_for(time).await;
}

fn row(world: &World) -> CampaignRow {
    world.row().unwrap()
}

/// The occurrences that were launched, by their names, each with whether it is sealed.
fn occurrences(world: &World) -> Vec<(String, bool)> {
    let rows = world.store.all().into_iter().filter(|row| row.launch.campaign != CAMPAIGN);
    let mut names: Vec<_> = rows.map(|row| (row.launch.campaign, row.seal.is_some())).collect();
    names.sort();
    names
}

fn named(times: &[&str]) -> Vec<(String, bool)> {
    times.iter().map(|time| (format!("{CAMPAIGN}-202311{time}z"), true)).collect()
}

#[tokio::test(start_paused = true)]
async fn hazard_33_a_launch_for_later_becomes_a_row_at_once_and_its_offset_is_committed() {
    let world = world(&later());
    run(&world, 30 * SECOND).await;
    let row = row(&world);
    assert_eq!((row.state, row.starts_at_ms), (CampaignState::Scheduled, row.created_at_ms + 60_000));
    assert_eq!(world.log.committed_launches(), Position(1));
    assert_eq!((world.source.opened(), world.events().len(), row.seal), (0, 0, None));
}

#[tokio::test(start_paused = true)]
async fn b5_a_scheduled_campaign_starts_at_its_time_to_the_second() {
    let world = world(&later());
    let due_ms = world.now_ms() + 60_000;
    world.run(options(), 2 * MINUTE, World::is_over).await;
    world.check_sealed(10);
    let started = world.events().remove(0);
    assert_eq!(started.kind, CampaignEventKind::Started);
    assert!((due_ms..due_ms + 1_000).contains(&started.at_ms), "{} after its time", started.at_ms - due_ms);
    assert_eq!(row(&world).starts_at_ms, started.at_ms);
}

#[tokio::test(start_paused = true)]
async fn b5_a_campaign_whose_time_passed_while_nothing_ran_starts_late() {
    let world = world(&later());
    run(&world, 5 * SECOND).await;
    tokio::time::sleep(HOUR).await;
    world.run(options(), 5 * SECOND, World::is_over).await;
    world.check_sealed(10);
}

#[tokio::test(start_paused = true)]
async fn b5_a_start_that_was_moved_counts() {
    for minutes in [2_i64, 30] {
        let world =
            world(&ruled(Rules { start_at: Some("2023-11-14T22:33".to_owned()), ..Rules::default() }));
        run(&world, 5 * SECOND).await;
        let at_ms = world.now_ms() + minutes * 60_000;
        world.store.step(world.id(), |row| Transition {
            terms: Some((0, Terms { starts_at_ms: Some(at_ms), ..row.terms() })),
            ..Transition::of(row, CampaignState::Scheduled, None, 0)
        });
        run(&world, HOUR).await;
        world.check_sealed(10);
        let started_ms = world.events()[0].at_ms;
        assert!((at_ms..at_ms + 1_000).contains(&started_ms), "{} ms late", started_ms - at_ms);
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_22_a_crash_at_any_effect_of_a_start_starts_it_once() {
    for effect in 0..12 {
        for last_happens in [false, true] {
            let world = world(&later());
            world.fuel.limit(effect, last_happens);
            run(&world, 2 * MINUTE).await;
            world.fuel.no_limit();
            world.run(options(), 2 * MINUTE, World::is_over).await;
            world.check_sealed(10);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c8_two_processes_start_it_once() {
    let world = world(&later());
    tokio::join!(
        world.run(options(), 2 * MINUTE, World::is_over),
        world.run(options(), 2 * MINUTE, World::is_over)
    );
    world.check_sealed(10);
    assert_eq!(row(&world).steps, 1);
}

#[tokio::test(start_paused = true)]
async fn b5_a_campaign_that_is_cancelled_before_its_start_is_sealed_without_its_audience() {
    let world = world(&later());
    run(&world, 5 * SECOND).await;
    world.store.step(world.id(), |row| Transition::of(row, CampaignState::Cancelling, None, 0));
    world.run(options(), MINUTE, World::is_over).await;
    assert_eq!(world.seal(), Some(Seal { chunks: 0, total: 0, not_expanded: 0 }));
    run(&world, 2 * MINUTE).await;
    assert_eq!((row(&world).state, world.source.opened()), (CampaignState::Cancelling, 0));
    assert!(world.events().is_empty(), "nothing has started");
}

#[tokio::test(start_paused = true)]
async fn b5_a_campaign_whose_end_passed_while_nothing_ran_never_starts() {
    let mut launch = later();
    launch.rules.end_at = Some("2023-11-14T22:30".to_owned());
    let world = world(&launch);
    run(&world, 5 * SECOND).await;
    tokio::time::sleep(HOUR).await;
    run(&world, MINUTE).await;
    let row = row(&world);
    assert_eq!(
        (row.state, row.reason.as_deref()),
        (CampaignState::Cancelling, Some("ended at 2023-11-14T22:30"))
    );
    assert_eq!((row.seal.map(|seal| seal.total), world.source.opened()), (Some(0), 0));
}

#[tokio::test(start_paused = true)]
async fn b5_each_occurrence_is_a_campaign_of_its_own() {
    let world = world(&hourly(Missed::Once));
    run(&world, 3 * HOUR).await;
    assert_eq!(occurrences(&world), named(&["14t2300", "15t0000", "15t0100"]));
    let schedule = row(&world);
    assert_eq!((schedule.state, schedule.seal), (CampaignState::Scheduled, None));
    assert_eq!(schedule.starts_at_ms, ELEVEN_MS + 3 * HOUR_MS);
    assert_eq!(world.source.opened(), 3, "the schedule itself has no recipients");
    let first = world.store.peek(CampaignId::of("default", &occurrences(&world)[0].0)).unwrap();
    assert!((ELEVEN_MS..ELEVEN_MS + 1_000).contains(&first.created_at_ms));
    assert_eq!(first.launch.rules, Rules::default());
    assert_eq!(first.seal.map(|seal| seal.total), Some(10));
}

#[tokio::test(start_paused = true)]
async fn b5_a_crash_at_any_effect_of_an_occurrence_launches_it_once_and_loses_none() {
    for effect in 0..20 {
        for last_happens in [false, true] {
            let world = world(&hourly(Missed::Once));
            run(&world, MINUTE).await;
            tokio::time::sleep(45 * MINUTE).await;
            world.fuel.limit(effect, last_happens);
            run(&world, 5 * MINUTE).await;
            world.fuel.no_limit();
            run(&world, 5 * MINUTE).await;
            tokio::time::sleep(50 * MINUTE).await;
            run(&world, 5 * MINUTE).await;
            assert_eq!(occurrences(&world), named(&["14t2300", "15t0000"]), "{effect}");
            assert_eq!(row(&world).starts_at_ms, ELEVEN_MS + 2 * HOUR_MS);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c8_two_processes_launch_each_occurrence_once() {
    let world = world(&hourly(Missed::Once));
    tokio::join!(run(&world, 2 * HOUR), run(&world, 2 * HOUR));
    assert_eq!(occurrences(&world), named(&["14t2300", "15t0000"]));
    assert_eq!(row(&world).terms_version, 4, "an occurrence is booked once and crossed out once");
}

#[tokio::test(start_paused = true)]
async fn b5_of_occurrences_missed_while_nothing_ran_the_newest_starts_or_none() {
    for (missed, expected) in [(Missed::Once, vec!["15t0300", "15t0400"]), (Missed::Skip, vec!["15t0400"])] {
        let world = world(&hourly(missed));
        run(&world, MINUTE).await;
        tokio::time::sleep(5 * HOUR).await;
        run(&world, HOUR).await;
        assert_eq!(occurrences(&world), named(&expected), "{missed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b5_a_recurring_campaign_ends_after_its_last_occurrence() {
    let mut launch = hourly(Missed::Once);
    launch.rules.end_at = Some("2023-11-15T01:00".to_owned());
    let world = world(&launch);
    run(&world, 4 * HOUR).await;
    assert_eq!(occurrences(&world), named(&["14t2300", "15t0000"]));
    let schedule = row(&world);
    assert_eq!((schedule.state, schedule.seal), (CampaignState::Completed, None), "nobody cancelled it");
    assert_eq!(schedule.reason.as_deref(), Some("its end at 2023-11-15T01:00 is before the next time"));
}

#[tokio::test(start_paused = true)]
async fn b5_a_recurring_campaign_whose_end_is_moved_while_its_last_occurrence_is_launched_goes_on() {
    let mut launch = hourly(Missed::Once);
    launch.rules.end_at = Some("2023-11-15T00:00".to_owned());
    let world = world(&launch);
    run(&world, MINUTE).await;
    tokio::time::sleep(HOUR).await;
    // Whoever booked it died, and a person moved the end.
    world.store.step(world.id(), |row| row.book(ELEVEN_MS, None, world.now_ms()));
    world.store.step(world.id(), |row| {
        let rules = Rules { end_at: Some("2023-11-15T02:00".to_owned()), ..row.rules().clone() };
        let terms = Terms { rules, ..row.terms() };
        let step = Transition::of(row, CampaignState::Scheduled, None, 0);
        Transition { terms: Some((row.terms_version, terms)), ..step }
    });
    run(&world, 2 * HOUR).await;
    assert_eq!(occurrences(&world), named(&["14t2300", "15t0000", "15t0100"]));
}

#[tokio::test(start_paused = true)]
async fn b5_an_occurrence_that_could_call_nobody_before_the_end_is_none() {
    let mut launch = hourly(Missed::Once);
    launch.rules.end_at = Some("2023-11-15T02:30".to_owned());
    let hours = OpenHours { days: Vec::new(), from: "22:00".to_owned(), to: "00:30".to_owned() };
    let window = SendWindow { open: vec![hours], clock: WindowClock::Campaign, closed_on: Vec::new() };
    launch.rules.window = Some(window);
    let world = world(&launch);
    run(&world, 4 * HOUR).await;
    assert_eq!(occurrences(&world), named(&["14t2300", "15t0000"]));
    assert_eq!(row(&world).state, CampaignState::Completed);
}

#[tokio::test(start_paused = true)]
async fn b5_a_recurring_campaign_that_does_not_come_again_is_over_at_its_end() {
    let world = world(&hourly(Missed::Once));
    run(&world, MINUTE).await;
    world.store.step(world.id(), |row| {
        let rules = Rules { end_at: Some("2023-11-14T22:30".to_owned()), ..row.rules().clone() };
        let terms = Terms { rules, ..row.terms() };
        let step = Transition::of(row, CampaignState::Scheduled, None, 0);
        Transition { terms: Some((row.terms_version, terms)), ..step }
    });
    run(&world, 20 * MINUTE).await;
    assert_eq!((occurrences(&world), row(&world).state), (Vec::new(), CampaignState::Completed));
}
