//! G1: the metrics port, and what is counted around the gateway.

use crate::fake_log::{FakeLog, gateway};
use crate::webhooks::json;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use sluice_http::{GatewayMetrics, GatewayOptions, metrics_router, router};
use sluice_runtime::SystemClock;
use sluice_runtime::metrics::{Build, Engine, Metrics};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;

const BUILD: Build = Build { version: "1", log: "embedded", store: "embedded" };

fn metrics() -> Arc<Metrics> {
    Metrics::new(&BUILD, Arc::new(SystemClock))
}

async fn status(routes: &Router, request: Request<Body>) -> u16 {
    routes.clone().oneshot(request).await.unwrap().status().as_u16()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn post(path: &str, body: &str) -> Request<Body> {
    Request::post(path).body(Body::from(body.to_owned())).unwrap()
}

#[track_caller]
fn counts(metrics: &Metrics, series: &str, value: u64) {
    let text = metrics.text().unwrap();
    assert!(text.lines().any(|line| line == format!("{series} {value}")), "{series} is not {value}:\n{text}");
}

#[tokio::test]
async fn webhooks_are_counted_by_channel_and_result_and_pages_are_not_named() {
    let metrics = metrics();
    let log = Arc::new(FakeLog::default());
    let mut gateway = gateway(&log);
    let strict = gateway.clone();
    gateway.options = Arc::new(GatewayOptions { allow_unsigned: true, ..GatewayOptions::default() });
    let measured = GatewayMetrics::new(&metrics, Arc::new(SystemClock));
    let routes = measured.clone().around(router(gateway));
    assert_eq!(status(&routes, post("/webhooks/http/secret-page", "{}")).await, 200);
    assert_eq!(status(&routes, post("/webhooks/whatsapp", "{}")).await, 200);
    assert_eq!(status(&routes, post("/webhooks/fax", "{}")).await, 404);
    assert_eq!(status(&routes, get("/nothing")).await, 404);
    let routes = measured.around(router(strict));
    assert_eq!(status(&routes, post("/webhooks/whatsapp", "{}")).await, 401);
    assert_eq!(status(&routes, post("/webhooks/whatsapp", &"x".repeat(20_000))).await, 413);

    for (channel, result) in [
        ("http", "accepted"),
        ("whatsapp", "accepted"),
        ("unknown", "refused"),
        ("whatsapp", "unsigned"),
        ("whatsapp", "too_large"),
    ] {
        counts(
            &metrics,
            &format!(r#"sluice_gateway_webhooks_total{{channel="{channel}",result="{result}"}}"#),
            1,
        );
    }
    counts(&metrics, r#"sluice_gateway_webhook_seconds_count{channel="http"}"#, 1);
    assert!(!metrics.text().unwrap().contains("secret-page"));
}

#[tokio::test]
async fn a_webhook_that_is_not_durable_is_counted_as_not_stored() {
    let metrics = metrics();
    let log = Arc::new(FakeLog::refusing());
    let mut gateway = gateway(&log);
    gateway.options = Arc::new(GatewayOptions { allow_unsigned: true, ..GatewayOptions::default() });
    let routes = GatewayMetrics::new(&metrics, Arc::new(SystemClock)).around(router(gateway));
    assert_eq!(status(&routes, post("/webhooks/messenger", "{}")).await, 503);
    counts(&metrics, r#"sluice_gateway_webhooks_total{channel="messenger",result="not_stored"}"#, 1);
}

#[tokio::test]
async fn a_scrape_is_in_the_text_format() {
    let response = metrics_router(metrics()).oneshot(get("/metrics")).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("# TYPE sluice_build_info gauge"), "{text}");
}

#[tokio::test]
async fn a_process_whose_engine_is_away_is_live_and_not_ready_and_says_why() {
    let metrics = metrics();
    let away = Arc::new(AtomicBool::new(false));
    let asked = away.clone();
    metrics.probe(Engine::Log, move || asked.load(Ordering::SeqCst).then(|| "no broker answers".to_owned()));
    let routes = metrics_router(metrics);
    assert_eq!(status(&routes, get("/health/ready")).await, 200);
    away.store(true, Ordering::SeqCst);
    assert_eq!(status(&routes, get("/health/live")).await, 200);
    let response = routes.clone().oneshot(get("/health/ready")).await.unwrap();
    assert_eq!(response.status(), 503);
    let body = json(response).await;
    assert_eq!(body["troubles"][0]["engine"], "log");
    assert_eq!(body["troubles"][0]["trouble"], "no broker answers");
}
