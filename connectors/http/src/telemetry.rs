//! The port for those who watch: metrics and health. It tells nothing of campaigns or people, and takes nothing.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sluice_runtime::Shutdown;
use sluice_runtime::metrics::{ENGINES, Metrics};
use std::sync::Arc;
use tokio::net::TcpListener;

/// The text format of Prometheus, see <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`, `/health/live`, `/health/ready`.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(metrics)
}

/// Serves until shutdown is asked for, then finishes the requests it has.
///
/// # Errors
/// What the system says about the port.
pub async fn serve_metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    mut shutdown: Shutdown,
) -> std::io::Result<()> {
    axum::serve(listener, metrics_router(metrics))
        .with_graceful_shutdown(async move { shutdown.stopping().await })
        .await
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}

/// The process answers: there is no reason to start it again.
async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// 503 while an engine keeps it from working, with what is wrong: do not send it requests now.
async fn ready(State(metrics): State<Arc<Metrics>>) -> (StatusCode, Json<Value>) {
    let troubles: Vec<Value> = metrics
        .troubles()
        .into_iter()
        .map(|(engine, trouble)| json!({"engine": ENGINES[engine as usize], "trouble": trouble}))
        .collect();
    if troubles.is_empty() {
        return (StatusCode::OK, Json(json!({"status": "ready"})));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "waiting", "troubles": troubles})))
}
