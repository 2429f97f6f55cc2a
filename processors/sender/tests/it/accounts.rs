//! A provider that refuses a page's account until a person has acted, judged by its own list of calls.

use crate::support::{Bench, Running, page};
use sluice_core::ledger::Held;
use sluice_schemas::{GateClass, Rules};
use sluice_simulation::ProviderFaults;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A page of 10 a second with 200 recipients.
async fn limited() -> Bench {
    let mut bench = Bench::new();
    bench.page_rate = Some("10/s".parse().unwrap());
    bench.ruled_campaign("c", None, Rules::default(), &vec![GateClass::default(); 20]).await;
    bench
}

/// The same with two processes, whose provider refuses the account until shortly before.
async fn refused_beside() -> (Bench, Running, Running) {
    let bench = limited().await;
    let (left, right) = (bench.start("left"), bench.start("right"));
    tokio::time::sleep(5 * SECOND).await;
    bench.answers(ProviderFaults { account_ppm: 1_000_000, ..ProviderFaults::none() });
    tokio::time::sleep(9 * 60 * SECOND).await;
    bench.answers(ProviderFaults::none());
    tokio::time::sleep(SECOND).await;
    (bench, left, right)
}

/// Of [`limited`], one process, whose account is refused after 5 seconds, for 9 minutes.
async fn refused() -> (Bench, Running) {
    let bench = limited().await;
    let running = bench.start("sender");
    tokio::time::sleep(5 * SECOND).await;
    bench.answers(ProviderFaults { account_ppm: 1_000_000, ..ProviderFaults::none() });
    tokio::time::sleep(SECOND).await;
    let (_, reason) = running.board.pages()[&page()].hold.clone().unwrap();
    assert_eq!((reason.as_str(), reason.detail()), ("account", "simulated: the token is refused"));
    tokio::time::sleep(9 * 60 * SECOND).await;
    let refused = bench.heard().iter().filter(|(_, is_taken)| !is_taken).count();
    assert!((4..=6).contains(&refused), "tried seldom: {refused}");
    bench.answers(ProviderFaults::none());
    tokio::time::sleep(20 * SECOND).await;
    assert!(bench.heard().iter().all(|(at, _)| *at < bench.world.now() - 20 * SECOND), "still waits");
    (bench, running)
}

/// How long after `lifted` the next call was.
fn next_call(bench: &Bench, lifted: Duration) -> Duration {
    let calls = bench.heard();
    let next = calls.iter().map(|(at, _)| *at).find(|at| *at >= lifted).unwrap();
    assert_eq!(calls.iter().filter(|(_, is_taken)| *is_taken).count(), 200, "everybody in the end");
    next - lifted
}

#[tokio::test(start_paused = true)]
async fn b6_a_page_whose_account_is_refused_waits_until_a_person_lifts_the_hold() {
    let (bench, running) = refused().await;
    let lifted = bench.world.now();
    let was = running.board.lift(&page()).unwrap();
    assert_eq!(was.hold.unwrap().1.as_str(), "account");
    tokio::time::sleep(40 * SECOND).await;
    assert!(next_call(&bench, lifted) < SECOND);
    assert_eq!(running.board.pages()[&page()].hold, None);
    assert_eq!(running.board.lift(&"another".into()), None);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_hold_is_lifted_from_another_process_too() {
    let (bench, running) = refused().await;
    let lifted = bench.world.now();
    bench.store().bump_control(&page()).await.unwrap();
    tokio::time::sleep(40 * SECOND).await;
    assert!(next_call(&bench, lifted) < 4 * SECOND);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_hold_that_is_lifted_too_early_costs_one_call() {
    let (bench, running) = refused().await;
    bench.answers(ProviderFaults { account_ppm: 1_000_000, ..ProviderFaults::none() });
    let before = bench.heard().len();
    running.board.lift(&page()).unwrap();
    tokio::time::sleep(20 * SECOND).await;
    assert_eq!(bench.heard().len(), before + 1);
    assert_eq!(running.board.pages()[&page()].hold.clone().unwrap().1.as_str(), "account");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_hold_goes_to_the_next_owner_and_everybody_can_read_it_in_the_ledger() {
    for is_killed in [false, true] {
        let (bench, left, right) = refused_beside().await;
        let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
        let [held] = ledger.body.held() else { panic!("{:?}", ledger.body.held()) };
        assert!(
            held.what == Held::Page && held.waits(ledger.fence.control, bench.world.wall_ms()),
            "{held:?}"
        );
        let has_it = |running: &Running| running.board.pages().contains_key(&page());
        let (owner, next) = if has_it(&left) { (left, right) } else { (right, left) };
        let until = owner.board.pages()[&page()].hold.clone().unwrap().0;
        match is_killed {
            true => bench.world.kill(owner.process),
            false => owner.stop().await,
        }
        tokio::time::sleep(60 * SECOND).await;
        let (inherited, reason) = next.board.pages()[&page()].hold.clone().unwrap();
        assert!(inherited.abs_diff(until) < SECOND && reason.detail() == "simulated: the token is refused");
        let called = bench.heard().len();
        bench.store().bump_control(&page()).await.unwrap();
        tokio::time::sleep(40 * SECOND).await;
        assert!(bench.heard().len() > called, "a person lifted it");
        let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
        assert_eq!(ledger.body.held(), []);
        next.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b6_a_process_that_was_started_after_an_account_was_refused_finds_out_at_once() {
    for is_still_refused in [false, true] {
        let (bench, running) = refused().await;
        running.stop().await;
        if is_still_refused {
            bench.answers(ProviderFaults { account_ppm: 1_000_000, ..ProviderFaults::none() });
        }
        let (called, restarted) = (bench.heard().len(), bench.world.now());
        let next = bench.start("next");
        tokio::time::sleep(40 * SECOND).await;
        match is_still_refused {
            true => assert_eq!(bench.heard().len(), called + 1, "one call alone"),
            false => assert!(next_call(&bench, restarted) < 4 * SECOND),
        }
        next.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b6_a_hold_that_was_over_by_the_first_call_of_a_later_process_leaves_the_ledger() {
    let (bench, left, right) = refused_beside().await;
    left.stop().await;
    right.stop().await;
    let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
    assert_eq!(ledger.body.held().len(), 1);
    let later = bench.start("later");
    tokio::time::sleep(60 * SECOND).await;
    assert!(bench.heard().last().unwrap().1, "its call was taken");
    let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
    assert_eq!(ledger.body.held(), []);
    later.stop().await;
}
