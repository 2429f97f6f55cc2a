//! Stops between any two effects, and two expanders at a time.

use crate::world::{Person, World, launch, options};
use proptest::prelude::*;
use std::time::Duration;

fn people() -> impl Strategy<Value = Vec<Person>> {
    prop::collection::vec(prop::sample::select(vec![Person::Valid, Person::Valid, Person::Duplicate]), 0..80)
}

/// Effects until each crash, and whether the one after that happens unanswered; a line that is suppressed then.
fn crashes() -> impl Strategy<Value = Vec<(u64, bool, u64)>> {
    prop::collection::vec((0u64..60, any::<bool>(), 2u64..82), 0..6)
}

fn in_paused_time(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hazard_1_nobody_is_lost_or_doubled_by_crashes_between_any_two_effects(
        people in people(), crashes in crashes(), pages in 1usize..4,
    ) {
        in_paused_time(async {
            let world = World::new(people.clone());
            world.submit(&launch(pages));
            for (effects, last_happens, suppressed) in crashes {
                world.fuel.limit(effects, last_happens);
                world.run(options(), Duration::from_secs(5), World::is_over).await;
                world.check_committed();
                world.store.now_suppressed(&format!("person-{suppressed}"));
            }
            world.fuel.no_limit();
            world.run_until_over().await;
            world.check_sealed(people.len());
            assert!(world.committed_lines().iter().map(|(line, _)| *line).eq(2..people.len() as u64 + 2));
        });
    }

    #[test]
    fn hazard_2_two_expanders_at_a_time_commit_every_row_once(
        people in people(), pages in 1usize..4, pace_ms in 0u64..4, later_ms in 0u64..40,
    ) {
        in_paused_time(async {
            let world = World::new(people.clone());
            world.source.set(|source| source.pace = Duration::from_millis(pace_ms));
            world.submit(&launch(pages));
            let second = async {
                tokio::time::sleep(Duration::from_millis(later_ms)).await;
                world.run_until_over().await;
            };
            tokio::join!(world.run_until_over(), second);
            world.check_sealed(people.len());
        });
    }

    #[test]
    fn answers_that_do_not_come_are_asked_for_again(people in people(), unavailable in 0u32..10) {
        in_paused_time(async {
            let world = World::new(people.clone());
            world.submit(&launch(2));
            world.store.unavailable(unavailable);
            world.run_until_over().await;
            world.check_sealed(people.len());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_1_a_chunk_that_was_committed_keeps_who_was_skipped_then() {
    let world = World::new(vec![Person::Valid; 30]);
    world.store.now_suppressed("person-3");
    world.submit(&launch(1));
    // Enough for some commits, too few for the end.
    world.fuel.limit(20, false);
    world.run(options(), Duration::from_secs(5), World::is_over).await;
    let before = world.committed_lines();
    assert!(!before.is_empty() && before.len() < 30);
    (2..32).for_each(|line| world.store.now_suppressed(&format!("person-{line}")));
    world.fuel.no_limit();
    world.run_until_over().await;
    world.check_sealed(30);
    let after = world.committed_lines();
    assert_eq!(after[..before.len()], before[..], "as receipts have said it already");
    assert!(after[before.len()..].iter().all(|(_, skipped)| skipped.as_deref() == Some("suppressed")));
}
