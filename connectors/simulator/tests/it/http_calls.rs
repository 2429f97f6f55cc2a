//! Generic HTTP calls and the simulator's own endpoints.

use serde_json::json;
use sluice_simulator::{Channel, ScopeBy, SimulatorConfig, Truth, read_log};

use crate::support::{generic, request, start};

#[tokio::test]
async fn any_body_is_taken_and_the_recipient_is_found_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("calls.ndjson");
    let simulator = start(SimulatorConfig { log: Some(log.clone()), ..SimulatorConfig::default() }).await;
    let bodies: [(&str, &str); 5] = [
        ("/http/shop/send", r#"{"text":"hi","to":"+4912345"}"#),
        ("/http/shop", r#"{"address":{"not":"text"},"phone":4912346}"#),
        ("/", r#"{"email":"a@b.c"}"#),
        ("/http/form", "to=1&text=hi"),
        ("/http/form", "[1,2]"),
    ];
    for (path, body) in bodies {
        let answer = request(simulator.address(), "PUT", path, &[], body.as_bytes()).await.unwrap().unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body["id"].as_str().unwrap().starts_with("sim-"));
    }
    simulator.flush_log().await;
    let lines = read_log(&log).unwrap();
    let seen: Vec<_> = lines.iter().map(|l| (&*l.page, &*l.to)).collect();
    assert_eq!(seen[..3], [("shop", "+4912345"), ("shop", "4912346"), ("default", "a@b.c")]);
    assert!(seen[3].1.starts_with("body-") && seen[4].1.starts_with("body-"));
    assert_eq!(Truth::fold(&lines).distinct_accepted(), 5);
    assert_eq!(lines[0].channel, Channel::Http);
}

#[tokio::test]
async fn the_second_acceptance_of_a_recipient_is_named_as_a_double() {
    let simulator = start(SimulatorConfig::default()).await;
    for to in ["a", "b", "a", "a"] {
        assert_eq!(generic(&simulator, to).await.unwrap().status, 200);
    }
    let stats = simulator.stats();
    assert_eq!((stats.calls, stats.accepted, stats.distinct_accepted, stats.accepted_twice), (4, 4, 2, 1));
    assert_eq!((&*stats.accepted_twice_first[0].to, stats.accepted_twice_first[0].times), ("a", 3));
}

#[tokio::test]
async fn a_scope_keeps_two_campaigns_to_the_same_people_apart() {
    let simulator = start(SimulatorConfig { scope: ScopeBy::TagPrefix, ..SimulatorConfig::default() }).await;
    for tag in ["spring:1", "autumn:1"] {
        let headers = [("idempotency-key", tag)];
        request(simulator.address(), "POST", "/http/shop", &headers, br#"{"to":"a"}"#).await.unwrap();
    }
    assert_eq!((simulator.stats().distinct_accepted, simulator.stats().accepted_twice), (2, 0));
}

#[tokio::test]
async fn statistics_and_faults_are_reachable_over_http() {
    let simulator = start(SimulatorConfig::default()).await;
    let address = simulator.address();
    let get = async |path: &str| request(address, "GET", path, &[], b"").await.unwrap().unwrap();
    let change = async |body: &str| {
        request(address, "POST", "/_sim/faults", &[], body.as_bytes()).await.unwrap().unwrap()
    };
    assert_eq!(get("/healthz").await.body, json!({ "ok": true }));
    assert_eq!(change(r#"{"fail_all":"error_500"}"#).await.status, 200);
    assert_eq!(generic(&simulator, "a").await.unwrap().status, 500);
    assert_eq!(change(r#"{"fail_all":null,"latency_ms":1}"#).await.status, 200);
    assert_eq!(generic(&simulator, "a").await.unwrap().status, 200);
    assert_eq!(get("/_sim/stats").await.body["pages"]["http/shop"]["failed"], 1);
    assert_eq!(get("/_sim/faults").await.body["latency_ms"], 1);
    for bad in [r#"{"unknown":1}"#, r#"{"read_percent":101}"#, "nonsense"] {
        assert_eq!(change(bad).await.status, 400, "{bad}");
    }
    assert_eq!(simulator.faults().latency_ms, 1, "a refused change leaves everything as it was");
    assert_eq!(get("/nowhere").await.status, 404);
}
