//! The router, its state, and how it is served.

use crate::control::{
    Action, CampaignsQuery, Control, ErrorsQuery, EventsQuery, LettersQuery, RecipientsQuery,
};
use crate::error::ApiError;
use crate::metrics::GatewayMetrics;
use crate::nearby;
use crate::signature::{ChannelKeys, Token};
use crate::webhooks;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_runtime::ports::log::Log;
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::Channel;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Limits and secrets.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Bytes of a webhook at most. Default 3 MiB: Meta sends up to 3 MB.
    pub webhook_bytes_max: usize,
    /// Bytes of webhooks that were taken and are not stored yet, at most; further ones are answered with 503 and come
    /// again. Default 64 MiB: some seconds of a large campaign, and memory stays bounded while the log is away.
    pub webhooks_unstored_bytes_max: usize,
    /// Bytes of a launch at most. Default 16 MiB: an inline audience is part of it.
    pub launch_bytes_max: usize,
    /// Takes webhooks of channels that have no secret configured. For demos and private networks only.
    pub allow_unsigned: bool,
    /// Secrets by channel.
    pub channels: BTreeMap<Channel, ChannelKeys>,
    /// Asked for as `Authorization: Bearer` by the control API; `None` asks for nothing.
    pub control_token: Option<Token>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            webhook_bytes_max: 3 << 20,
            webhooks_unstored_bytes_max: 64 << 20,
            launch_bytes_max: 16 << 20,
            allow_unsigned: false,
            channels: BTreeMap::new(),
            control_token: None,
        }
    }
}

/// What the routes work with.
#[derive(Clone)]
pub struct Gateway {
    /// Limits and secrets.
    pub options: Arc<GatewayOptions>,
    /// Where raw webhooks go.
    pub log: Arc<dyn Log>,
    /// Tells when they came.
    pub clock: Arc<dyn Clock>,
    /// The campaigns; without it there is no control API.
    pub control: Option<Arc<dyn Control>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("options", &self.options).finish_non_exhaustive()
    }
}

/// All routes.
pub fn router(gateway: Gateway) -> Router {
    let intake = webhooks::Intake::new(gateway.options.webhooks_unstored_bytes_max);
    let webhooks = Router::new()
        .route("/webhooks/{channel}", get(webhooks::verify).post(webhooks::receive))
        .route("/webhooks/http/{page}", post(webhooks::receive_page))
        .layer(Extension(intake))
        .layer(DefaultBodyLimit::max(gateway.options.webhook_bytes_max));
    let mut routes = Router::new().route("/healthz", get(healthz)).merge(webhooks);
    if let Some(control) = gateway.control.clone() {
        let asked = gateway.options.control_token.clone();
        let is_asked = asked.is_some();
        let people = Router::new()
            .route("/v1/campaigns/{name}/recipients", get(recipients))
            .route("/v1/campaigns/{name}/errors", get(errors))
            .route("/v1/dead-letters/{partition}/{offset}", get(dead_letter))
            .route("/v1/suppressions", post(suppress))
            .route("/v1/suppressions/check", post(suppressed))
            .layer(middleware::from_fn(move |request, next| nearby::only(is_asked, request, next)));
        let control = Router::new()
            .route("/v1/campaigns", post(launch).get(list))
            .route("/v1/preview", post(preview))
            .route("/v1/campaigns/{name}", get(campaign))
            .route("/v1/campaigns/{name}/explain", get(explain))
            .route("/v1/campaigns/{name}/{action}", post(act))
            .route("/v1/pages/{page}", get(page))
            .route("/v1/pages/{page}/lift", post(lift))
            .route("/v1/queue", get(queue))
            .route("/v1/events", get(events))
            .route("/v1/dead-letters", get(dead_letters))
            .route("/v1/dead-letters/replay", post(replay))
            .merge(people)
            .layer(DefaultBodyLimit::max(gateway.options.launch_bytes_max))
            .layer(middleware::from_fn(move |request, next| authorise(asked.clone(), request, next)))
            .with_state(control);
        routes = routes.merge(control);
    }
    routes.fallback(unknown_path).with_state(gateway)
}

/// Serves until shutdown is asked for, then finishes the requests it has.
pub async fn serve(listener: TcpListener, gateway: Gateway, shutdown: Shutdown) -> std::io::Result<()> {
    serve_routes(listener, router(gateway), shutdown).await
}

/// The same, measured.
pub async fn serve_measured(
    listener: TcpListener,
    gateway: Gateway,
    metrics: GatewayMetrics,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    serve_routes(listener, metrics.around(router(gateway)), shutdown).await
}

async fn serve_routes(listener: TcpListener, routes: Router, mut shutdown: Shutdown) -> std::io::Result<()> {
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes).with_graceful_shutdown(async move { shutdown.stopping().await }).await
}

