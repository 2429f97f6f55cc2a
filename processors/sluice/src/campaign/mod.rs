//! What is stored about campaigns, as people ask for it. Memory is bounded by one chunk.
//!
//! - [`commanded`], [`launched`]: what became of a command, of a launch; [`limits`]: before and after one; [`coming`]: when
//!   it starts, comes back, ends.
//! - [`stored`]: what the store has of a campaign, read once; [`status`]: state, counters, what its pages do;
//!   [`sentence`]: the same in a sentence.
//! - [`gates`]: its rules and whom each holds; [`rates`]: what of its own rates is used; [`held`]: what holds all of it, in
//!   a sentence.
//! - [`absent`]: work that it waits for and that no process does; [`audience`]: how far its audience is read.
//! - [`unanswered`]: calls that nobody knows the answer of, and until when their webhooks are waited for.
//! - [`estimate`]: when sends will have been made, by the gate simulated forward: for [`finish`], the end of a campaign,
//!   and for [`preview`], the start and end of a launch. [`beside`]: what else there is on their pages. [`explain`]: everything that it could wait for.
//! - [`people`]: recipients with times, errors and the provider's ids; [`recipients`]: a part of them at a time, from a
//!   [`place`] on.
//! - [`failures`]: failed recipients and skipped rows by reason.
//! - [`rejected`]: rows that get no message, as a file.

mod absent;
mod audience;
pub mod beside;
pub mod coming;
pub mod commanded;
pub mod estimate;
pub mod explain;
pub mod failures;
pub mod finish;
pub mod gates;
mod held;
pub mod known_chunks;
pub mod launched;
pub mod limits;
pub mod people;
pub mod place;
pub mod preview;
pub mod quotas;
mod rates;
pub mod recipients;
pub mod rejected;
mod sentence;
pub mod status;
pub mod stored;
pub mod unanswered;

use crate::error::{Failure, Outcome};
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::store::Store;

/// The campaign of this name; a name that is nobody's is a failure that names the nearest one that is there, and says how
/// to see all.
pub async fn find(store: &dyn Store, tenant: &str, name: &str) -> Outcome<CampaignRow> {
    if let Some(row) = store.campaign(CampaignId::of(tenant, name)).await? {
        return Ok(row);
    }
    let rows = store.campaigns().await?;
    let names = rows.iter().filter(|row| row.launch.tenant == tenant).map(|row| row.launch.campaign.as_str());
    Err(missing(tenant, name, &names.collect::<Vec<_>>()))
}

/// `names`: those of the tenant's campaigns.
fn missing(tenant: &str, name: &str, names: &[&str]) -> Failure {
    let message = match tenant {
        "default" => format!("there is no campaign {name}"),
        _ => format!("there is no campaign {name} of tenant {tenant}"),
    };
    let to_do = match sluice_core::launch::nearest(name, names.iter().copied()) {
        Some(near) => format!("perhaps {near} is meant; `sluice campaign list` shows all"),
        None if names.is_empty() => {
            "launch it first, or look elsewhere: --data-dir DIR, --server URL, --tenant NAME".to_owned()
        }
        None => "`sluice campaign list` shows all".to_owned(),
    };
    Failure::refused("no_such_campaign", message, to_do)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_that_is_not_there_is_answered_with_the_nearest_and_with_the_command_that_lists_all() {
        let to_do = |name, names: &[&str]| missing("default", name, names).actionable;
        assert_eq!(
            to_do("sprint-sale", &["spring-sale", "autumn"]),
            "perhaps spring-sale is meant; `sluice campaign list` shows all"
        );
        assert_eq!(to_do("nobody", &["spring-sale"]), "`sluice campaign list` shows all");
        assert!(to_do("nobody", &[]).starts_with("launch it first"));
        assert_eq!(missing("acme", "x", &[]).message, "there is no campaign x of tenant acme");
    }
}
