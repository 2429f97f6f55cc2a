//! What is stored about campaigns, as people ask for it. Memory is bounded by one chunk.
//!
//! - [`commanded`]: what became of a command.
//! - [`stored`]: what the store has of a campaign, read once; [`status`]: state, counters, what its pages do.
//! - [`gates`]: its rules and whom each holds; [`rates`]: what of its own rates is used; [`held`]: what holds all of it, in
//!   a sentence.
//! - [`finish`]: when it will have ended; [`explain`]: everything that it could wait for.
//! - [`preview`]: when a launch would start and end.
//! - [`people`]: recipients with times, errors and the provider's ids.
//! - [`failures`]: failed recipients by reason.
//! - [`rejected`]: rows that get no message, as a file.

pub mod commanded;
pub mod explain;
pub mod failures;
pub mod finish;
pub mod gates;
mod held;
pub mod known_chunks;
pub mod people;
pub mod preview;
pub mod quotas;
mod rates;
pub mod rejected;
pub mod status;
pub mod stored;

use crate::error::{Failure, Outcome};
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::store::Store;

/// The campaign of this name; a name that is nobody's is a failure that lists some that are there.
pub async fn find(store: &dyn Store, tenant: &str, name: &str) -> Outcome<CampaignRow> {
    if let Some(row) = store.campaign(CampaignId::of(tenant, name)).await? {
        return Ok(row);
    }
    let rows = store.campaigns().await?;
    let names: Vec<&str> = rows
        .iter()
        .filter(|row| row.launch.tenant == tenant)
        .map(|row| row.launch.campaign.as_str())
        .collect();
    let to_do = match sluice_core::launch::nearest(name, names.iter().copied()) {
        Some(near) => format!("perhaps {near} is meant"),
        None if names.is_empty() => "launch it first, or name another directory with --data-dir".to_owned(),
        None => format!("there are: {}", names.iter().rev().take(10).copied().collect::<Vec<_>>().join(", ")),
    };
    Err(Failure::refused("no_such_campaign", format!("there is no campaign {name}"), to_do))
}
