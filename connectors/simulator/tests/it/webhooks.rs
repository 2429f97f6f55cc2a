//! Receipts as the receiver gets them.

use std::time::Duration;

use serde_json::json;
use sluice_simulator::webhook::sign;
use sluice_simulator::{Channel, Faults, Outcome, SimulatorConfig, SimulatorHandle, Truth, read_log};

use crate::receiver::Receiver;
use crate::support::{INSTAGRAM, NUMBER, PAGE, generic, graph, start, template, text};

async fn with(receiver: &Receiver, faults: Faults) -> SimulatorHandle {
    let config = SimulatorConfig {
        webhook_target: Some(receiver.url()),
        verify_token: "se cret".to_owned(),
        webhook_backoff_ms: 10,
        faults,
        ..SimulatorConfig::default()
    };
    start(config).await
}

async fn settle(simulator: &SimulatorHandle) {
    assert!(simulator.webhooks_settled(Duration::from_secs(5)).await, "{:?}", simulator.stats().webhooks);
}

fn read_and_reply() -> Faults {
    Faults { read_percent: 100.0, reply_percent: 100.0, ..Faults::default() }
}

#[tokio::test]
async fn whatsapp_statuses_are_in_metas_envelope_and_signed_over_the_escaped_bytes() {
    let receiver = Receiver::start(&[]).await;
    let simulator = with(&receiver, read_and_reply()).await;
    let mut call = template("+16505551234");
    call["biz_opaque_callback_data"] = json!("käse:1");
    let id = graph(&simulator, NUMBER, &call).await.body["messages"][0]["id"].clone();
    settle(&simulator).await;
    for call in receiver.all() {
        assert_eq!(call.path, "/webhooks/whatsapp");
        assert!(call.raw.is_ascii(), "non-ASCII is escaped");
        assert_eq!(call.signature, sign("simulator-app-secret", &call.raw));
        let body = call.json();
        assert_eq!(body["object"], "whatsapp_business_account");
        let value = &body["entry"][0]["changes"][0]["value"];
        assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
        assert_eq!(value["metadata"]["phone_number_id"], "106540352242922");
        for status in value["statuses"].as_array().into_iter().flatten() {
            assert_eq!(status["id"], id);
            assert_eq!(status["biz_opaque_callback_data"], "käse:1");
            let seconds: u64 = status["timestamp"].as_str().unwrap().parse().unwrap();
            assert!(seconds > 1_700_000_000 && seconds < 10_000_000_000);
            assert_eq!(status.get("pricing").is_some(), status["status"] != "read");
        }
    }
    let raw: Vec<u8> = receiver.all().into_iter().flat_map(|call| call.raw).collect();
    assert!(raw.windows(10).any(|w| w == b"k\\u00e4se:"), "lowercase hex");
    let seen: Vec<_> = receiver.statuses().into_iter().map(|(_, status)| status).collect();
    assert_eq!(seen, ["sent", "delivered", "read"]);
    let reply = receiver.all().pop().unwrap().json()["entry"][0]["changes"][0]["value"].clone();
    assert_eq!(reply["messages"][0]["text"]["body"], "Danke, schön! 👍");
    assert_eq!(reply["messages"][0]["context"]["id"], id);
    assert_eq!(simulator.stats().webhooks.posted, 4);
}

#[tokio::test]
async fn messenger_reads_are_watermarks_and_instagram_reads_name_the_message() {
    let receiver = Receiver::start(&[]).await;
    let faults =
        Faults { read_percent: 100.0, delivered_after_ms: 1, read_after_ms: 60, ..Faults::default() };
    let simulator = with(&receiver, faults).await;
    let mid = graph(&simulator, PAGE, &text("4711")).await.body["message_id"].clone();
    let seen = graph(&simulator, INSTAGRAM, &text("99")).await.body["message_id"].clone();
    settle(&simulator).await;
    let of = |path: &str| -> Vec<_> {
        let calls = receiver.all().into_iter().filter(|call| call.path == path);
        calls.map(|call| call.json()).collect()
    };
    let messenger = of("/webhooks/messenger");
    assert_eq!(messenger[0]["object"], "page");
    let delivered = &messenger[0]["entry"][0]["messaging"][0];
    assert_eq!(
        (&delivered["sender"]["id"], &delivered["recipient"]["id"]),
        (&json!("4711"), &json!("281372"))
    );
    assert_eq!(delivered["delivery"]["mids"], json!([mid]));
    assert!(delivered["delivery"]["watermark"].as_u64().unwrap() > 1_700_000_000_000);
    let read = &messenger[1]["entry"][0]["messaging"][0]["read"];
    assert!(read["watermark"].is_u64() && read.get("mid").is_none());
    let instagram = of("/webhooks/instagram");
    assert_eq!(instagram.len(), 1, "Instagram tells of no delivery");
    assert_eq!(instagram[0]["object"], "instagram");
    assert_eq!(instagram[0]["entry"][0]["messaging"][0]["read"], json!({ "mid": seen }));
}

