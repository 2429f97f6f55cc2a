//! The API of a running service, asked by commands.

use crate::error::{Exit, Failure, Outcome};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use sluice_providers::Secret;
use std::time::Duration;

/// An answer has to be there by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// What helps where the service wants another token.
const TOKEN_TO_DO: &str =
    "set SLUICE_GATEWAY_TOKEN, or gateway.control_token in sluice.toml, to the token of the service";

/// What a name may have in a URL as it is (RFC 3986, 2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as a segment of a path or a value of a query: a page may be called `+49 30/1`.
pub(super) fn escaped(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, PLAIN)
}

/// A service.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    base: String,
    token: Secret,
}

/// An error as the API answers it.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: String,
    message: String,
    #[serde(default)]
    details: Vec<String>,
    actionable: Option<String>,
}

impl Remote {
    /// The service at a base URL.
    pub(super) fn new(base: &str, token: Secret) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), token }
    }

    pub(super) async fn get(&self, path: &str) -> Outcome<Value> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Outcome<Value> {
        self.ask(Method::POST, path, Bytes::from(body)).await
    }

    /// Whether a service is there.
    pub(super) async fn answers(&self) -> bool {
        self.get("/healthz").await.is_ok()
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Outcome<Value> {
        let url = format!("{}{path}", self.base);
        let mut request =
            Request::builder().method(method).uri(&url).header(header::CONTENT_TYPE, "application/json");
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose()));
        }
        let request = request.body(Full::new(body)).map_err(|error| {
            Failure::usage(
                "server",
                format!("{} is not the URL of a service", self.base),
                "write for example --server http://127.0.0.1:7400",
            )
            .with(error.to_string())
        })?;
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let exchange = async {
            let response = client.request(request).await.map_err(|error| self.unreachable(&cause(&error)))?;
            let status = response.status();
            let body =
                response.into_body().collect().await.map_err(|error| self.unreachable(&error.to_string()))?;
            Ok::<_, Failure>((status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(self.unreachable("no answer within 30 s")))?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| self.unreachable(&format!("its answer is not JSON: {error}")));
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => {
                let exit = if status.as_u16() == 503 { Exit::TryAgain } else { Exit::Refused };
                let to_do = match status.as_u16() {
                    // The API speaks of a header; here it is a setting.
                    401 => TOKEN_TO_DO.to_owned(),
                    _ => refusal.actionable.unwrap_or_default(),
                };
                let mut failure = Failure::new(exit, &refusal.code, refusal.message, to_do);
                failure.details = refusal.details;
                failure
            }
            Err(_) => self.unreachable(&format!("it answers {status}")),
        })
    }

    fn unreachable(&self, reason: &str) -> Failure {
        Failure::new(
            Exit::TryAgain,
            "service_unreachable",
            format!("the service at {} cannot be asked", self.base),
            "start it with `sluice run`, or name another one with --server URL",
        )
        .with(reason)
    }
}

/// The innermost reason: the outer ones only say that something failed.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
