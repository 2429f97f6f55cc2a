//! An endpoint in the form that requests are made of, parsed once.

use super::origin::Origin;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use rustls::pki_types::ServerName;
use sluice_runtime::ports::caller::{CallRequest, Endpoint};
use std::rc::Rc;
use std::sync::Arc;

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("sluice/", env!("CARGO_PKG_VERSION")));
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Authority {
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// `Some` for https.
    pub(super) tls_name: Option<ServerName<'static>>,
}

/// The parsed parts of an endpoint.
pub(super) struct Parts {
    pub(super) authority: Authority,
    /// The request line, and the headers that all calls have.
    head: Vec<u8>,
}

/// An endpoint ready for calls.
pub(super) struct Prepared {
    /// Kept, so that its address can stand for it.
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) parts: Parts,
    pub(super) origin: Rc<Origin>,
}

impl Parts {
    /// The text says what can't be used, without values.
    pub(super) fn parse(endpoint: &Endpoint) -> Result<Self, String> {
        let uri: Uri = endpoint.url.parse().map_err(|_| "the url is not a URL".to_owned())?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the url begins with neither http:// nor https://".to_owned()),
        };
        let authority = uri.authority().ok_or_else(|| "the url has no host".to_owned())?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls_name = match secure {
            true => {
                Some(ServerName::try_from(host.clone()).map_err(|_| "the url's host is no name".to_owned())?)
            }
            false => None,
        };
        let host_value = match authority.port() {
            Some(port) => format!("{}:{port}", authority.host()),
            None => authority.host().to_owned(),
        };
        let mut headers = HeaderMap::with_capacity(endpoint.headers.len() + 4);
        headers
            .insert(HOST, HeaderValue::try_from(host_value).map_err(|_| "the url has no host".to_owned())?);
        headers.insert(USER_AGENT, USER_AGENT_VALUE);
        headers.insert(CONTENT_TYPE, JSON);
        for (name, value) in &endpoint.headers {
            let problem = || format!("header {name:?} can't be written");
            let name = HeaderName::try_from(name.as_str()).map_err(|_| problem())?;
            let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| problem())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let method = Method::from_bytes(endpoint.method.as_bytes());
        let method = method.map_err(|_| "the method can't be written".to_owned())?;
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        // `https://host?key=1` has no path.
        let root = if target.starts_with('/') { "" } else { "/" };
        let mut head = format!("{method} {root}{target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &headers {
            line(name.as_str(), value.as_bytes(), &mut head);
        }
        Ok(Self { authority: Authority { host, port, tls_name }, head })
    }

    /// Writes the request as it goes over the wire (RFC 9112, 3).
    pub(super) fn write(&self, call: &CallRequest, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.head);
        if let Some(tag) = &call.tag {
            line(IDEMPOTENCY_KEY, tag, request);
        }
        request.extend_from_slice(b"content-length: ");
        request.extend_from_slice(call.body.len().to_string().as_bytes());
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(&call.body);
    }
}

/// Whether a tag can be the value of a header: anything else would end the line.
pub(super) fn can_be_value(tag: &[u8]) -> bool {
    tag.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A header.
fn line(name: &str, value: &[u8], head: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}
