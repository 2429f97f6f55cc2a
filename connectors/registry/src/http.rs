//! One request to the registry, one answer.

use crate::answer::{self, Refusal};
use crate::error::RegistryError;
use crate::options::{RegistryOptions, base_url};
use crate::tls::client_config;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_runtime::Secret;
use std::error::Error;

/// What Confluent's API asks for; every compatible one takes it.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A longer answer is none of a registry: the largest schemas have some hundred KiB.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// The registry's REST API.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    base: Url,
    credentials: Option<(String, Secret)>,
}

impl Http {
    pub(crate) fn new(options: &RegistryOptions) -> Result<Self, RegistryError> {
        options.validate().map_err(RegistryError::Options)?;
        let base =
            base_url(&options.url).map_err(|problem| RegistryError::Options(format!("url {problem}")))?;
        let client = Client::builder()
            .tls_backend_preconfigured(client_config(&options.ca_file).map_err(RegistryError::Options)?)
            .timeout(options.timeout())
            // A redirect would carry credentials elsewhere; retries are ours.
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .user_agent("sluice")
            .build()
            .map_err(|error| RegistryError::Options(format!("url can't be used: {}", chain(&error))))?;
        let credentials =
            (!options.username.is_empty()).then(|| (options.username.clone(), options.password.clone()));
        Ok(Self { client, base, credentials })
    }

    /// The base URL, for messages.
    pub(crate) fn base(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Refusal> {
        self.ask(self.client.get(self.url(path))).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let request = self.client.post(self.url(path)).json(body);
        self.ask(request.header(reqwest::header::CONTENT_TYPE, CONTENT_TYPE)).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only URLs without a host have no path, and those are refused before.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let request = match &self.credentials {
            Some((username, password)) => request.basic_auth(username, Some(password.expose())),
            None => request,
        };
        let away = |error: reqwest::Error| Refusal::Away(chain(&error.without_url()));
        let mut response =
            request.header(reqwest::header::ACCEPT, CONTENT_TYPE).send().await.map_err(away)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(away)? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Refusal::NotARegistry(format!("HTTP {status} with more than 8 MiB")));
            }
            body.extend_from_slice(&part);
        }
        answer::read(status, &body)
    }
}

/// An error with its causes: the outermost one alone says only that sending failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
