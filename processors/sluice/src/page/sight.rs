//! What one looks at campaigns and pages with.

use super::claims::settle;
use super::facts::{PageFacts, PageLimits};
use super::lag::{Lag, lags};
use super::told::told;
use super::working::Working;
use crate::campaign::gates::page_gate;
use crate::campaign::known_chunks::KnownChunks;
use crate::campaign::quotas::{QuotaUse, quota_gates};
use crate::campaign::status::{self, CampaignStatus, page_line};
use crate::campaign::stored::Stored;
use crate::campaign::unanswered::unanswered_gate;
use crate::error::Outcome;
use sluice_completion::StalledCampaigns;
use sluice_core::partition::partition_of;
use sluice_core::quota::Quota;
use sluice_core::share::ShareOptions;
use sluice_core::throttle::TemplateKey;
use sluice_core::{CampaignRow, PageId};
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::ports::store::{LedgerRow, Store};
use sluice_schemas::{CampaignLaunch, Channel};
use sluice_sender::{Board, PageStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Pages whose ledgers a status reads: it is asked for every second.
const PAGES_ASKED: usize = 16;

/// The engines, the configuration, and what this process does itself. What is in the engines is the same whoever is
/// asked.
pub struct Sight {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Knows the limits of pages.
    pub messages: Arc<dyn Messages>,
    /// What lower priorities keep of a page.
    pub shares: ShareOptions,
    /// Limits above pages.
    pub quotas: BTreeMap<String, Quota>,
    /// Chunks that were read before.
    pub known: Arc<KnownChunks>,
    /// The pages of this process.
    pub board: Board,
    /// Who works on these engines, of all processes, once that was asked; `None`: the log gave no answer.
    pub working: OnceCell<Option<Working>>,
    /// What its completion processor has found.
    pub stalled: StalledCampaigns,
    /// What keeps the engines from working now.
    pub trouble: Option<String>,
    /// ms since 1970.
    pub now_ms: i64,
    /// On the clock of the board.
    pub monotonic: Duration,
}

impl std::fmt::Debug for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sight").field("now_ms", &self.now_ms).finish_non_exhaustive()
    }
}

impl Sight {
    /// Asks who works, for what is told after it.
    pub async fn look_who_works(&self) {
        let ask = async || match self.trouble {
            Some(_) => None,
            None => Working::ask(self.log.as_ref()).await,
        };
        self.working.get_or_init(ask).await;
    }

    /// Who works, where that is known.
    fn who_works(&self) -> Option<&Working> {
        self.working.get().and_then(Option::as_ref)
    }

    /// What a status is derived from: the ledgers as well, where they count a day or tell what other processes wait for.
    pub async fn read(&self, row: &CampaignRow) -> Outcome<Stored> {
        let (channel, pages) = (row.launch.channel, &row.launch.pages);
        let is_counted = |page: &String| self.limits(channel, &PageId::from(page.as_str())).daily.is_some();
        let is_elsewhere = |page: &String| self.board.page(&PageId::from(page.as_str())).is_none();
        let is_told = pages.len() <= PAGES_ASKED && pages.iter().any(is_elsewhere);
        match is_told || pages.iter().any(is_counted) {
            true => self.read_all(row).await,
            false => {
                // After a crash that may be all of thousands: each is a read of the store.
                let pages = pages.iter().map(|page| PageId::from(page.as_str()));
                let in_doubt =
                    pages.filter(|page| self.board.page(page).is_some_and(|page| page.in_doubt > 0));
                let in_doubt: BTreeSet<PageId> = in_doubt.take(PAGES_ASKED).collect();
                let in_doubt = |page: &PageId| in_doubt.contains(page);
                let stored = Stored::read(self.store.as_ref(), &self.known, row, in_doubt).await?;
                self.with_quotas(stored).await
            }
        }
    }

    /// All that a status can be derived from.
    pub async fn read_all(&self, row: &CampaignRow) -> Outcome<Stored> {
        self.with_quotas(Stored::read_all(self.store.as_ref(), &self.known, row).await?).await
    }

    /// Whether webhooks tell what became of the calls of a campaign.
    fn has_webhooks(&self, row: &CampaignRow) -> bool {
        let pages = row.page_ids().into_iter();
        let mut plans = pages.filter_map(|page| self.messages.plan(&row.launch, &page).ok());
        plans.next().is_none_or(|plan| plan.correlation().settles_by_webhook)
    }

    /// What a page waits for that another process has.
    fn told(&self, stored: &Stored, page: &PageId) -> Option<PageStatus> {
        let (ledger, row) = (stored.ledgers.get(page)?, &stored.row);
        if ledger.body.held().is_empty() && ledger.body.pace().is_none() {
            return None;
        }
        let template = self.template(row, page);
        told(ledger, Some((row.id, &template)), self.monotonic, self.now_ms)
    }

    /// What waits together with the campaign where the provider does not take its messages.
    pub fn template(&self, row: &CampaignRow, page: &PageId) -> TemplateKey {
        let plan = self.messages.plan(&row.launch, page).ok();
        TemplateKey::new(plan.as_ref().and_then(|plan| plan.template()), row.id)
    }

    /// A page as its owner sees it, where that is this process, or as its ledger tells.
    pub fn page_status(&self, page: &PageId, ledger: Option<&LedgerRow>) -> Option<PageStatus> {
        let told = || ledger.and_then(|ledger| told(ledger, None, self.monotonic, self.now_ms));
        self.board.page(page).or_else(told)
    }

