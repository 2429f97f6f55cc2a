//! What WhatsApp, Messenger and Instagram share: the Graph API's endpoint, error envelope and throttle headers.

mod endpoint;
mod envelope;
mod quota;
mod usage;

pub(crate) use endpoint::{CONNECTION_HEADERS, check_headers, check_url, endpoint};
pub(crate) use envelope::{Accepted, classify};
pub(crate) use quota::used_percent;
pub(crate) use usage::retry_after;
