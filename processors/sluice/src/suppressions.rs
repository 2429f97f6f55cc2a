//! People who want no messages: put on a tenant's list, and looked up there.

use crate::error::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use sluice_core::address::normalise;
use sluice_runtime::ports::store::Store;
use sluice_schemas::Channel;

/// Addresses of one question or command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Whose list.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Where they are addresses.
    pub channel: Channel,
    /// As in an audience: they are normalised.
    pub addresses: Vec<String>,
    /// Why, for people; of a command.
    #[serde(default = "by_hand")]
    pub reason: String,
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn by_hand() -> String {
    "by hand".to_owned()
}

/// How many are on the list now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// Those that were named.
    pub suppressed: u64,
}

/// Which of them are on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// In the order of the question.
    pub addresses: Vec<CheckedAddress>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedAddress {
    /// Normalised.
    pub address: String,
    /// Whether it is on the list.
    pub suppressed: bool,
}

/// Puts them on the list: from now on nobody calls them.
///
/// # Errors
/// What is no address, by name; then nothing was changed. The store.
pub async fn add(store: &dyn Store, asked: &Asked) -> Outcome<Suppressed> {
    let addresses = normalised(asked.channel, &asked.addresses)?;
    let suppressed = addresses.len() as u64;
    let rows = addresses.into_iter().map(|address| (address, asked.reason.clone())).collect();
    store.suppress(&asked.tenant, asked.channel, rows).await?;
    Ok(Suppressed { suppressed })
}

/// Looks them up.
///
/// # Errors
/// What is no address, by name. The store.
pub async fn check(store: &dyn Store, asked: &Asked) -> Outcome<Checked> {
    let addresses = normalised(asked.channel, &asked.addresses)?;
    let named: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let suppressed = store.suppressed(&asked.tenant, asked.channel, &named).await?;
    let pairs = addresses.into_iter().zip(suppressed);
    Ok(Checked {
        addresses: pairs.map(|(address, suppressed)| CheckedAddress { address, suppressed }).collect(),
    })
}

/// The addresses as they are stored.
///
/// # Errors
/// What is no address of the channel, by name.
pub fn normalised(channel: Channel, addresses: &[String]) -> Outcome<Vec<String>> {
    let mut wrong = Failure::usage(
        "invalid_address",
        "some of these are no addresses",
        "correct them; nothing was changed",
    );
    let mut normal = Vec::with_capacity(addresses.len());
    for raw in addresses {
        match normalise(channel, raw) {
            Ok(address) => normal.push(address.into_owned()),
            Err(error) => wrong = wrong.with(format!("{raw}: {}", error.detail())),
        }
    }
    if wrong.details.is_empty() { Ok(normal) } else { Err(wrong) }
}
