//! Chunks by zone and day (B1, B3).

use crate::world::{Person, World, launch, options};
use proptest::prelude::*;
use sluice_schemas::{CampaignLaunch, GateClass, OpenHours, Rules, SendWindow, WindowClock};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ZONES: [Option<&str>; 4] = [None, Some("UTC"), Some("Europe/Berlin"), Some("Asia/Tokyo")];
const DAYS: [Option<&str>; 3] = [None, Some("2026-12-01"), Some("2026-12-02")];

fn with_window(pages: usize, clock: WindowClock) -> CampaignLaunch {
    let hours = OpenHours { days: Vec::new(), from: "09:00".to_owned(), to: "18:00".to_owned() };
    let window = Some(SendWindow { open: vec![hours], clock, closed_on: Vec::new() });
    CampaignLaunch { rules: Rules { window, ..Rules::default() }, ..launch(pages) }
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let person = (0usize..10, 0..ZONES.len(), 0..DAYS.len()).prop_map(|(kind, zone, day)| match kind {
        0 => Person::Duplicate,
        1 => Person::Valid,
        _ => Person::In(ZONES[zone], DAYS[day]),
    });
    prop::collection::vec(person, 0..80)
}

/// Lines of the audience by the class of their chunk.
fn by_class(world: &World) -> BTreeMap<GateClass, BTreeSet<u64>> {
    let mut lines: BTreeMap<GateClass, BTreeSet<u64>> = BTreeMap::new();
    for chunk in world.chunks() {
        let rows = world.store.stored(chunk.id).into_iter().map(|row| row.line);
        lines.entry(chunk.class).or_default().extend(rows);
    }
    lines
}

fn expected(people: &[Person], clock: WindowClock) -> BTreeMap<GateClass, BTreeSet<u64>> {
    let mut lines: BTreeMap<GateClass, BTreeSet<u64>> = BTreeMap::new();
    for (line, person) in (2..).zip(people) {
        let follows = clock == WindowClock::Recipient;
        // The campaign has no zone of its own: UTC.
        let zone = |zone: Option<&str>| follows.then(|| zone.unwrap_or("UTC").to_owned());
        let class = match person {
            Person::Duplicate => GateClass::default(),
            Person::Valid => GateClass { zone: zone(None), day: None },
            Person::In(of, day) => GateClass { zone: zone(*of), day: day.map(str::to_owned) },
        };
        lines.entry(class).or_default().insert(line);
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn hazard_1_every_row_is_in_a_chunk_of_its_class_whatever_crashes_in_between(
        people in people(), pages in 1usize..3, follows in any::<bool>(),
        crashes in prop::collection::vec((0u64..80, any::<bool>()), 0..5),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let clock = if follows { WindowClock::Recipient } else { WindowClock::Campaign };
            let world = World::new(people.clone());
            world.submit(&with_window(pages, clock));
            for (effects, last_happens) in crashes {
                world.fuel.limit(effects, last_happens);
                world.run(options(), Duration::from_secs(5), World::is_over).await;
                world.check_committed();
            }
            world.fuel.no_limit();
            world.run_until_over().await;
            world.check_sealed(people.len());
            assert_eq!(by_class(&world), expected(&people, clock));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_1_a_change_of_the_hours_while_it_is_expanded_divides_nobody_anew() {
    let people: Vec<Person> =
        (0..200).map(|number| Person::In(ZONES[number % ZONES.len()], DAYS[number % DAYS.len()])).collect();
    let world = World::new(people.clone());
    world.source.set(|source| source.pace = Duration::from_millis(20));
    world.submit(&with_window(1, WindowClock::Recipient));
    let change = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.store.step(world.id(), |row| {
            let mut terms = row.terms();
            terms.rules.window = None;
            let step = sluice_core::Transition::of(row, row.state, None, 0);
            sluice_core::Transition { terms: Some((0, terms)), ..step }
        });
        world.fuel.limit(5, false);
    };
    tokio::join!(world.run(options(), Duration::from_secs(2), World::is_over), change);
    world.fuel.no_limit();
    world.run_until_over().await;
    world.check_sealed(people.len());
    assert_eq!(by_class(&world), expected(&people, WindowClock::Recipient));
}