    async fn with_quotas(&self, stored: Stored) -> Outcome<Stored> {
        let quotas = match stored.row.state.is_ended() {
            true => Vec::new(),
            false => self.quotas_of(&stored.row.launch).await?,
        };
        Ok(Stored { quotas, ..stored })
    }

    /// The limits above the pages of a launch, with their use.
    pub async fn quotas_of(&self, launch: &CampaignLaunch) -> Outcome<Vec<QuotaUse>> {
        let covers = |quota: &Quota| launch.pages.iter().any(|page| quota.covers(page, &launch.tenant));
        QuotaUse::read(self.store.as_ref(), &self.quotas, covers).await
    }

    /// The limits above a page that name it or one of the tenants that send from it, each with its use:
    /// `acme: 100/s, 97 used`.
    pub async fn above(&self, page: &PageId, tenants: &[&str]) -> Outcome<Vec<String>> {
        let covers = |quota: &Quota| {
            let names = quota.pages.iter().any(|name| name == page.as_str());
            names || tenants.iter().any(|tenant| quota.covers(page.as_str(), tenant))
        };
        let uses = QuotaUse::read(self.store.as_ref(), &self.quotas, covers).await?;
        Ok(uses.iter().map(|used| format!("{}: {}", used.name, used.says(self.now_ms))).collect())
    }

    /// The status of a campaign, with what this process knows beside the store.
    pub fn status(&self, stored: &Stored) -> CampaignStatus {
        let mut status = status::derived(stored, self.now_ms);
        let channel = stored.row.launch.channel;
        status.gates.extend(page_gate(stored, |page| self.limits(channel, page).daily, self.now_ms));
        status.gates.extend(quota_gates(stored, self.now_ms));
        if stored.unanswered().is_some() {
            let has_webhooks = self.has_webhooks(&stored.row);
            status.gates.extend(unanswered_gate(stored, has_webhooks, self.now_ms));
        }
        let known = |page: &PageId| self.board.page(page).or_else(|| self.told(stored, page));
        status.add_pages(stored, known, (self.monotonic, self.now_ms));
        status.add_uses(&stored.row);
        status.add_stalled(stored, &self.stalled, self.now_ms);
        if let Some(working) = self.who_works() {
            status.add_working(stored, working);
        }
        status.trouble = self.trouble.clone();
        status
    }

    /// The limits of a page itself.
    pub fn limits(&self, channel: Channel, page: &PageId) -> PageLimits {
        let (rate, daily) = (self.messages.page_rate(channel, page), self.messages.page_daily(channel, page));
        PageLimits { rate, daily }
    }

    /// The shard of a page.
    pub fn shard(&self, page: &PageId) -> u32 {
        partition_of(page.as_str().as_bytes(), self.log.partitions(Topic::Chunks))
    }

    /// A page, from its ledger and from the states of the chunks that it has claims of.
    pub async fn facts_now(
        &self,
        page: &PageId,
        ledger: Option<&LedgerRow>,
        limits: Option<PageLimits>,
    ) -> Outcome<PageFacts> {
        let Some(ledger) = ledger else { return Ok(self.facts(page, None, limits)) };
        let mut settled = ledger.clone();
        let chunks = settled.body.chunks();
        let is_whole = settle(self.store.as_ref(), &mut settled.body, chunks).await?;
        Ok(PageFacts { claims_at_most: !is_whole, ..self.facts(page, Some(&settled), limits) })
    }

    /// A page, from its ledger alone: some of its claims may have an outcome.
    pub fn facts(&self, page: &PageId, ledger: Option<&LedgerRow>, limits: Option<PageLimits>) -> PageFacts {
        let line = |status: &PageStatus| page_line(page.as_str(), status, None, self.monotonic);
        let live = self.board.page(page);
        let told = match live {
            Some(_) => None,
            None => ledger.and_then(|ledger| told(ledger, None, self.monotonic, self.now_ms)),
        };
        let facts =
            PageFacts::of(page, self.shard(page), ledger, limits, live.as_ref().map(line), self.now_ms);
        let is_there = self.who_works().is_none_or(|working| working.shards().contains(&facts.shard));
        let facts = facts.owned_by_those_there(is_there);
        let templates = live.as_ref().or(told.as_ref()).map_or(&[][..], |status| &status.templates);
        PageFacts { told: told.as_ref().map(line), claims_at_most: facts.claims > 0, ..facts }
            .with(templates, self.monotonic)
    }

    /// What waits in the log.
    pub async fn lags(&self) -> Outcome<Vec<Lag>> {
        lags(self.log.as_ref()).await
    }

    /// Campaigns that are not at their end, oldest first.
    pub async fn unfinished(&self) -> Outcome<Vec<CampaignRow>> {
        let mut rows = self.store.unfinished().await?;
        rows.retain(|row| !row.state.is_ended());
        Ok(rows)
    }

    /// Campaigns that are at their end, the last one first.
    pub async fn ended(&self) -> Outcome<Vec<CampaignRow>> {
        let mut rows = self.store.campaigns().await?;
        rows.retain(|row| row.state.is_ended());
        rows.sort_by_key(|row| std::cmp::Reverse(row.ended_at_ms));
        Ok(rows)
    }
}
