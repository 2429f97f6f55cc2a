//! An endpoint in the form that requests are made of, parsed once.

use super::origin::Origin;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use rustls::pki_types::ServerName;
use sluice_runtime::ports::caller::Endpoint;
use std::rc::Rc;
use std::sync::Arc;

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("sluice/", env!("CARGO_PKG_VERSION")));
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
    pub(super) method: Method,
    /// Path and query, the form a request line has.
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
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
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            authority: Authority { host, port, tls_name },
            method: Method::from_bytes(endpoint.method.as_bytes())
                .map_err(|_| "the method can't be written".to_owned())?,
            target: target.parse().map_err(|_| "the url's path can't be written".to_owned())?,
            headers,
        })
    }
}
