//! What `{{name}}` means for one recipient.

use sluice_schemas::{SendRequest, StringMap};

/// Finds a variable: the recipient's own value, then what the row is known by (`address`, `name`,
/// `customer_id`), then the campaign's. An empty value is none.
pub(crate) fn lookup<'v>(send: &'v SendRequest, campaign: &'v StringMap, name: &str) -> Option<&'v str> {
    let own = send.variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let known = || match name {
        "address" => Some(send.address.as_str()),
        "name" => send.name.as_deref(),
        "customer_id" => send.customer_id.as_deref(),
        _ => None,
    };
    own.or_else(|| known().filter(|value| !value.is_empty()))
        .or_else(|| campaign.get(name).map(String::as_str))
}
