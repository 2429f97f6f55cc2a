//! Generic HTTP messages: any JSON, or any body, on any path under `/http/` and on `/`.

use std::sync::Arc;

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::call::Call;
use crate::channel::Channel;
use crate::config::{ScopeBy, SimulatorConfig};
use crate::scalar::Scalar;

/// The page of calls on `/`.
const DEFAULT_PAGE: &str = "default";

/// Where a recipient's address may stand, in order of preference.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Probe<'a> {
    #[serde(borrow)]
    to: Scalar<'a>,
    #[serde(borrow)]
    address: Scalar<'a>,
    #[serde(borrow)]
    phone: Scalar<'a>,
    #[serde(borrow)]
    recipient: Scalar<'a>,
    #[serde(borrow)]
    email: Scalar<'a>,
    #[serde(borrow)]
    psid: Scalar<'a>,
    #[serde(borrow)]
    user_id: Scalar<'a>,
    #[serde(borrow)]
    id: Scalar<'a>,
}

/// The page of a path: the first segment after `/http/`; None: not a generic path.
pub(crate) fn page_of(path: &str) -> Option<&str> {
    if path == "/" {
        return Some(DEFAULT_PAGE);
    }
    let page = path.strip_prefix("/http/")?.split('/').next().unwrap_or("");
    Some(if page.is_empty() { DEFAULT_PAGE } else { page })
}

/// Every body is valid. `idempotency_key` is the header of that name.
pub(crate) fn read(
    config: &SimulatorConfig,
    path: &str,
    page: &str,
    idempotency_key: Option<&str>,
    body: &[u8],
) -> Call {
    let to: Arc<str> = Arc::from(recipient(body).as_str());
    let scope = match config.scope {
        ScopeBy::Off => None,
        ScopeBy::Message => Some(path),
        ScopeBy::TagPrefix => idempotency_key.map(tag_prefix),
    };
    Call {
        channel: Channel::Http,
        page: Arc::from(page),
        input: Arc::clone(&to),
        to,
        tag: idempotency_key.map(Arc::from),
        scope: scope.map(Arc::from),
        refusal: None,
    }
}

/// The address in the body; without one, a hash of the whole body: the same body twice is a double.
pub(crate) fn recipient(body: &[u8]) -> String {
    // Serde would take an array for the members in order.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let probe: Probe<'_> =
        if is_object { serde_json::from_slice(body).unwrap_or_default() } else { Probe::default() };
    let places = [
        &probe.to,
        &probe.address,
        &probe.phone,
        &probe.recipient,
        &probe.email,
        &probe.psid,
        &probe.user_id,
        &probe.id,
    ];
    match places.into_iter().find_map(Scalar::text) {
        Some(address) => address.to_owned(),
        None => format!("body-{:032x}", xxh3_128(body)),
    }
}

/// A tag up to its first colon.
pub(crate) fn tag_prefix(tag: &str) -> &str {
    tag.split(':').next().unwrap_or(tag)
}
