//! Webhooks: signatures, sizes, verification, and 200 only for what is durable.

use crate::fake_log::{FakeLog, gateway};
use axum::body::Body;
use axum::http::{Request, Response};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use serde_json::Value;
use sha2::Sha256;
use sluice_core::partition::partition_of;
use sluice_http::{Gateway, router};
use sluice_schemas::Channel;
use std::sync::Arc;
use tower::ServiceExt;

/// As Meta sends and signs it: non-ASCII characters escaped.
const ESCAPED: &str =
    r#"{"object":"whatsapp_business_account","entry":[{"id":"1","note":"f\u00fcr \u00e9"}]}"#;

pub(crate) async fn answer(gateway: &Gateway, request: Request<Body>) -> Response<Body> {
    router(gateway.clone()).oneshot(request).await.unwrap()
}

pub(crate) async fn json(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let digest = mac.finalize().into_bytes();
    format!("sha256={}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn post(path: &str, signature: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::post(path);
    if let Some(signature) = signature {
        request = request.header("X-Hub-Signature-256", signature);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn a_signed_body_is_stored_byte_by_byte_and_answered_with_200() {
    let log = Arc::new(FakeLog::default());
    let gateway = gateway(&log);
    let request = post("/webhooks/whatsapp", Some(&sign("app-secret", ESCAPED)), ESCAPED);
    assert_eq!(answer(&gateway, request).await.status(), 200);
    let stored = log.webhooks();
    let (partition, key, record) = &stored[0];
    assert_eq!((key.as_str(), *partition), ("whatsapp", partition_of(b"whatsapp", 16)));
    assert_eq!((record.channel, record.page.as_deref()), (Channel::Whatsapp, None));
    assert_eq!(record.body, ESCAPED.as_bytes());
    assert!(record.received_at_ms > 1_700_000_000_000);
}

#[tokio::test]
async fn a_generic_webhook_is_stored_under_its_page() {
    let log = Arc::new(FakeLog::default());
    let request = post("/webhooks/http/shop-1", Some(&sign("http-secret", "[]")), "[]");
    assert_eq!(answer(&gateway(&log), request).await.status(), 200);
    let (partition, key, record) = log.webhooks().remove(0);
    assert_eq!((key.as_str(), partition), ("shop-1", partition_of(b"shop-1", 16)));
    assert_eq!(record.page.as_deref(), Some("shop-1"));
}

#[tokio::test]
async fn a_body_that_was_written_anew_does_not_pass_for_the_signed_one() {
    let log = Arc::new(FakeLog::default());
    let unescaped = serde_json::from_str::<Value>(ESCAPED).unwrap().to_string();
    let signature = sign("app-secret", ESCAPED);
    let cases = [
        (Some(signature.clone()), unescaped.as_str(), "wrong_signature"),
        (Some(sign("other", ESCAPED)), ESCAPED, "wrong_signature"),
        (Some(signature[7..].to_owned()), ESCAPED, "wrong_signature"),
        (Some(signature[..70].to_owned()), ESCAPED, "wrong_signature"),
        (Some("sha256=zz".to_owned()), ESCAPED, "wrong_signature"),
        (None, ESCAPED, "no_signature"),
    ];
    for (signature, body, code) in cases {
        let response = answer(&gateway(&log), post("/webhooks/whatsapp", signature.as_deref(), body)).await;
        assert_eq!(response.status(), 401);
        assert_eq!(json(response).await["code"], code);
    }
    assert!(log.webhooks().is_empty());
}

#[tokio::test]
async fn a_channel_without_secret_is_refused_unless_unsigned_is_allowed() {
    let log = Arc::new(FakeLog::default());
    let mut gateway = gateway(&log);
    let response = answer(&gateway, post("/webhooks/messenger", None, "{}")).await;
    assert_eq!(response.status(), 403);
    let error = json(response).await;
    assert_eq!(error["code"], "no_app_secret");
    assert!(error["actionable"].as_str().unwrap().contains("app secret") && error["details"].is_array());
    Arc::make_mut(&mut gateway.options).allow_unsigned = true;
    assert_eq!(answer(&gateway, post("/webhooks/messenger", None, "{}")).await.status(), 200);
    // A channel with a secret is checked all the same.
    assert_eq!(answer(&gateway, post("/webhooks/whatsapp", None, "{}")).await.status(), 401);
    assert_eq!(log.webhooks().len(), 1);
}

#[tokio::test]
async fn what_the_log_refuses_is_answered_with_503_and_a_time_to_come_again() {
    let log = Arc::new(FakeLog::refusing());
    let request = post("/webhooks/whatsapp", Some(&sign("app-secret", "{}")), "{}");
    let response = answer(&gateway(&log), request).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(json(response).await["code"], "not_stored");
}

#[tokio::test(start_paused = true)]
async fn g9_while_the_log_is_away_webhooks_come_again_instead_of_filling_the_memory() {
    let log = Arc::new(FakeLog::holding());
    let mut gateway = gateway(&log);
    Arc::make_mut(&mut gateway.options).webhooks_unstored_bytes_max = 3_000;
    let routes = router(gateway);
    let body = "x".repeat(1_400);
    let webhook =
        || routes.clone().oneshot(post("/webhooks/whatsapp", Some(&sign("app-secret", &body)), &body));

    // Two have room; their providers wait ten seconds, and go away without an answer.
    let (first, second) = tokio::join!(webhook(), webhook());
    for response in [first, second] {
        let response = response.unwrap();
        assert_eq!((response.status().as_u16(), log.unanswered()), (503, 2));
        assert!(json(response).await["details"][0].as_str().unwrap().contains("within 10 s"));
    }
    // The log may still take them: they keep their room.
    let third = webhook().await.unwrap();
    assert_eq!((third.status().as_u16(), log.unanswered()), (503, 2));
    assert_eq!(third.headers()["retry-after"], "5");
    log.answer();
    tokio::task::yield_now().await;
    let (fourth, ()) = tokio::join!(webhook(), async {
        while log.unanswered() == 0 {
            tokio::task::yield_now().await;
        }
        log.answer();
    });
    assert_eq!(fourth.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let log = Arc::new(FakeLog::default());
    let large = "x".repeat(10_001);
    let response =
        answer(&gateway(&log), post("/webhooks/whatsapp", Some(&sign("app-secret", &large)), &large)).await;
    assert_eq!(response.status(), 413);
    assert_eq!(json(response).await["code"], "too_large");
    assert!(log.webhooks().is_empty());
}

#[tokio::test]
async fn verification_gives_the_challenge_back_for_the_right_token_only() {
    let log = Arc::new(FakeLog::default());
    let gateway = gateway(&log);
    let verify = |channel: &str, mode: &str, token: &str| {
        let path =
            format!("/webhooks/{channel}?hub.mode={mode}&hub.challenge=1158201444&hub.verify_token={token}");
        Request::get(path).body(Body::empty()).unwrap()
    };
    let response = answer(&gateway, verify("whatsapp", "subscribe", "verify-me")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "1158201444");
    for (channel, mode, token, status) in [
        ("whatsapp", "subscribe", "verify-m", 403),
        ("whatsapp", "subscribe", "", 403),
        ("whatsapp", "unsubscribe", "verify-me", 403),
        ("messenger", "subscribe", "", 403),
        ("telegraph", "subscribe", "verify-me", 404),
    ] {
        assert_eq!(
            answer(&gateway, verify(channel, mode, token)).await.status(),
            status,
            "{channel} {mode} {token}"
        );
    }
}

#[tokio::test]
async fn unknown_paths_and_channels_are_json_errors() {
    let log = Arc::new(FakeLog::default());
    let gateway = gateway(&log);
    for (path, code) in [
        ("/webhooks/sms", "no_such_channel"),
        ("/webhooks/http", "no_page"),
        ("/nowhere", "no_such_path"),
        ("/v1/campaigns", "no_such_path"),
    ] {
        let response = answer(&gateway, post(path, None, "{}")).await;
        assert_eq!(response.status(), 404);
        assert_eq!(json(response).await["code"], code, "{path}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", gateway(&Arc::new(FakeLog::default())));
    assert!(!shown.contains("secret") && !shown.contains("verify-me") && shown.contains("***"), "{shown}");
}
