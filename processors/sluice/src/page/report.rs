//! One page: its owner, its limits, and the campaigns on it with what each waits for and who goes first.

use super::facts::{PageFacts, day_says};
use super::order::order;
use super::sight::Sight;
use crate::error::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use sluice_core::gate::CampaignGate;
use sluice_core::ledger::Scope;
use sluice_core::{CampaignState, PageId};
use sluice_schemas::{Channel, Priority};

/// A page with what is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageReport {
    /// The page itself.
    #[serde(flatten)]
    pub facts: PageFacts,
    /// Unfinished campaigns that send from it: by priority, of one the oldest first.
    pub campaigns: Vec<OnPage>,
    /// Who goes first of those that nothing holds, in a sentence; `None`: there are not two of them.
    #[serde(default)]
    pub order: Option<String>,
}

/// A campaign on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnPage {
    /// Its name.
    pub campaign: String,
    /// Whose it is.
    pub tenant: String,
    /// Where it is.
    pub state: CampaignState,
    /// Among the campaigns of the page.
    pub priority: Priority,
    /// Recipients that wait on this page.
    pub waiting: u64,
    /// The page's part of the campaign's limit.
    pub rate: Option<String>,
    /// The page's part of its daily limit, and what of it is used.
    pub daily: Option<String>,
    /// The limits above the page that hold for it, by name.
    #[serde(default)]
    pub quotas: Vec<String>,
    /// Something holds all of it: it takes no turns.
    #[serde(default)]
    pub is_held: bool,
    /// What it waits for, in a sentence.
    pub why: String,
}

/// Looks at a page. One that no unfinished campaign names and that never had an owner is nobody's.
pub async fn report(sight: &Sight, page: &PageId) -> Outcome<PageReport> {
    sight.look_who_works().await;
    let ledger = sight.store.ledger(page).await?;
    let (mut campaigns, mut channel): (Vec<OnPage>, Option<Channel>) = (Vec::new(), None);
    for row in sight.unfinished().await? {
        let Some(place) = row.launch.pages.iter().position(|name| name == page.as_str()) else { continue };
        channel = Some(row.launch.channel);
        let stored = sight.read(&row).await?;
        let gate = CampaignGate::of(&row, place).ok();
        let used = ledger.as_ref().and_then(|ledger| ledger.body.used(Scope::Campaign(row.id)));
        let zone = row.launch.time_zone.as_deref();
        let status = sight.status(&stored);
        let held = status.held(sight.now_ms);
        let above = stored.quotas.iter().filter(|used| used.quota.covers(page.as_str(), &row.launch.tenant));
        campaigns.push(OnPage {
            campaign: row.launch.campaign.clone(),
            tenant: row.launch.tenant.clone(),
            state: row.state,
            priority: row.rules().priority,
            waiting: stored.waiting_on(page).values().sum(),
            rate: gate.as_ref().and_then(|gate| gate.rate).map(|rate| rate.to_string()),
            daily: gate.and_then(|gate| gate.daily).map(|cap| day_says(used, cap, zone, sight.now_ms)),
            quotas: above.map(|used| used.name.clone()).collect(),
            is_held: held.is_some(),
            why: held.unwrap_or_else(|| status.sentence()),
        });
    }
    campaigns.sort_by_key(|on_page| on_page.priority);
    if channel.is_none() && ledger.is_some() {
        channel = channel_of(sight, page).await?;
    }
    if ledger.is_none() && campaigns.is_empty() {
        let to_do = "name a page of a campaign's launch";
        return Err(Failure::refused(
            "no_such_page",
            format!("nothing was ever sent from page {page}"),
            to_do,
        ));
    }
    let limits = channel.map(|channel| sight.limits(channel, page));
    let facts = sight.facts_now(page, ledger.as_ref(), limits).await?;
    let tenants: Vec<&str> = campaigns.iter().map(|on_page| on_page.tenant.as_str()).collect();
    let facts = PageFacts { quotas: sight.above(page, &tenants).await?, ..facts };
    let order = order(&campaigns, sight.shares);
    Ok(PageReport { facts, campaigns, order })
}

/// The channel of a page that sends for nobody at present: that of the newest campaign that named it.
async fn channel_of(sight: &Sight, page: &PageId) -> Outcome<Option<Channel>> {
    let rows = sight.store.campaigns().await?;
    let named = rows.iter().filter(|row| row.launch.pages.iter().any(|name| name == page.as_str()));
    Ok(named.max_by_key(|row| row.created_at_ms).map(|row| row.launch.channel))
}
