//! A provider that asks a page to slow down, judged by its own list of calls.

use crate::support::{Bench, Running, page};
use sluice_providers::messenger::response::MessengerAnswers;
use sluice_providers::whatsapp::response::WhatsappAnswers;
use sluice_runtime::ports::caller::AnswerRules;
use sluice_schemas::{Fact, GateClass, Rules};
use sluice_simulation::{ErrorAnswer, ProviderFaults};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A campaign of ten times so many recipients, without a limit of its own.
async fn campaign(bench: &Bench, chunks: usize) {
    bench.ruled_campaign("big", None, Rules::default(), &vec![GateClass::default(); chunks]).await;
}

/// Calls a second in a part of the list.
fn per_second(calls: &[(Duration, bool)], from: Duration, to: Duration) -> f64 {
    let inside = calls.iter().filter(|(at, _)| (from..to).contains(at)).count();
    inside as f64 / (to - from).as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn b6_a_throttled_page_goes_on_at_half_speed_and_recovers_by_itself() {
    let mut bench = Bench::new();
    bench.page_rate = Some("20/s".parse().unwrap());
    campaign(&bench, 160).await;
    let running = bench.start("sender");
    tokio::time::sleep(5 * SECOND).await;
    let throttled = bench.world.now();
    bench.answers(ProviderFaults { throttled_ppm: 1_000_000, ..ProviderFaults::none() });
    tokio::time::sleep(SECOND / 4).await;
    bench.answers(ProviderFaults::none());
    // The wait that the provider asked for, one call alone, and then half of the speed.
    tokio::time::sleep(3 * SECOND).await;
    let shown = running.board.pages()[&page()].clone();
    assert!((50..60).contains(&shown.speed_percent.unwrap()) && shown.granted <= 2, "{shown:?}");
    tokio::time::sleep(57 * SECOND).await;
    assert_eq!(running.board.pages()[&page()].speed_percent, None);
    let calls = bench.heard();
    let speed = |from, to| per_second(&calls, throttled + from * SECOND, throttled + to * SECOND);
    assert!((9.0..=12.5).contains(&speed(2, 5)), "half: {}", speed(2, 5));
    assert!((12.5..=18.0).contains(&speed(15, 20)), "on the way back: {}", speed(15, 20));
    assert!(speed(40, 50) > 19.0, "all of it: {}", speed(40, 50));
    for (position, (start, _)) in calls.iter().enumerate() {
        let inside = calls[position..].iter().take_while(|(at, _)| *at < *start + SECOND).count();
        assert!(inside <= 21, "20 a second, and what the way to the provider shifts: {inside}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_page_without_a_rate_finds_the_speed_that_its_provider_takes() {
    let bench = Bench::new();
    bench.answers(ProviderFaults { per_second_max: 40, ..ProviderFaults::none() });
    campaign(&bench, 160).await;
    let running = bench.start("sender");
    tokio::time::sleep(100 * SECOND).await;
    let calls = bench.heard();
    let (taken, refused): (Vec<_>, Vec<_>) = calls.iter().partition(|(_, is_taken)| *is_taken);
    let since = calls[0].0;
    let refused_later = refused.iter().filter(|(at, _)| *at > since + 5 * SECOND).count();
    assert_eq!(taken.len(), 1_600, "everybody in the end");
    let last = taken[taken.len() - 1].0;
    assert!(last - since < 80 * SECOND, "at half of what is possible or faster: {:?}", last - since);
    assert!(refused_later * 20 < taken.len(), "{refused_later} of {} refused", calls.len());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_page_slows_down_before_its_limit_is_used_up_and_goes_on_when_it_is_not_any_more() {
    let mut bench = Bench::new();
    bench.page_rate = Some("20/s".parse().unwrap());
    bench.answers(ProviderFaults { used_percent: Some(90), ..ProviderFaults::none() });
    campaign(&bench, 120).await;
    let running = bench.start("sender");
    tokio::time::sleep(20 * SECOND).await;
    let better = bench.world.now();
    bench.answers(ProviderFaults { used_percent: Some(40), ..ProviderFaults::none() });
    tokio::time::sleep(20 * SECOND).await;
    let calls = bench.heard();
    let slow = per_second(&calls, better - 15 * SECOND, better);
    assert!((9.5..=11.5).contains(&slow), "half of the way from full speed to the floor: {slow}");
    assert!(per_second(&calls, better + 2 * SECOND, better + 12 * SECOND) > 19.0);
    assert!(calls.iter().all(|(_, is_taken)| *is_taken));
    running.stop().await;
}

/// Errors as the Cloud API writes them: too much for this pair, for this person, for the page.
const PAIR: &str = r#"{"error":{"message":"refused","type":"OAuthException","code":131056}}"#;
const PERSON: &str = r#"{"error":{"message":"refused","type":"OAuthException","code":131049}}"#;
const PAGE: &str = r#"{"error":{"message":"refused","type":"OAuthException","code":130429}}"#;

/// As Messenger writes it: a warning about messages to this person.
const ABUSE: &str =
    r#"{"error":{"message":"refused","type":"OAuthException","code":613,"error_subcode":2018338}}"#;

/// A page of 20 a second, half of whose calls are answered with this error for 15 seconds up to now.
async fn half_refused(body: &'static str) -> (Bench, Running) {
    half_refused_by(Arc::new(WhatsappAnswers), body).await
}

async fn half_refused_by(rules: Arc<dyn AnswerRules>, body: &'static str) -> (Bench, Running) {
    let mut bench = Bench::new();
    bench.rules = rules;
    (bench.page_rate, bench.chunk_size) = (Some("20/s".parse().unwrap()), 600);
    campaign(&bench, 1).await;
    let running = bench.start("sender");
    tokio::time::sleep(5 * SECOND).await;
    let error = Some(ErrorAnswer { ppm: 500_000, status: 400, body });
    bench.answers(ProviderFaults { error, ..ProviderFaults::none() });
    tokio::time::sleep(15 * SECOND).await;
    (bench, running)
}

#[tokio::test(start_paused = true)]
async fn b6_g6_a_limit_of_a_pair_or_a_person_leaves_the_pages_speed_and_everybody_else_alone() {
    for (body, fact, retry_after_ms) in
        [(PAIR, Fact::Failed, Some(4_000)), (PERSON, Fact::FailedForGood, None)]
    {
        let (bench, running) = half_refused(body).await;
        let shown = running.board.pages()[&page()].clone();
        assert_eq!((shown.speed_percent, shown.hold), (None, None));
        let now = bench.world.now();
        let speed = per_second(&bench.heard(), now - 15 * SECOND, now);
        assert!(speed > 19.0, "{speed} a second");
        running.stop().await;
        let calls = bench.heard();
        let refused = calls.iter().filter(|(_, is_taken)| !is_taken).count();
        assert!((120..180).contains(&refused), "{refused} of {}", calls.len());
        assert!(bench.calls_by_person().values().all(|calls| calls.len() == 1));
        // Each is told for the one person that it concerns, all others were reached.
        let told = bench.receipts_of("big");
        let people = |fact| {
            let of_fact = told.iter().filter(|entry| entry.fact == fact);
            of_fact.map(|entry| (entry.last - entry.first + 1) as usize).sum::<usize>()
        };
        assert_eq!((people(fact), people(Fact::Accepted)), (refused, calls.len() - refused));
        let waits = told.iter().filter(|entry| entry.fact == fact).map(|entry| entry.retry_after_ms);
        assert!(waits.into_iter().all(|wait_ms| wait_ms == retry_after_ms), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b6_a_limit_of_the_page_slows_everybody_on_it_and_fails_nobody() {
    let (bench, running) = half_refused(PAGE).await;
    let shown = running.board.pages()[&page()].clone();
    assert!(shown.speed_percent.is_some_and(|percent| percent < 50), "{shown:?}");
    let now = bench.world.now();
    let speed = per_second(&bench.heard(), now - 12 * SECOND, now);
    assert!(speed < 5.0, "{speed} a second");
    running.stop().await;
    let told = bench.receipts_of("big");
    assert!(told.iter().all(|entry| entry.fact == Fact::Accepted), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn b6_a_warning_of_abuse_slows_the_page_and_is_the_end_for_the_person_it_is_about() {
    let (bench, running) = half_refused_by(Arc::new(MessengerAnswers), ABUSE).await;
    let shown = running.board.pages()[&page()].clone();
    assert!(shown.speed_percent.is_some_and(|percent| percent < 50), "{shown:?}");
    let now = bench.world.now();
    let speed = per_second(&bench.heard(), now - 12 * SECOND, now);
    assert!(speed < 5.0, "{speed} a second");
    running.stop().await;
    let refused = bench.heard().iter().filter(|(_, is_taken)| !is_taken).count();
    assert!(bench.calls_by_person().values().all(|calls| calls.len() == 1));
    let told = bench.receipts_of("big");
    let failed = told.iter().filter(|entry| entry.fact == Fact::FailedForGood);
    assert_eq!(failed.map(|entry| (entry.last - entry.first + 1) as usize).sum::<usize>(), refused);
}

/// Two processes and a page of 20 a second that its provider throttled for so long.
async fn throttled_beside(throttled: Duration) -> (Bench, Running, Running) {
    let mut bench = Bench::new();
    bench.page_rate = Some("20/s".parse().unwrap());
    campaign(&bench, 160).await;
    let (left, right) = (bench.start("left"), bench.start("right"));
    tokio::time::sleep(5 * SECOND).await;
    bench.answers(ProviderFaults { throttled_ppm: 1_000_000, ..ProviderFaults::none() });
    tokio::time::sleep(throttled).await;
    bench.answers(ProviderFaults::none());
    let is_owner = left.board.pages().contains_key(&page());
    if is_owner { (bench, left, right) } else { (bench, right, left) }
}

async fn end(bench: &Bench, owner: Running, is_killed: bool) {
    match is_killed {
        true => bench.world.kill(owner.process),
        false => owner.stop().await,
    }
}

#[tokio::test(start_paused = true)]
async fn b6_the_next_owner_of_a_slowed_page_goes_on_at_its_pace() {
    for is_killed in [false, true] {
        let (bench, owner, next) = throttled_beside(8 * SECOND).await;
        tokio::time::sleep(12 * SECOND).await;
        let was = owner.board.pages()[&page()].speed_percent.unwrap();
        assert!((5..40).contains(&was), "{was}");
        let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
        let told = ledger.body.pace().unwrap().percent(bench.world.wall_ms()).unwrap();
        assert!(told.abs_diff(was) <= 2, "{told} {was}");
        end(&bench, owner, is_killed).await;
        let ended = bench.world.now();
        while bench.heard().last().unwrap().0 < ended + SECOND {
            tokio::time::sleep(SECOND / 10).await;
        }
        tokio::time::sleep(3 * SECOND).await;
        let passed = u32::try_from((bench.world.now() - ended).as_secs()).unwrap();
        let is = next.board.pages()[&page()].speed_percent.unwrap();
        assert!(is.abs_diff(was + 2 * passed) <= 4, "{was} percent, {is} after {passed} s");
        let now = bench.world.now();
        let speed = per_second(&bench.heard(), now - 2 * SECOND, now);
        assert!(speed <= 20.0 * f64::from(is) / 100.0 + 1.0, "{speed} a second at {is} percent");
        next.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b6_a_command_ends_no_wait_that_a_provider_asked_for_whoever_has_the_page_then() {
    for is_killed in [false, true] {
        let (bench, owner, next) = throttled_beside(34 * SECOND).await;
        let (until, reason) = owner.board.pages()[&page()].hold.clone().unwrap();
        let left = until - bench.world.now();
        assert!(reason.as_str() == "throttled" && left > 10 * SECOND, "{left:?}");
        bench.store().bump_control(&page()).await.unwrap();
        let called = bench.heard().len();
        end(&bench, owner, is_killed).await;
        tokio::time::sleep(left - SECOND).await;
        assert_eq!(bench.heard().len(), called, "it still waits");
        tokio::time::sleep(30 * SECOND).await;
        assert!(bench.heard().len() > called);
        next.stop().await;
    }
}
