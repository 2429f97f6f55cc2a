//! Metrics of the gateway. They are taken around its routes; no route knows of it.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use sluice_runtime::Clock;
use sluice_runtime::metrics::definition::{Definition, Kind, Label, Labels, QUICK, Stage};
use sluice_runtime::metrics::labels::CHANNEL;
use sluice_runtime::metrics::{Counters, Histograms, Metrics};
use std::fmt;
use std::sync::Arc;

sluice_runtime::label_words! {
    /// What became of a webhook.
    WebhookResult, WEBHOOK_RESULTS:
    Accepted = "accepted",
    Unsigned = "unsigned",
    TooLarge = "too_large",
    Refused = "refused",
    NotStored = "not_stored",
}

sluice_runtime::label_words! {
    /// What became of a request to the control API.
    ApiResult, API_RESULTS: Answered = "answered", Unauthorised = "unauthorised", Refused = "refused", Failed = "failed"
}

/// Webhooks.
pub const WEBHOOKS: Definition = Definition {
    name: "sluice_gateway_webhooks_total",
    kind: Kind::Counter,
    unit: "requests",
    stage: Stage::Webhooks,
    labels: Labels::Each(&[CHANNEL, Label { name: "result", values: WEBHOOK_RESULTS }]),
    help: "Webhooks by what was answered: `accepted` ones are durable, `not_stored` ones are sent again by the provider.",
    look: "`unsigned`: the configured app secret is not the provider's, or somebody else calls. `not_stored`: the log \
           does not take records.",
};

/// How long they take.
pub const WEBHOOK_SECONDS: Definition = Definition {
    name: "sluice_gateway_webhook_seconds",
    kind: Kind::Histogram(QUICK),
    unit: "seconds",
    stage: Stage::Webhooks,
    labels: Labels::Each(&[CHANNEL]),
    help: "From the head of a webhook until it is durable and answered; only accepted ones.",
    look: "Providers give up after some seconds and send again, then less often.",
};

/// Requests to the control API.
pub const REQUESTS: Definition = Definition {
    name: "sluice_gateway_requests_total",
    kind: Kind::Counter,
    unit: "requests",
    stage: Stage::Launch,
    labels: Labels::Each(&[Label { name: "result", values: API_RESULTS }]),
    help: "Requests to the control API by what was answered.",
    look: "`unauthorised`: somebody does not have the token. `failed`: look at the engines.",
};

/// The metrics of this crate.
pub const DEFINITIONS: &[&Definition] = &[&REQUESTS, &WEBHOOKS, &WEBHOOK_SECONDS];

/// Measures a gateway.
#[derive(Clone)]
pub struct GatewayMetrics {
    webhooks: Counters,
    webhook_seconds: Histograms,
    requests: Counters,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for GatewayMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GatewayMetrics")
    }
}

impl GatewayMetrics {
    /// Exported by `metrics`. Once in a process.
    pub fn new(metrics: &Metrics, clock: Arc<dyn Clock>) -> Self {
        let all = Self {
            webhooks: WEBHOOKS.counters(),
            webhook_seconds: WEBHOOK_SECONDS.histograms(),
            requests: REQUESTS.counters(),
            clock,
        };
        metrics.register(&all.webhooks);
        metrics.register(&all.requests);
        metrics.register(&all.webhook_seconds);
        all
    }

    /// The same routes, measured.
    pub fn around(self, router: Router) -> Router {
        router.layer(middleware::from_fn(move |request, next| measure(self.clone(), request, next)))
    }

    fn webhook(&self, path: &str, post: bool, status: u16, seconds: f64) {
        if !post {
            // A provider asks whether this is the right place.
            return;
        }
        let place = channel_of(path);
        let result = match status {
            200..=299 => WebhookResult::Accepted,
            401 | 403 => WebhookResult::Unsigned,
            413 => WebhookResult::TooLarge,
            500.. => WebhookResult::NotStored,
            _ => WebhookResult::Refused,
        };
        self.webhooks.at([place, result as usize]).inc();
        if result == WebhookResult::Accepted {
            self.webhook_seconds.at([place]).observe(seconds);
        }
    }

    fn request(&self, status: u16) {
        let result = match status {
            401 => ApiResult::Unauthorised,
            400..=499 => ApiResult::Refused,
            500.. => ApiResult::Failed,
            _ => ApiResult::Answered,
        };
        self.requests.at([result as usize]).inc();
    }
}

async fn measure(metrics: GatewayMetrics, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let Some(route) = route else { return next.run(request).await };
    let path = request.uri().path().to_owned();
    let post = request.method() == axum::http::Method::POST;
    let start = metrics.clock.monotonic();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    if route.starts_with("/webhooks/") {
        let seconds = metrics.clock.monotonic().saturating_sub(start).as_secs_f64();
        metrics.webhook(&path, post, status, seconds);
    } else if route.starts_with("/v1/") {
        metrics.request(status);
    }
    response
}

/// The place of the channel that a webhook's path names; that of `unknown` for anything else.
fn channel_of(path: &str) -> usize {
    let word = path.strip_prefix("/webhooks/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let unknown = CHANNEL.values.len() - 1;
    CHANNEL.values.iter().position(|channel| *channel == word).unwrap_or(unknown)
}