async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn unknown_path() -> ApiError {
    ApiError::new(404, "no_such_path", "there is nothing at this path")
}

async fn authorise(asked: Option<Token>, request: Request, next: Next) -> Response {
    let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    match asked {
        Some(token) if !given.is_some_and(|given| token.is(given)) => {
            let problem = match given {
                None => "the control API needs its token",
                Some(_) => "the token that was given is not the one of the control API",
            };
            ApiError::new(401, "unauthorised", problem)
                .actionable("send the configured token as `Authorization: Bearer …`")
                .into_response()
        }
        _ => next.run(request).await,
    }
}

async fn launch(
    State(control): State<Arc<dyn Control>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    control.launch(&whole(body)?).await.map(Json)
}

async fn preview(
    State(control): State<Arc<dyn Control>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    control.preview(&whole(body)?).await.map(Json)
}

async fn list(
    State(control): State<Arc<dyn Control>>,
    query: Result<Query<CampaignsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    control.list(&understood(query)?).await.map(Json)
}

#[derive(Deserialize)]
struct OfTenant {
    #[serde(default = "default_tenant")]
    tenant: String,
}

fn default_tenant() -> String {
    "default".to_owned()
}

async fn campaign(
    State(control): State<Arc<dyn Control>>,
    Path(name): Path<String>,
    Query(OfTenant { tenant }): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    control.get(&tenant, &name).await.map(Json)
}

async fn explain(
    State(control): State<Arc<dyn Control>>,
    Path(name): Path<String>,
    Query(OfTenant { tenant }): Query<OfTenant>,
) -> Result<Json<Value>, ApiError> {
    control.explain(&tenant, &name).await.map(Json)
}

async fn recipients(
    State(control): State<Arc<dyn Control>>,
    Path(name): Path<String>,
    Query(OfTenant { tenant }): Query<OfTenant>,
    query: Result<Query<RecipientsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    control.recipients(&tenant, &name, &understood(query)?).await.map(Json)
}

async fn errors(
    State(control): State<Arc<dyn Control>>,
    Path(name): Path<String>,
    Query(OfTenant { tenant }): Query<OfTenant>,
    query: Result<Query<ErrorsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    control.errors(&tenant, &name, &understood(query)?).await.map(Json)
}

async fn events(
    State(control): State<Arc<dyn Control>>,
    query: Result<Query<EventsQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    control.events(&understood(query)?).await.map(Json)
}

async fn dead_letters(
    State(control): State<Arc<dyn Control>>,
    query: Result<Query<LettersQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    control.dead_letters(&understood(query)?).await.map(Json)
}

async fn dead_letter(
    State(control): State<Arc<dyn Control>>,
    Path((partition, offset)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    control.dead_letter(&format!("{partition}/{offset}")).await.map(Json)
}

async fn replay(
    State(control): State<Arc<dyn Control>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    control.replay(&whole(body)?).await.map(Json)
}

async fn suppress(
    State(control): State<Arc<dyn Control>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    control.suppress(&whole(body)?).await.map(Json)
}

async fn suppressed(
    State(control): State<Arc<dyn Control>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    control.suppressed(&whole(body)?).await.map(Json)
}

fn understood<Q>(query: Result<Query<Q>, QueryRejection>) -> Result<Q, ApiError> {
    query.map(|Query(query)| query).map_err(|rejection| {
        ApiError::new(400, "query_invalid", "the query can't be understood")
            .details(vec![rejection.body_text()])
            .actionable("docs/cli.md has the paths and what they take")
    })
}

async fn page(
    State(control): State<Arc<dyn Control>>,
    Path(page): Path<String>,
) -> Result<Json<Value>, ApiError> {
    control.page(&page).await.map(Json)
}

async fn lift(
    State(control): State<Arc<dyn Control>>,
    Path(page): Path<String>,
) -> Result<Json<Value>, ApiError> {
    control.lift(&page).await.map(Json)
}

async fn queue(State(control): State<Arc<dyn Control>>) -> Result<Json<Value>, ApiError> {
    control.queue().await.map(Json)
}

async fn act(
    State(control): State<Arc<dyn Control>>,
    Path((name, action)): Path<(String, String)>,
    Query(OfTenant { tenant }): Query<OfTenant>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let Some(action) = Action::named(&action) else {
        let known = Action::ALL.map(Action::as_str).join(", ");
        return Err(ApiError::new(404, "no_such_action", format!("nobody can {action} a campaign"))
            .actionable(format!("known are: {known}")));
    };
    control.act(&tenant, &name, action, &whole(body)?).await.map(Json)
}

/// The body, or why it can't be taken.
pub(crate) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status().as_u16() {
        413 => ApiError::new(413, "too_large", "the body is larger than what is taken here")
            .actionable("raise the limit in the configuration, or send less"),
        _ => ApiError::new(400, "unreadable_body", "the body did not arrive whole"),
    })
}
