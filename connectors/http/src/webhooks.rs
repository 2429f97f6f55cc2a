//! Webhooks: checked, stored raw, answered. Parsing comes after, from the log.

use crate::error::ApiError;
use crate::gateway::{Gateway, whole};
use crate::webhooks_refused::{Refusals, Say};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use sluice_core::partition::partition_of;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Channel, WebhookReceived};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// When a provider should send again what could not be stored.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// A provider waits for its answer so long at most; what the log has not stored by then comes again.
const STORED_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a page's name at most.
const PAGE_BYTES_MAX: usize = 128;

/// What webhooks are taken with.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    room: Room,
    refused: Arc<Refusals>,
}

impl Intake {
    /// `bytes`: that may be on their way to the log.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { room: Room::new(bytes), refused: Arc::default() }
    }
}

/// Bytes that may be on their way to the log. What is taken has its room until the log has answered, also when nobody
/// waits for the answer any more: while the log is away, providers that send again would fill the memory.
#[derive(Debug, Clone)]
struct Room(Arc<Semaphore>);

impl Room {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }
}

#[derive(Deserialize)]
pub(crate) struct Verification {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// A provider asks whether this is the right place: the challenge is the answer.
pub(crate) async fn verify(
    State(gateway): State<Gateway>,
    Path(channel): Path<String>,
    Query(asked): Query<Verification>,
) -> Result<String, ApiError> {
    let channel = channel_of(&channel)?;
    let Some(token) = gateway.options.channels.get(&channel).and_then(|keys| keys.verify_token.as_ref())
    else {
        return Err(ApiError::new(
            403,
            "no_verify_token",
            format!("{channel} has no verify token configured"),
        )
        .actionable("configure the verify token that was entered at the provider"));
    };
    if asked.mode != "subscribe" || !token.is(&asked.token) {
        return Err(ApiError::new(403, "wrong_verify_token", "the verification is not ours")
            .actionable("enter the configured verify token at the provider"));
    }
    Ok(asked.challenge)
}

/// A webhook of a channel whose bodies name their pages.
pub(crate) async fn receive(
    State(gateway): State<Gateway>,
    Extension(intake): Extension<Intake>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), ApiError> {
    let channel = channel_of(&channel)?;
    if channel == Channel::Http {
        return Err(ApiError::new(404, "no_page", "a webhook of http names its page in the path")
            .actionable("post to /webhooks/http/<page>"));
    }
    store(&gateway, &intake, channel, None, &headers, whole(body)?).await
}

/// A webhook of the generic channel.
pub(crate) async fn receive_page(
    State(gateway): State<Gateway>,
    Extension(intake): Extension<Intake>,
    Path(page): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), ApiError> {
    if page.is_empty() || page.len() > PAGE_BYTES_MAX {
        return Err(ApiError::new(404, "no_page", "the path holds no name of a page"));
    }
    store(&gateway, &intake, Channel::Http, Some(page), &headers, whole(body)?).await
}

fn channel_of(word: &str) -> Result<Channel, ApiError> {
    [Channel::Whatsapp, Channel::Messenger, Channel::Instagram, Channel::Http]
        .into_iter()
        .find(|channel| channel.as_str() == word)
        .ok_or_else(|| ApiError::new(404, "no_such_channel", "there are no webhooks of this channel"))
}

async fn store(
    gateway: &Gateway,
    intake: &Intake,
    channel: Channel,
    page: Option<String>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<(), ApiError> {
    check(gateway, &intake.refused, channel, headers, &body)?;
    let key = page.clone().unwrap_or_else(|| channel.as_str().to_owned());
    let partition = Partition(partition_of(key.as_bytes(), gateway.log.partitions(Topic::WebhooksRaw)));
    let received_at_ms = gateway.clock.wall_ms();
    let record = WebhookReceived { channel, page, received_at_ms, body: Vec::from(body) };
    let value = Bytes::from(sluice_schemas::encode(&record));
    let record = NewRecord { key: Bytes::from(key.into_bytes()), value };
    let bytes = u32::try_from(record.value.len()).unwrap_or(u32::MAX);
    let Ok(taken) = intake.room.0.clone().try_acquire_many_owned(bytes) else {
        let waits = gateway.log.trouble().unwrap_or_else(|| "too many wait to be stored".to_owned());
        return Err(not_stored(channel, waits));
    };
    let ticket = gateway.log.append(Topic::WebhooksRaw, partition, vec![record]);
    let stored = tokio::spawn(async move {
        let stored = ticket.await.map(drop);
        drop(taken);
        stored
    });
    match tokio::time::timeout(STORED_WITHIN, stored).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(not_stored(channel, error.to_string())),
        Ok(Err(ended)) => Err(not_stored(channel, ended.to_string())),
        Err(_) => {
            let waits = || format!("the log has not stored it within {} s", STORED_WITHIN.as_secs());
            Err(not_stored(channel, gateway.log.trouble().unwrap_or_else(waits)))
        }
    }
}

fn not_stored(channel: Channel, reason: String) -> ApiError {
    tracing::error!(%channel, reason, "a webhook could not be stored");
    ApiError::new(503, "not_stored", "the webhook could not be stored")
        .details(vec![reason])
        .actionable("send it again later")
        .retry_after(RETRY_AFTER)
}

/// The signature over the raw bytes, before anything looks into them.
fn check(
    gateway: &Gateway,
    refused: &Refusals,
    channel: Channel,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), ApiError> {
    let key = gateway.options.channels.get(&channel).and_then(|keys| keys.signing.as_ref());
    let Some(key) = key else {
        if gateway.options.allow_unsigned {
            return Ok(());
        }
        match refused.refuse(channel, gateway.clock.monotonic()) {
            Say::Nothing => {}
            Say::Why => tracing::warn!(
                "webhooks of {channel} are refused: the channel has no app secret configured; set \
                 channels.{channel}.app_secret, or gateway.allow_unsigned where nobody else can reach this port"
            ),
            Say::Count(count) => tracing::warn!(
                "{count} more webhooks of {channel} were refused: channels.{channel}.app_secret is not set, nor is \
                 gateway.allow_unsigned"
            ),
        }
        let to_do = format!(
            "configure the app secret (channels.{channel}.app_secret), or allow unsigned webhooks \
             (gateway.allow_unsigned) where nobody else can reach this port"
        );
        return Err(ApiError::new(403, "no_app_secret", format!("{channel} has no app secret configured"))
            .actionable(to_do));
    };
    let signature = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok());
    match signature {
        Some(signature) if key.verifies(signature, body) => Ok(()),
        Some(_) => Err(ApiError::new(401, "wrong_signature", "the signature is not that of this body")
            .actionable(
                "compare the configured app secret with the provider's; nothing may rewrite the body",
            )),
        None => Err(ApiError::new(401, "no_signature", "the header X-Hub-Signature-256 is missing")),
    }
}
