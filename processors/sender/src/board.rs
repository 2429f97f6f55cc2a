//! What each page is doing, for people: status lines, `explain`, the end of `sluice send`.

use sluice_core::meter::CallMeter;
use sluice_core::rate::PerDay;
use sluice_core::throttle::HoldReason;
use sluice_core::{CampaignId, PageId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A page as its owner sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageStatus {
    /// Calls under way.
    pub in_flight: usize,
    /// Sends granted and not called yet.
    pub granted: usize,
    /// Campaigns that are open here.
    pub campaigns: usize,
    /// Claims whose outcome no chunk state shows yet.
    pub claims: u32,
    /// Those of them whose calls nobody knows the answer of: their webhooks are waited for.
    pub in_doubt: u32,
    /// Why it waits, and until when on the monotonic clock.
    pub hold: Option<(Duration, HoldReason)>,
    /// Templates that the provider does not take at present: their campaigns wait, the page does not.
    pub templates: Vec<HeldTemplate>,
    /// Calls that were made, and those under way.
    pub calls: CallMeter,
    /// From when on its own limit, as slow as its provider wants it, lets the next call start, on the monotonic clock.
    pub next_call: Option<Duration>,
    /// How fast it goes while its provider wants it slower, in percent of its full speed; `None`: at full speed.
    pub speed_percent: Option<u32>,
    /// Its limit of the day, where it has one.
    pub day: Option<PageDay>,
    /// What their own limits leave the campaigns that have some.
    pub uses: Vec<CampaignUse>,
    /// Campaigns that can't be sent from here, and why: configuration.
    pub problems: BTreeMap<CampaignId, String>,
    /// What it waits for inside Sluice, in words: the store gives no answer.
    pub waits_for: Option<String>,
}

/// A template that waits on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldTemplate {
    /// Name and language; `None`: one campaign alone, whose messages are made from no template.
    pub template: Option<String>,
    /// The campaigns that are open here and wait.
    pub campaigns: Vec<CampaignId>,
    /// When one call tries it again, on the monotonic clock.
    pub until: Duration,
    /// What the provider said.
    pub reason: HoldReason,
}

/// What its own limits leave a campaign on a page. Times on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CampaignUse {
    /// Which.
    pub campaign: CampaignId,
    /// From when on the page's part of its rate lets the next call start; `None`: it has no rate.
    pub next_call: Option<Duration>,
    /// Sends that wait because their people were called a moment ago, or may have been.
    pub people: usize,
    /// When the first of these may be called.
    pub next_person: Option<Duration>,
    /// Whom the page called before is not known: everybody waits for one interval of the limit of pairs.
    pub people_unknown: bool,
}

/// A page's limit of the day and its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageDay {
    /// Calls in any 24 hours at most.
    pub cap: PerDay,
    /// Calls of the last 24 hours, those included that are granted.
    pub used: u64,
    /// All is used: when some is free again, in ms since 1970.
    pub frees_at_ms: Option<i64>,
}

impl PageStatus {
    /// What is waited for here after `now`, and until when: the page's own hold, or that of the template of `campaign`.
    pub fn holds(&self, campaign: Option<CampaignId>, now: Duration) -> Option<(Duration, &HoldReason)> {
        let page = self.hold.iter().map(|(until, reason)| (*until, reason));
        let of_campaign = |held: &&HeldTemplate| campaign.is_some_and(|id| held.campaigns.contains(&id));
        let template = self.templates.iter().filter(of_campaign);
        page.chain(template.map(|held| (held.until, &held.reason))).find(|(until, _)| *until > now)
    }

    /// Why `campaign` can't be sent from here; `None`: why some campaign can't.
    pub fn problem_of(&self, campaign: Option<CampaignId>) -> Option<&str> {
        match campaign {
            Some(id) => self.problems.get(&id),
            None => self.problems.values().next(),
        }
        .map(String::as_str)
    }
}

/// All pages of this process.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<PageId, Shown>>>);

#[derive(Debug)]
struct Shown {
    status: PageStatus,
    lift: Lift,
}

/// How a page hears that its holds are lifted.
pub(crate) type Lift = Arc<Notify>;

impl Board {
    /// Every page that has or had work.
    pub fn pages(&self) -> BTreeMap<PageId, PageStatus> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pages.iter().map(|(page, shown)| (page.clone(), shown.status.clone())).collect()
    }

    /// One page that has or had work.
    pub fn page(&self, page: &PageId) -> Option<PageStatus> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(pages.get(page)?.status.clone())
    }

    /// Ends what a page of this process waits for, its own hold and those of templates: one call alone finds out
    /// whether the provider takes calls again. Gives how the page was; `None` where it is not open here.
    pub fn lift(&self, page: &PageId) -> Option<PageStatus> {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = pages.get(page)?;
        shown.lift.notify_one();
        Some(shown.status.clone())
    }

    pub(crate) fn set(&self, page: &PageId, status: PageStatus, lift: &Lift) {
        let shown = Shown { status, lift: lift.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(page.clone(), shown);
    }

    pub(crate) fn remove(&self, page: &PageId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(page);
    }
}
