//! A request of a launch's own shape: method, headers and JSON body.
//!
//! The echo tag goes along as `Idempotency-Key`: the same for everything that may repeat one attempt.

use super::response::HttpAnswers;
use crate::config::PageConfig;
use crate::graph::{CONNECTION_HEADERS, check_headers, check_url};
use crate::plan::{PlanError, RenderError};
use crate::tag::{TAG_BYTES_MAX, push_tag};
use crate::variables::lookup;
use bytes::Bytes;
use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_core::template::Template;
use sluice_runtime::ports::caller::{CallRequest, Endpoint};
use sluice_schemas::{HttpMessage, SendRequest, StringMap};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Headers that are the page's, beside [`CONNECTION_HEADERS`].
const PAGE_HEADERS: [&str; 2] = ["host", "proxy-authorization"];

/// Room for a recipient's values, before the first one is written: enough for most.
const VARIABLES_BYTES: usize = 96;

/// A compiled request.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// With all headers that are the same for everybody.
    endpoint: Arc<Endpoint>,
    /// Headers that differ by recipient: each such request carries an endpoint of its own.
    own_headers: Vec<(String, Template)>,
    body: Template,
}

pub(crate) fn compile(
    message: &HttpMessage,
    campaign: &StringMap,
    page: &PageId,
    config: &PageConfig,
) -> Result<Compiled, PlanError> {
    let problem = |part: &str, problem: String| PlanError::Message { part: format!("http.{part}"), problem };
    let page_problem = |problem: String| PlanError::Page { page: page.clone(), problem };
    let url = config.url.clone().ok_or_else(|| page_problem("no url is configured".to_owned()))?;
    check_url(&url).map_err(|text| page_problem(text.to_owned()))?;
    let method = message.method.as_str();
    if !matches!(method, "POST" | "PUT" | "PATCH") {
        return Err(problem("method", format!("expected POST, PUT or PATCH instead of {method:?}")));
    }
    if let Some(pointer) = message.message_id.as_deref().filter(|pointer| !pointer.starts_with('/')) {
        return Err(problem("message_id", format!("{pointer:?} is not a JSON pointer; write it as /id")));
    }
    let body = Template::json(&message.body)
        .map_err(|source| PlanError::Template { part: "http.body".to_owned(), source })?;

    let mut fixed = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    let mut own_headers = Vec::new();
    for (name, value) in &message.headers {
        let part = format!("headers.{name}");
        let name = name.to_ascii_lowercase();
        if CONNECTION_HEADERS.contains(&name.as_str()) || PAGE_HEADERS.contains(&name.as_str()) {
            return Err(problem(&part, "this header can't be set by a launch".to_owned()));
        }
        let template = Template::text(value)
            .map_err(|source| PlanError::Template { part: format!("http.{part}"), source })?;
        if template.is_static() {
            fixed.insert(name, value.clone());
        } else {
            fixed.remove(&name);
            own_headers.push((name, template));
        }
    }
    let mut configured: Vec<_> = config
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.expose().to_owned()))
        .collect();
    if !config.token.is_empty() {
        configured.push(("authorization".to_owned(), format!("Bearer {}", config.token.expose())));
    }
    check_headers(&configured).map_err(page_problem)?;
    for (name, value) in configured {
        own_headers.retain(|(own, _)| *own != name);
        fixed.insert(name, value);
    }
    let headers: Vec<_> = fixed.into_iter().collect();
    check_headers(&headers).map_err(|text| problem("headers", text))?;
    let names: Vec<_> = own_headers.iter().map(|(name, _)| (name.clone(), String::new())).collect();
    check_headers(&names).map_err(|text| problem("headers", text))?;
    // A campaign's value that no header can hold would fail everybody whose row has none of its own.
    for (name, template) in &own_headers {
        for variable in template.variables() {
            if campaign.get(variable).is_some_and(|value| value.chars().any(char::is_control)) {
                return Err(problem(
                    "headers",
                    format!("header {name}: variable {variable} holds a control character"),
                ));
            }
        }
    }
    let endpoint = Arc::new(Endpoint {
        page: page.clone(),
        method: method.to_owned(),
        url,
        headers,
        answers: Arc::new(HttpAnswers::new(message.message_id.as_deref())),
        timeout_ms: config.timeout_ms,
    });
    Ok(Compiled { endpoint, own_headers, body })
}

impl Compiled {
    pub(crate) fn render(
        &self,
        send: &SendRequest,
        campaign: &StringMap,
        tag: EchoTag,
    ) -> Result<CallRequest, RenderError> {
        // Body and tag in one piece of memory: a send costs the allocator little.
        let mut both = Vec::with_capacity(TAG_BYTES_MAX + self.body.literal_bytes() + VARIABLES_BYTES);
        self.body.render(|name| lookup(send, campaign, name), &mut both)?;
        let body_bytes = both.len();
        push_tag(tag, &mut both);
        let endpoint = if self.own_headers.is_empty() {
            Arc::clone(&self.endpoint)
        } else {
            self.own_endpoint(send, campaign)?
        };
        let mut body = Bytes::from(both);
        let tag = body.split_off(body_bytes);
        Ok(CallRequest { endpoint, body, tag: Some(tag) })
    }

    fn own_endpoint(&self, send: &SendRequest, campaign: &StringMap) -> Result<Arc<Endpoint>, RenderError> {
        let mut endpoint = Endpoint::clone(&self.endpoint);
        for (name, template) in &self.own_headers {
            let mut value = Vec::new();
            template.render(|variable| lookup(send, campaign, variable), &mut value)?;
            let invalid = || RenderError::InvalidHeader { header: name.clone() };
            if http::HeaderValue::from_bytes(&value).is_err() {
                return Err(invalid());
            }
            endpoint.headers.push((name.clone(), String::from_utf8(value).map_err(|_| invalid())?));
        }
        Ok(Arc::new(endpoint))
    }
}
