//! A provider that takes every call and tells by webhook that it refuses the account, judged by its own list of calls.

use crate::support::{Bench, Running, page};
use sluice_core::ledger::Held;
use sluice_runtime::ports::log::Topic;
use sluice_schemas::{GateClass, PageRefused, Rules};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What a webhook takes.
const LATER: Duration = Duration::from_secs(2);

/// A page of 10 a second with 200 recipients.
async fn limited() -> Bench {
    let mut bench = Bench::new();
    bench.page_rate = Some("10/s".parse().unwrap());
    bench.ruled_campaign("c", None, Rules::default(), &vec![GateClass::default(); 20]).await;
    bench
}

fn refused(reason: &str, at_ms: i64) -> PageRefused {
    let detail = "131042: payment problem".to_owned();
    PageRefused { page: page().as_str().to_owned(), reason: reason.to_owned(), detail, at_ms, wait_ms: None }
}

/// The webhooks of a page whose account is refused until it is mended.
#[derive(Default)]
struct Webhooks {
    told: Vec<PageRefused>,
    seen: usize,
    mended: Option<Duration>,
}

impl Webhooks {
    /// Lets so much time pass, in which messages that were taken fail.
    async fn live(&mut self, bench: &Bench, time: Duration) {
        let end = bench.world.now() + time;
        while bench.world.now() < end {
            tokio::time::sleep(SECOND / 10).await;
            let now = bench.world.now();
            let began_ms = bench.world.wall_ms() - now.as_millis() as i64;
            let heard = bench.heard();
            let due = heard.iter().skip(self.seen).take_while(|(at, _)| *at + LATER <= now);
            for (at, _) in due {
                self.seen += 1;
                if self.mended.is_none_or(|mended| *at < mended) {
                    // In whole seconds.
                    let failed_ms = (began_ms + at.as_millis() as i64) / 1_000 * 1_000;
                    self.told.push(refused("account", failed_ms));
                    bench.tell(self.told.last().unwrap()).await;
                }
            }
        }
    }

    fn mend(&mut self, bench: &Bench) {
        self.mended = Some(bench.world.now());
    }
}

/// Of [`limited`], one process, after ten minutes of that.
async fn held() -> (Bench, Running, Webhooks) {
    let (bench, mut webhooks) = (limited().await, Webhooks::default());
    let running = bench.start("sender");
    webhooks.live(&bench, 600 * SECOND).await;
    (bench, running, webhooks)
}

fn waits_for(running: &Running) -> Option<&'static str> {
    running.board.pages()[&page()].hold.as_ref().map(|(_, reason)| reason.as_str())
}

#[tokio::test(start_paused = true)]
async fn b6_an_account_that_is_refused_by_webhook_holds_the_page_until_a_person_lifts_it() {
    for is_elsewhere in [false, true] {
        let (bench, running, mut webhooks) = held().await;
        let first = bench.heard()[0].0;
        let calls = bench.heard();
        let burst = calls.iter().take_while(|(at, _)| *at < first + 2 * LATER).count();
        assert!((20..=40).contains(&burst), "those that were made before it was told: {burst}");
        assert!((3..=5).contains(&(calls.len() - burst)), "tried seldom: {}", calls.len() - burst);
        let (_, reason) = running.board.pages()[&page()].hold.clone().unwrap();
        assert_eq!((reason.as_str(), reason.detail()), ("account", "131042: payment problem"));
        let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
        let [kept] = ledger.body.held() else { panic!("{:?}", ledger.body.held()) };
        assert!(kept.what == Held::Page && kept.reason == reason, "{kept:?}");

        webhooks.mend(&bench);
        let lifted = bench.world.now();
        match is_elsewhere {
            true => {
                bench.store().bump_control(&page()).await.unwrap();
            }
            false => assert_eq!(running.board.lift(&page()).unwrap().hold.unwrap().1.as_str(), "account"),
        }
        webhooks.live(&bench, 20 * SECOND).await;
        assert_eq!(bench.heard().len(), calls.len() + 1, "one call alone");
        assert!(bench.heard()[calls.len()].0 < lifted + 4 * SECOND);
        webhooks.live(&bench, 60 * SECOND).await;
        assert_eq!((bench.heard().len(), waits_for(&running)), (200, None), "everybody in the end");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn b6_a_page_that_is_refused_by_webhook_goes_on_by_itself_when_it_is_not_any_more() {
    let (bench, running, mut webhooks) = held().await;
    webhooks.mend(&bench);
    webhooks.live(&bench, 900 * SECOND).await;
    assert_eq!((bench.heard().len(), waits_for(&running)), (200, None));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_hold_that_is_lifted_too_early_costs_one_call_where_a_webhook_tells_it_too() {
    let (bench, running, mut webhooks) = held().await;
    let before = bench.heard().len();
    running.board.lift(&page()).unwrap();
    webhooks.live(&bench, 20 * SECOND).await;
    assert_eq!((bench.heard().len(), waits_for(&running)), (before + 1, Some("account")));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_what_was_told_before_the_hold_was_lifted_holds_the_page_no_more() {
    let (bench, running, mut webhooks) = held().await;
    webhooks.mend(&bench);
    running.board.lift(&page()).unwrap();
    // Split again, as after a crash: in the middle of the one call's wait, and when the page is at full speed.
    for after in [10 * SECOND, 26 * SECOND] {
        webhooks.live(&bench, after).await;
        for refused in &webhooks.told {
            bench.tell(refused).await;
        }
    }
    webhooks.live(&bench, 25 * SECOND).await;
    assert_eq!((bench.heard().len(), waits_for(&running)), (200, None));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_page_that_is_told_by_webhook_to_slow_down_goes_on_slower() {
    let bench = limited().await;
    let running = bench.start("sender");
    tokio::time::sleep(5 * SECOND).await;
    let told = refused("throttled", bench.world.wall_ms());
    // Many of one moment are one.
    for _ in 0..20 {
        bench.tell(&told).await;
    }
    tokio::time::sleep(2 * SECOND).await;
    let shown = running.board.pages()[&page()].clone();
    assert!((50..60).contains(&shown.speed_percent.unwrap()) && shown.hold.is_none(), "{shown:?}");
    tokio::time::sleep(40 * SECOND).await;
    assert_eq!(bench.heard().len(), 200);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_what_is_told_of_a_page_that_has_nothing_to_send_is_passed_over() {
    let bench = Bench::new();
    let running = bench.start("sender");
    for reason in ["account", "throttled", "something new"] {
        bench.tell(&refused(reason, bench.world.wall_ms())).await;
    }
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.committed(), 3);
    bench.ruled_campaign("c", None, Rules::default(), &[GateClass::default()]).await;
    tokio::time::sleep(10 * SECOND).await;
    bench.tell(&refused("something new", bench.world.wall_ms())).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!((bench.heard().len(), waits_for(&running)), (10, None));
    let letters = bench.log.inspect(Topic::DeadLetters, sluice_runtime::ports::log::Partition(0));
    assert!(letters.is_empty());
    running.stop().await;
}
