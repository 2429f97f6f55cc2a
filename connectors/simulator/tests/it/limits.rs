//! Rate limits over a moving second, and the headers that tell of them (G4).

use serde_json::Value;
use sluice_simulator::{RateLimits, SimulatorConfig};

use crate::support::{NUMBER, PAGE, generic, graph, start, template, text};

fn limits(limit: u32) -> SimulatorConfig {
    let limits =
        RateLimits { whatsapp: Some(limit), messenger: Some(limit), instagram: None, http: Some(limit) };
    SimulatorConfig { rate_limits: limits, ..SimulatorConfig::default() }
}

#[tokio::test]
async fn beyond_the_limit_each_channel_throttles_in_its_own_words() {
    let simulator = start(limits(2)).await;
    for n in 0..2 {
        assert_eq!(graph(&simulator, NUMBER, &template(&format!("1650555000{n}"))).await.status, 200);
        assert_eq!(graph(&simulator, PAGE, &text(&n.to_string())).await.status, 200);
        assert_eq!(generic(&simulator, &n.to_string()).await.unwrap().status, 200);
    }
    let whatsapp = graph(&simulator, NUMBER, &template("16505550009")).await;
    assert_eq!((whatsapp.status, whatsapp.code()), (429, 130_429));
    let messenger = graph(&simulator, PAGE, &text("9")).await;
    assert_eq!(messenger.code(), 613);
    let usage: Value = serde_json::from_str(messenger.header("x-business-use-case-usage").unwrap()).unwrap();
    assert_eq!(usage["281372"][0]["call_count"], 150);
    assert_eq!(usage["281372"][0]["estimated_time_to_regain_access"], 1);
    assert!(messenger.header("x-app-usage").is_some());
    let http = generic(&simulator, "9").await.unwrap();
    assert_eq!((http.status, http.header("retry-after")), (429, Some("1")));
    let stats = simulator.stats();
    assert_eq!((stats.calls, stats.accepted), (9, 6));
    assert_eq!(stats.pages["http/shop"].throttled, 1);
    assert_eq!(stats.pages["http/shop"].busiest_second, 3);
}

#[tokio::test]
async fn a_page_is_free_again_a_second_later() {
    let simulator = start(limits(1)).await;
    assert_eq!(generic(&simulator, "a").await.unwrap().status, 200);
    assert_eq!(generic(&simulator, "b").await.unwrap().status, 429);
    tokio::time::sleep(std::time::Duration::from_millis(1_020)).await;
    assert_eq!(generic(&simulator, "b").await.unwrap().status, 200);
}