#[tokio::test]
async fn generic_statuses_go_to_the_page_with_id_and_tag() {
    let receiver = Receiver::start(&[]).await;
    let simulator = with(&receiver, Faults { webhook_failed_percent: 100.0, ..Faults::default() }).await;
    let id = generic(&simulator, "a").await.unwrap().body["id"].clone();
    settle(&simulator).await;
    let call = receiver.all().pop().unwrap();
    assert_eq!(call.path, "/webhooks/http/shop");
    assert_eq!(call.signature, sign("simulator-app-secret", &call.raw));
    let body = call.json();
    assert_eq!((&body["id"], &body["tag"], &body["status"]), (&id, &json!("c1:7"), &json!("failed")));
    assert!(body["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn an_accepted_message_can_fail_afterwards() {
    let receiver = Receiver::start(&[]).await;
    let faults = Faults { webhook_failed_percent: 100.0, webhook_failed_code: 131_049, ..Faults::default() };
    let simulator = with(&receiver, faults).await;
    assert_eq!(graph(&simulator, NUMBER, &template("16505551234")).await.status, 200);
    settle(&simulator).await;
    let body = receiver.all().pop().unwrap().json();
    let status = &body["entry"][0]["changes"][0]["value"]["statuses"][0];
    assert_eq!((&status["status"], &status["errors"][0]["code"]), (&json!("failed"), &json!(131_049)));
}

#[tokio::test]
async fn several_statuses_share_a_webhook_call() {
    let receiver = Receiver::start(&[]).await;
    let config = SimulatorConfig {
        webhook_target: Some(receiver.url()),
        webhook_linger_ms: 100,
        faults: Faults { delivered_after_ms: 5, ..Faults::default() },
        ..SimulatorConfig::default()
    };
    let simulator = start(config).await;
    for n in 0..5 {
        graph(&simulator, NUMBER, &template(&format!("1650555123{n}"))).await;
    }
    settle(&simulator).await;
    assert_eq!(receiver.statuses().len(), 10);
    assert!(receiver.all().len() < 10, "{} calls", receiver.all().len());
}

#[tokio::test]
async fn duplicated_missing_and_reordered_events_appear_as_configured() {
    let statuses = async |faults: Faults| {
        let receiver = Receiver::start(&[]).await;
        let simulator = with(&receiver, Faults { read_percent: 100.0, ..faults }).await;
        graph(&simulator, NUMBER, &template("16505551234")).await;
        settle(&simulator).await;
        let seen: Vec<_> = receiver.statuses().into_iter().map(|(_, status)| status).collect();
        (seen, simulator.stats().webhooks)
    };
    let (mut twice, _) = statuses(Faults { webhook_duplicated_percent: 100.0, ..Faults::default() }).await;
    twice.sort();
    assert_eq!(twice, ["delivered", "delivered", "read", "read", "sent", "sent"]);
    let (none, counts) = statuses(Faults { webhook_missing_percent: 100.0, ..Faults::default() }).await;
    assert_eq!((none.len(), counts.withheld), (0, 3));
    let (reverse, _) = statuses(Faults { webhook_reordered_percent: 100.0, ..Faults::default() }).await;
    assert_eq!(reverse, ["read", "delivered", "sent"]);
}

/// Hazard 19: the webhook comes before its send is recorded.
#[tokio::test]
async fn an_early_webhook_arrives_before_the_answer() {
    let receiver = Receiver::start(&[]).await;
    let simulator = with(&receiver, Faults { webhook_early_percent: 100.0, ..Faults::default() }).await;
    graph(&simulator, NUMBER, &template("16505551234")).await;
    let before = receiver.statuses();
    assert_eq!(before.first().map(|(_, status)| status.as_str()), Some("sent"));
    settle(&simulator).await;
    assert_eq!(receiver.statuses().len(), 2);
}

#[tokio::test]
async fn late_events_are_late_and_say_when_they_happened() {
    let receiver = Receiver::start(&[]).await;
    let faults = Faults { webhook_late_percent: 100.0, webhook_late_ms: 300, ..Faults::default() };
    let simulator = with(&receiver, faults).await;
    generic(&simulator, "a").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(receiver.all().is_empty());
    settle(&simulator).await;
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_is_not_answered_with_200_comes_again_and_is_given_up_after_the_last_try() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log.ndjson");
    let receiver = Receiver::start(&[500, 404]).await;
    let config = SimulatorConfig {
        log: Some(log.clone()),
        webhook_target: Some(receiver.url()),
        webhook_backoff_ms: 5,
        ..SimulatorConfig::default()
    };
    let simulator = start(config.clone()).await;
    generic(&simulator, "a").await;
    settle(&simulator).await;
    assert_eq!(receiver.all().len(), 3);
    let counts = simulator.stats().webhooks;
    assert_eq!((counts.posted, counts.refused, counts.lost), (1, 2, 0));
    simulator.shutdown().await.unwrap();
    let lines = read_log(&log).unwrap();
    let outcomes: Vec<_> = lines.iter().map(|line| (line.outcome, line.status)).collect();
    let expected =
        [(Outcome::Accepted, 200), (Outcome::Refused, 500), (Outcome::Refused, 404), (Outcome::Posted, 200)];
    assert_eq!(outcomes, expected);
    assert_eq!(Truth::fold(&lines).webhooks.get("delivered"), Some(&1));

    let away =
        SimulatorConfig { webhook_target: Some("http://127.0.0.1:9".to_owned()), webhook_tries: 2, ..config };
    let simulator = start(away).await;
    generic(&simulator, "a").await;
    settle(&simulator).await;
    assert_eq!(simulator.stats().webhooks.lost, 1);
}

#[tokio::test]
async fn the_target_is_verified_as_meta_does_it() {
    let receiver = Receiver::start(&[]).await;
    assert!(with(&receiver, Faults::default()).await.verify_subscription(Channel::WhatsApp).await);
    let wrong = SimulatorConfig { webhook_target: Some(receiver.url()), ..SimulatorConfig::default() };
    assert!(!start(wrong).await.verify_subscription(Channel::WhatsApp).await);
}

#[tokio::test]
async fn a_target_that_is_not_http_is_refused_at_the_start() {
    let config =
        SimulatorConfig { webhook_target: Some("https://x.test".to_owned()), ..SimulatorConfig::default() };
    let error = sluice_simulator::Simulator::start(config).await.unwrap_err();
    assert!(error.to_string().contains("https://x.test"), "{error}");
}
