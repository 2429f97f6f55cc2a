//! Templates that the provider pauses, judged by its own list of calls.

use crate::support::{Bench, Running, page};
use sluice_core::quota::Quota;
use sluice_core::{CampaignId, CampaignState};
use sluice_schemas::{GateClass, Rules};
use sluice_simulation::{ErrorAnswer, ProviderFaults};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Three campaigns of 60 recipients on a page of 6 a second, two of them of one template.
async fn campaigns() -> Bench {
    let mut bench = Bench::new();
    bench.page_rate = Some("6/s".parse().unwrap());
    for name in ["sale-one", "sale-two", "other"] {
        bench.ruled_campaign(name, None, Rules::default(), &vec![GateClass::default(); 6]).await;
    }
    bench
}

/// Of [`campaigns`], one process, a second after the template of both was paused.
async fn paused() -> (Bench, Running) {
    let bench = campaigns().await;
    let running = bench.start("sender");
    tokio::time::sleep(5 * SECOND).await;
    bench.pause_templates_of(&["sale-one", "sale-two"]);
    tokio::time::sleep(SECOND).await;
    (bench, running)
}

#[tokio::test(start_paused = true)]
async fn b6_g6_a_paused_template_holds_its_campaigns_and_nobody_else_and_is_tried_again_by_one_call() {
    let (bench, running) = paused().await;
    let refused = bench.heard().iter().filter(|(_, is_taken)| !is_taken).count();
    assert!((1..=4).contains(&refused), "{refused}");
    let held = running.board.pages()[&page()].templates.clone();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!((held[0].template.as_deref(), held[0].reason.as_str()), (Some("sale"), "template"));
    let mut waiting = held[0].campaigns.clone();
    waiting.sort();
    let mut both = ["sale-one", "sale-two"].map(|name| CampaignId::of("t", name));
    both.sort();
    assert_eq!(waiting, both);
    // All of the page's rate is the third one's.
    let before = bench.calls_of("other").len();
    tokio::time::sleep(5 * SECOND).await;
    assert!(bench.calls_of("other").len() >= before + 28, "{}", bench.calls_of("other").len() - before);
    let quiet = bench.heard().len();
    tokio::time::sleep(HOUR / 2).await;
    assert_eq!(bench.calls_of("other").len(), 60);
    assert_eq!(bench.heard().iter().filter(|(_, is_taken)| !is_taken).count(), refused);
    assert!(bench.heard().len() > quiet);
    tokio::time::sleep(2 * HOUR).await;
    let tried = bench.heard().iter().filter(|(_, is_taken)| !is_taken).count() - refused;
    assert_eq!(tried, 2, "once an hour");
    bench.pause_templates_of(&[]);
    tokio::time::sleep(HOUR + 60 * SECOND).await;
    let taken = bench.heard().iter().filter(|(_, is_taken)| *is_taken).count();
    assert_eq!(taken, 180, "everybody in the end");
    assert!(running.board.pages()[&page()].templates.is_empty());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_resuming_a_campaign_tries_its_template_at_once() {
    let bench = campaigns().await;
    bench.pause_templates_of(&["sale-one", "sale-two"]);
    let running = bench.start("sender");
    tokio::time::sleep(30 * SECOND).await;
    // Any command to a campaign of the page costs the other one a call that is refused.
    bench.command("sale-one", CampaignState::Paused, None).await;
    tokio::time::sleep(5 * SECOND).await;
    bench.pause_templates_of(&[]);
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(bench.heard().iter().filter(|(_, is_taken)| *is_taken).count(), 60, "the third one alone");
    bench.command("sale-one", CampaignState::Running, None).await;
    tokio::time::sleep(60 * SECOND).await;
    let taken = bench.heard().iter().filter(|(_, is_taken)| *is_taken).count();
    assert_eq!(taken, 180, "both campaigns of the template");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_g6_a_campaign_whose_messages_are_refused_for_what_they_are_waits_before_all_of_it_has_failed() {
    let mut bench = campaigns().await;
    bench.options.hold.campaign_refusals = 5;
    let body = r#"{"error": {"code": 132001, "message": "Template name does not exist in the translation"}}"#;
    bench.answers(ProviderFaults {
        error: Some(ErrorAnswer { ppm: 1_000_000, status: 404, body }),
        ..ProviderFaults::none()
    });
    let running = bench.start("sender");
    tokio::time::sleep(60 * SECOND).await;
    let refused = bench.heard().len();
    assert!((15..=21).contains(&refused), "five of each, and those under way: {refused}");
    let held = running.board.pages()[&page()].templates.clone();
    assert_eq!(held.len(), 3, "each for itself, also those of one template: {held:?}");
    assert!(held[0].reason.detail().starts_with("132001"), "{held:?}");
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(bench.heard().len() - refused, 6, "one call of each finds out, once an hour");
    // The next owner goes on waiting.
    running.stop().await;
    let running = bench.start("another");
    tokio::time::sleep(HOUR / 2).await;
    assert_eq!(bench.heard().len() - refused, 6);
    bench.answers(ProviderFaults::none());
    bench.command("other", CampaignState::Paused, None).await;
    bench.command("other", CampaignState::Running, None).await;
    tokio::time::sleep(60 * SECOND).await;
    let taken = |name: &str| bench.calls_of(name).len();
    assert_eq!(taken("other"), 60, "everybody was called once");
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!((taken("sale-one"), taken("sale-two")), (60, 60));
    assert!(running.board.pages()[&page()].templates.is_empty());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_refusals_of_a_campaign_beside_messages_that_are_taken_hold_nobody() {
    let bench = campaigns().await;
    let body = r#"{"error": {"code": 132000, "message": "Number of parameters does not match"}}"#;
    bench.answers(ProviderFaults {
        error: Some(ErrorAnswer { ppm: 300_000, status: 400, body }),
        ..ProviderFaults::none()
    });
    let running = bench.start("sender");
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(bench.heard().len(), 180);
    assert!(running.board.pages()[&page()].templates.is_empty());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g6_a_templates_one_call_is_made_by_a_campaign_that_has_tokens() {
    let mut bench = Bench::new();
    let daily = Some("3/day".parse().unwrap());
    bench
        .quotas
        .insert("acme".to_owned(), Quota { daily, tenants: vec!["acme".to_owned()], ..Quota::default() });
    let free = CampaignId::of("other", "sale-free");
    // The one without tokens is looked at first.
    let names = (0..).map(|number| format!("sale-{number}"));
    let limited = names.into_iter().find(|name| CampaignId::of("acme", name) < free).unwrap();
    let running = bench.start("sender");
    bench.campaign_on(&limited, "acme", "page", 1, 1).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(bench.callers_of(&limited, "acme").len(), 3);
    bench.pause_templates([free, CampaignId::of("acme", &limited)]);
    bench.campaign_on("sale-free", "other", "page", 1, 2).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(running.board.pages()[&page()].templates.len(), 1);
    bench.pause_templates([]);
    tokio::time::sleep(HOUR + 60 * SECOND).await;
    let taken = bench.heard().iter().filter(|(_, is_taken)| *is_taken).count();
    assert_eq!(taken, 3 + 20, "everybody but those whose quota is used up");
    assert!(running.board.pages()[&page()].templates.is_empty());
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn b6_a_command_for_a_held_template_ends_no_wait_that_the_provider_asked_for() {
    let (bench, running) = paused().await;
    bench.answers(ProviderFaults { throttled_ppm: 1_000_000, ..ProviderFaults::none() });
    tokio::time::sleep(34 * SECOND).await;
    let (until, reason) = running.board.pages()[&page()].hold.clone().unwrap();
    let left = until - bench.world.now();
    assert!(reason.as_str() == "throttled" && left > 10 * SECOND, "{left:?}");
    let called = bench.heard().len();
    bench.store().bump_control(&page()).await.unwrap();
    tokio::time::sleep(left - SECOND).await;
    assert_eq!(bench.heard().len(), called, "it still waits");
    running.stop().await;
}
