//! Why a campaign does not move: one sentence, and the whole chain of what it could wait for.

use super::audience::Audience;
use super::beside::beside;
use super::finish::finish;
use super::status::CampaignStatus;
use crate::error::Outcome;
use crate::page::facts::PageFacts;
use crate::page::lag::Lag;
use crate::page::retries::{Retries, retries};
use crate::page::sight::Sight;
use serde::{Deserialize, Serialize};
use sluice_core::{CampaignRow, CampaignState, PageId};
use std::collections::BTreeSet;

/// Pages whose claims are compared with the states of their chunks; those of others are told as their ledgers have them.
const PAGES_LOOKED_AT: usize = 16;

/// All that is known about what a campaign waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Its name.
    pub campaign: String,
    /// What holds all of it, in a sentence; `None`: nothing does.
    pub held: Option<String>,
    /// Where it is, its gates, its estimated end.
    pub status: CampaignStatus,
    /// Its pages, whoever has them.
    pub pages: Vec<PageFacts>,
    /// Attempts that are asked for and not made yet.
    pub retries: Option<Retries>,
    /// What waits in the log, of all campaigns.
    pub lags: Vec<Lag>,
}

impl Explained {
    /// What holds it; where nothing does, how far it is.
    pub fn sentence(&self) -> String {
        self.held.clone().unwrap_or_else(|| self.status.sentence())
    }
}

/// Explains a campaign.
pub async fn explain(sight: &Sight, row: &CampaignRow) -> Outcome<Explained> {
    let store = sight.store.as_ref();
    sight.look_who_works().await;
    let stored = sight.read_all(row).await?;
    let mut status = sight.status(&stored);
    status.audience = Audience::of(sight.log.as_ref(), &stored, status.audience, sight.now_ms).await;
    if row.state == CampaignState::Running && !status.waits_for_nobody() {
        let template = |page: &PageId| sight.template(row, page);
        status.finish = finish(&stored, template, &beside(sight, &stored).await?, sight.now_ms);
    }
    let mut explained = Explained {
        campaign: row.launch.campaign.clone(),
        held: status.held(sight.now_ms),
        status,
        pages: Vec::new(),
        retries: None,
        lags: Vec::new(),
    };
    if row.state.is_ended() || row.awaits_start {
        return Ok(explained);
    }
    let pages = row.page_ids();
    for (place, page) in pages.iter().enumerate() {
        let (ledger, limits) = (stored.ledgers.get(page), Some(sight.limits(row.launch.channel, page)));
        explained.pages.push(match place < PAGES_LOOKED_AT {
            true => sight.facts_now(page, ledger, limits).await?,
            false => sight.facts(page, ledger, limits),
        });
    }
    let shards: BTreeSet<u32> = stored.chunks.iter().map(|chunk| chunk.shard).collect();
    let retries = retries(store, sight.log.as_ref(), row.id, shards, sight.now_ms).await?;
    let later = explained.status.held_by_retries(&retries, sight.now_ms);
    if let Some(later) = later.filter(|_| explained.held.is_none()) {
        explained.held = Some(later);
        let finish = explained.status.finish.take();
        explained.status.finish = finish.map(|finish| finish.after_retries(&retries));
    }
    explained.retries = Some(retries);
    explained.lags = sight.lags().await?;
    Ok(explained)
}
