//! A file of a web server: ranged GETs on one ETag (RFC 9110, sections 13 and 14).

use super::guard::{Guard, Inner, check_literal, is_allowed};
use super::{Failure, Object, Stat, client, version};
use crate::options::AudienceOptions;
use crate::unavailable::RemoteProblem;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_MATCH, IF_UNMODIFIED_SINCE,
    LAST_MODIFIED, RANGE,
};
use reqwest::{Client, Response, StatusCode, Url};
use std::error::Error;

pub(super) struct WebObject {
    client: Client,
    url: Url,
}

impl WebObject {
    pub(super) fn new(url: &str, options: &AudienceOptions) -> Result<Self, RemoteProblem> {
        // Neither the error nor its text: the URL may hold what the server takes for a password.
        let unusable = || RemoteProblem::Refused { answer: "it is no URL".to_owned() };
        let url = Url::parse(url).map_err(|_| unusable())?;
        let host = url.host_str().ok_or_else(unusable)?;
        if url.scheme() != "https" && !options.allow_plain_http {
            return Err(RemoteProblem::PlainHttp);
        }
        if !is_allowed(host, url.port(), options) {
            return Err(RemoteProblem::HostNotAllowed { host: host.to_owned() });
        }
        check_literal(host, options)?;
        let guard = Guard { allow_private: options.allow_private_networks };
        Ok(WebObject { client: client::guarded(options, guard)?, url })
    }

    async fn get(
        &self,
        from: u64,
        to: u64,
        condition: Option<(HeaderName, &str)>,
    ) -> Result<Response, Failure> {
        let mut request = self
            .client
            .get(self.url.clone())
            .header(RANGE, format!("bytes={from}-{}", to - 1))
            // A compressed range is a range of other bytes.
            .header(ACCEPT_ENCODING, "identity");
        if let Some((name, value)) = condition {
            request = request.header(name, value);
        }
        request.send().await.map_err(|error| failed(&error))
    }
}

/// What a failed request means.
fn failed(error: &reqwest::Error) -> Failure {
    let mut inner: Option<&dyn Error> = Some(error);
    while let Some(error) = inner {
        if let Some(Inner(address)) = error.downcast_ref() {
            return RemoteProblem::PrivateAddress { address: *address }.into();
        }
        inner = error.source();
    }
    if error.is_timeout() {
        return Failure::Passing("it took too long".to_owned());
    }
    Failure::Passing(client::cause(error))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn version_of(headers: &HeaderMap) -> Option<std::sync::Arc<str>> {
    let tag = text(headers, &ETAG).and_then(|tag| version("etag", tag));
    tag.or_else(|| text(headers, &LAST_MODIFIED).and_then(|time| version("time", time)))
}

/// `bytes 0-0/1234` or `bytes */1234`: the range, where there is one, and the size.
fn content_range(headers: &HeaderMap) -> Option<(Option<(u64, u64)>, u64)> {
    let (range, size) = text(headers, &CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let size = size.parse().ok()?;
    if range == "*" {
        return Some((None, size));
    }
    let (first, last) = range.split_once('-')?;
    Some((Some((first.parse().ok()?, last.parse().ok()?)), size))
}

/// What an answer without a part of the file means.
fn refusal(status: StatusCode) -> Failure {
    let answer = status.to_string();
    match status.as_u16() {
        200 => RemoteProblem::NoRanges.into(),
        300..=399 => RemoteProblem::Redirect { status: status.as_u16() }.into(),
        401 | 403 | 407 => RemoteProblem::Forbidden { answer }.into(),
        404 | 410 => RemoteProblem::NotFound.into(),
        412 | 416 => Failure::Changed,
        408 | 425 | 429 | 500..=599 => Failure::Passing(format!("the server answers {answer}")),
        _ => RemoteProblem::Refused { answer }.into(),
    }
}

#[async_trait]
impl Object for WebObject {
    async fn stat(&self) -> Result<Stat, Failure> {
        // Not HEAD: signed URLs and many applications answer only GET, and whether ranges are given shows at once.
        let response = self.get(0, 1, None).await?;
        let headers = response.headers();
        let size = match (response.status(), content_range(headers)) {
            (StatusCode::PARTIAL_CONTENT, Some((Some(_), size))) => size,
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((None, 0))) => 0,
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                return Err(RemoteProblem::NoRanges.into());
            }
            (status, _) => return Err(refusal(status)),
        };
        let version = match version_of(headers) {
            Some(version) => version,
            // Nothing in it: there is nothing to tell apart.
            None if size == 0 => "empty".into(),
            None => return Err(RemoteProblem::NoVersion.into()),
        };
        Ok(Stat { bytes: size, version })
    }

    async fn range(&self, from: u64, to: u64, stat: &Stat) -> Result<Bytes, Failure> {
        let condition = match stat.version.split_once(':') {
            // A weak tag never matches in If-Match: it is compared below.
            Some(("etag", tag)) if !tag.starts_with("W/") => Some((IF_MATCH, tag)),
            Some(("time", time)) => Some((IF_UNMODIFIED_SINCE, time)),
            _ => None,
        };
        let mut response = self.get(from, to, condition).await?;
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() && version_of(headers).is_some_and(|found| found != stat.version) {
            return Err(Failure::Changed);
        }
        if status != StatusCode::PARTIAL_CONTENT {
            return Err(refusal(status));
        }
        match content_range(headers) {
            Some((Some(found), size)) if found == (from, to - 1) && size == stat.bytes => {}
            Some((_, size)) if size != stat.bytes => return Err(Failure::Changed),
            _ => {
                return Err(Failure::Passing(
                    "the server gives another part than the one asked for".to_owned(),
                ));
            }
        }
        let wanted = (to - from) as usize;
        let mut bytes = BytesMut::with_capacity(wanted);
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if bytes.len() + chunk.len() > wanted {
                return Err(Failure::Passing("the server gives more bytes than it announced".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}
