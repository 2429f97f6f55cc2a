//! An object of S3, Google Cloud Storage or Azure, or of a store that speaks S3's protocol.
//!
//! Credentials come from the process: its environment, its machine's role, its configuration. The crate `object_store`
//! signs and finds them; the requests go through a client of ours.

use super::{Failure, Object, Stat, answer_of, client, version};
use crate::options::AudienceOptions;
use crate::unavailable::RemoteProblem;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use reqwest::Url;
use sluice_core::launch::ObjectStoreKind;
use sluice_runtime::Secret;
use std::collections::BTreeMap;
use std::str::FromStr;

pub(super) struct CloudObject {
    store: Box<dyn ObjectStore>,
    path: Path,
}

/// One try: waiting between tries is ours.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn unusable(error: &object_store::Error) -> RemoteProblem {
    RemoteProblem::Settings { problem: client::cause(error) }
}

/// The settings of the configuration by the store's names.
fn settings<K: FromStr>(settings: &BTreeMap<String, Secret>) -> Result<Vec<(K, &str)>, RemoteProblem> {
    let parsed = settings.iter().map(|(key, value)| match key.parse() {
        Ok(parsed) => Ok((parsed, value.expose())),
        Err(_) => Err(RemoteProblem::Settings { problem: format!("`{key}` is not a setting of this store") }),
    });
    parsed.collect()
}

impl CloudObject {
    pub(super) fn new(
        kind: ObjectStoreKind,
        bucket: &str,
        key: &str,
        options: &AudienceOptions,
    ) -> Result<Self, RemoteProblem> {
        let whole = format!("{}://{bucket}", kind.scheme());
        if !options.allow_buckets.is_empty() && !options.allow_buckets.contains(&whole) {
            return Err(RemoteProblem::BucketNotAllowed { bucket: whole });
        }
        let path = Path::parse(key)
            .map_err(|_| RemoteProblem::Refused { answer: "its key is none of an object".to_owned() })?;
        let connector = Connector { options: options.clone() };
        let store: Result<Box<dyn ObjectStore>, object_store::Error> = match kind {
            ObjectStoreKind::S3 => {
                let mut builder = AmazonS3Builder::from_env();
                for (key, value) in settings(&options.s3)? {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_bucket_name(bucket).with_retry(once());
                builder.with_http_connector(connector).build().map(|store| Box::new(store) as _)
            }
            ObjectStoreKind::Google => {
                let mut builder = GoogleCloudStorageBuilder::from_env();
                for (key, value) in settings(&options.google)? {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_bucket_name(bucket).with_retry(once());
                builder.with_http_connector(connector).build().map(|store| Box::new(store) as _)
            }
            ObjectStoreKind::Azure => {
                let mut builder = MicrosoftAzureBuilder::from_env();
                for (key, value) in settings(&options.azure)? {
                    builder = builder.with_config(key, value);
                }
                let builder = builder.with_container_name(bucket).with_retry(once());
                builder.with_http_connector(connector).build().map(|store| Box::new(store) as _)
            }
        };
        Ok(CloudObject { store: store.map_err(|error| unusable(&error))?, path })
    }
}

/// What an error of the store means.
fn failure(error: &object_store::Error) -> Failure {
    use object_store::Error as E;
    let said = error_text(error);
    let answer = answer_of(&said);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match error {
        // The store itself does not say whether a missing bucket or a missing object is meant.
        E::NotFound { .. } => RemoteProblem::NotFound.into(),
        E::Precondition { .. } => Failure::Changed,
        _ if has(&["incorrectly configured region", "PermanentRedirect", "AuthorizationHeaderMalformed"]) => {
            let answer = if answer.contains("region") { "a redirect".to_owned() } else { answer };
            RemoteProblem::Region { answer }.into()
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => RemoteProblem::Forbidden { answer }.into(),
        _ if has(&["status code: 416", "InvalidRange"]) => Failure::Changed,
        // Where nothing else is configured, credentials are asked of the machine: it has none.
        _ if has(&["169.254.169.254", "169.254.170.2", "metadata.google.internal"]) => {
            RemoteProblem::NoCredentials.into()
        }
        _ if has(&["status code: 408", "status code: 429"]) => Failure::Passing(answer),
        _ if has(&["status code: 4"]) => RemoteProblem::Refused { answer }.into(),
        E::NotSupported { .. } | E::NotImplemented { .. } | E::InvalidPath { .. } => {
            RemoteProblem::Refused { answer }.into()
        }
        _ => Failure::Passing(client::cause(error)),
    }
}

/// All that an error and its sources say: only for looking at, it repeats URLs and bodies.
fn error_text(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push('\n');
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn stat_of(meta: &object_store::ObjectMeta) -> Result<Stat, Failure> {
    let tag = meta.e_tag.as_deref().and_then(|tag| version("etag", tag));
    let version = tag.ok_or(RemoteProblem::NoVersion)?;
    Ok(Stat { bytes: meta.size, version })
}

#[async_trait]
impl Object for CloudObject {
    async fn stat(&self) -> Result<Stat, Failure> {
        let meta = self.store.head(&self.path).await.map_err(|error| failure(&error))?;
        stat_of(&meta)
    }

    async fn range(&self, from: u64, to: u64, stat: &Stat) -> Result<Bytes, Failure> {
        let tag = stat.version.strip_prefix("etag:").filter(|tag| !tag.starts_with("W/"));
        let options = GetOptions {
            if_match: tag.map(str::to_owned),
            range: Some(GetRange::Bounded(from..to)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.path, options).await.map_err(|error| failure(&error))?;
        // Compatible stores may not know If-Match.
        if stat_of(&found.meta)? != *stat {
            return Err(Failure::Changed);
        }
        if found.range != (from..to) {
            return Err(Failure::Passing("the store gives another part than the one asked for".to_owned()));
        }
        found.bytes().await.map_err(|error| failure(&error))
    }
}

/// Gives `object_store` the clients of this crate.
#[derive(Debug)]
struct Connector {
    options: AudienceOptions,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let client = client::trusted(&self.options, plain)
            .map_err(|problem| object_store::Error::Generic { store: "HTTP", source: Box::new(problem) })?;
        Ok(HttpClient::new(Service(client)))
    }
}

#[derive(Debug)]
struct Service(reqwest::Client);

fn network(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        error if error.is_timeout() => HttpErrorKind::Timeout,
        error if error.is_connect() => HttpErrorKind::Connect,
        _ => HttpErrorKind::Request,
    };
    HttpError::new(kind, error.without_url())
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.collect().await?.to_bytes().into());
        let response: http::Response<reqwest::Body> = self.0.execute(request).await.map_err(network)?.into();
        let (parts, body) = response.into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(network))))
    }
}
