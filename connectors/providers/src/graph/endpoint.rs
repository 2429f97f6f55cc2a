//! `POST {host}/{version}/{page}/messages`.

use crate::config::{GRAPH_URL, PageConfig};
use crate::plan::PlanError;
use http::Uri;
use sluice_core::PageId;
use sluice_runtime::ports::caller::{AnswerRules, Endpoint};
use std::sync::Arc;

/// The endpoint that sends a page's messages. The token travels as a header, never in the URL.
pub(crate) fn endpoint(
    page: &PageId,
    config: &PageConfig,
    answers: Arc<dyn AnswerRules>,
) -> Result<Arc<Endpoint>, PlanError> {
    let problem = |problem: &str| PlanError::Page { page: page.clone(), problem: problem.to_owned() };
    if !is_segment(page.as_str()) {
        return Err(problem("a page of the Graph API consists of letters, digits, `_`, `-` and `.`"));
    }
    if !is_segment(&config.version) {
        return Err(problem("version: expected a Graph API version such as v26.0"));
    }
    if config.token.is_empty() {
        return Err(problem("no token is configured"));
    }
    let base = config.url.as_deref().unwrap_or(GRAPH_URL).trim_end_matches('/');
    check_url(base).map_err(problem)?;
    if base.contains('?') {
        return Err(problem("url: a base URL has no query"));
    }
    let mut headers = vec![
        ("authorization".to_owned(), format!("Bearer {}", config.token.expose())),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    for (name, value) in &config.headers {
        headers.push((name.to_ascii_lowercase(), value.expose().to_owned()));
    }
    check_headers(&headers).map_err(|text| problem(&text))?;
    Ok(Arc::new(Endpoint {
        page: page.clone(),
        method: "POST".to_owned(),
        url: format!("{base}/{}/{page}/messages", config.version),
        headers,
        answers,
        timeout_ms: config.timeout_ms,
    }))
}

fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// Whether a URL can be called: absolute, http or https, without credentials inside.
pub(crate) fn check_url(url: &str) -> Result<(), &'static str> {
    let Ok(uri) = url.parse::<Uri>() else { return Err("url: not a URL") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("url: expected http:// or https://");
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("url: credentials belong into token or headers, not into the URL")
        }
        Some(authority) if !authority.host().is_empty() => Ok(()),
        _ => Err("url: no host"),
    }
}

/// Headers that Sluice writes itself, or that say how the connection is used: a second one would contradict it.
pub(crate) const CONNECTION_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether headers can be written; the problem names the header, never its value.
pub(crate) fn check_headers(headers: &[(String, String)]) -> Result<(), String> {
    for (name, value) in headers {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            return Err(format!("header {name:?}: not a header name"));
        }
        if CONNECTION_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(format!("header {name}: Sluice writes what the connection needs, leave it out"));
        }
        if http::HeaderValue::try_from(value.as_str()).is_err() {
            return Err(format!("header {name}: its value holds a line break or another control character"));
        }
    }
    Ok(())
}
