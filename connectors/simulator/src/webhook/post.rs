//! One webhook call: body, signature, answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::envelope;
use super::event::Event;
use super::sign::{SIGNATURE_HEADER, sign};
use crate::channel::Channel;
use crate::config::SimulatorConfig;
use crate::error::Error;

/// Meta gives up on an answer after some seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A receiver's answer is short.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const CHALLENGE: &str = "1158201444";

/// How one webhook call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    Status(u16),
    /// No connection, no answer, or none in time.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Poster {
    posts: Client<HttpConnector, Full<Bytes>>,
    gets: Client<HttpConnector, Empty<Bytes>>,
    base: String,
    app_secret: String,
    verify_token: String,
}

impl Poster {
    pub(super) fn new(config: &SimulatorConfig, url: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::WebhookTarget { url: url.to_owned(), reason };
        let base = url.trim_end_matches('/').to_owned();
        let parsed: Uri = base.parse().map_err(|error| wrong(format!("{error}")))?;
        if parsed.scheme_str() != Some("http") || parsed.host().is_none() {
            return Err(wrong("it must begin with http:// and a host".to_owned()));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = |idle| {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.pool_max_idle_per_host(idle).retry_canceled_requests(false);
            builder
        };
        Ok(Self {
            posts: client(config.webhook_concurrency.max(1)).build(connector.clone()),
            gets: client(1).build(connector),
            base,
            app_secret: config.app_secret.clone(),
            verify_token: config.verify_token.clone(),
        })
    }

    /// Posts events of one channel and page.
    pub(super) async fn post(&self, events: &[Event]) -> Posted {
        let (Some(first), Some(body)) = (events.first(), envelope::body(events)) else {
            return Posted::Nothing;
        };
        let path = match first.channel {
            Channel::Http => format!("{}/webhooks/http/{}", self.base, first.page),
            meta => format!("{}/webhooks/{meta}", self.base),
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, sign(&self.app_secret, &body))
            .body(Full::new(Bytes::from(body)));
        let Ok(request) = request else { return Posted::Nothing };
        let answered = async {
            let answer = self.posts.request(request).await.ok()?;
            let status = answer.status().as_u16();
            // Read to the end, so that the connection can be used again; the content does not matter.
            drop(Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await);
            Some(status)
        };
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Some(status)) => Posted::Status(status),
            _ => Posted::Nothing,
        }
    }

    /// The verification call: the receiver must know the token and echo the challenge.
    pub(super) async fn verify(self: &Arc<Self>, channel: Channel) -> bool {
        let token = percent_encoded(&self.verify_token);
        let uri = format!(
            "{}/webhooks/{channel}?hub.mode=subscribe&hub.challenge={CHALLENGE}&hub.verify_token={token}",
            self.base
        );
        let Ok(request) = Request::builder().uri(uri).body(Empty::new()) else { return false };
        let echoed = async {
            let answer = self.gets.request(request).await.ok().filter(|a| a.status() == 200)?;
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.ok()?;
            Some(body.to_bytes() == CHALLENGE)
        };
        matches!(tokio::time::timeout(ANSWER_WITHIN, echoed).await, Ok(Some(true)))
    }
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
