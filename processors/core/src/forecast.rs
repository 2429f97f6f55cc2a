//! When a campaign will have ended, and what it waits for most (A7, G3).
//!
//! The gate is simulated forward as a flow: rates, daily limits, windows, shares of a page. A step ends where one of
//! them changes, so its length is hours, not messages; and where weeks repeat themselves, they are skipped. Each page
//! stands for itself, since every limit is a page's or a page's part; a campaign ends with its last page.
//!
//! What this does not know: failures and their retries, providers that slow down, campaigns yet to come. For
//! constant circumstances it is within 5 % of the work.

use crate::ids::{CampaignId, PageId};
use crate::share::ShareOptions;
use crate::usage::DailyUse;
use crate::window::Window;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sluice_schemas::Priority;

mod daily;
mod flow;
mod page;

/// How far beyond its start it looks, in ms: ten years. What takes longer never ends.
pub const HORIZON_MS: i64 = 10 * 366 * 86_400_000;

/// A page and all that waits on it.
#[derive(Debug, Clone)]
pub struct PageLoad<'a> {
    /// Its name.
    pub page: PageId,
    /// Calls a second: its configured rate at its present pace, or what was measured.
    pub per_second: f64,
    /// Nothing is called before, in ms since 1970: its provider asked it to wait.
    pub waits_until_ms: Option<i64>,
    /// Its daily limit and what of it is used.
    pub daily: Option<DailyLimit<'a>>,
    /// Its parts of the limits above it.
    pub above: Vec<PartAbove>,
    /// What its lower priorities keep.
    pub shares: ShareOptions,
    /// The campaigns that have sends left on it.
    pub campaigns: Vec<CampaignLoad<'a>>,
}

/// Calls in any 24 hours, and the calls that count.
#[derive(Debug, Clone, Copy)]
pub struct DailyLimit<'a> {
    /// At most.
    pub cap: u64,
    /// So far.
    pub used: &'a DailyUse,
}

/// A page's part of a limit above it.
#[derive(Debug, Clone, Default)]
pub struct PartAbove {
    /// Calls a second.
    pub per_second: Option<f64>,
    /// Calls in any 24 hours.
    pub daily: Option<DailyPart>,
}

/// A part of a limit of 24 hours, and of the calls that count.
#[derive(Debug, Clone)]
pub struct DailyPart {
    /// At most.
    pub cap: f64,
    /// When calls end to count, in ms since 1970, ascending, and how many.
    pub ending: Vec<(i64, f64)>,
}

/// A campaign on one page.
#[derive(Debug, Clone)]
pub struct CampaignLoad<'a> {
    /// Its name.
    pub campaign: CampaignId,
    /// Its priority.
    pub priority: Priority,
    /// Calls a second: this page's part of its limit.
    pub per_second: Option<f64>,
    /// This page's part of its daily limit.
    pub daily: Option<DailyLimit<'a>>,
    /// Not before, in ms since 1970.
    pub start_at_ms: Option<i64>,
    /// Not at or after, in ms since 1970.
    pub end_at_ms: Option<i64>,
    /// Its sends on this page by what else a gate looks at.
    pub classes: Vec<ClassLoad<'a>>,
}

/// Sends of one class.
#[derive(Debug, Clone, Copy)]
pub struct ClassLoad<'a> {
    /// How many are left.
    pub remaining: u64,
    /// When they may be called; [`Window::always`] without one.
    pub window: &'a Window,
    /// The zone that the window and the day are meant in.
    pub zone: &'a TimeZone,
    /// Not before this day.
    pub day: Option<Date>,
}

/// What holds a campaign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Nothing: no sends are left.
    Done,
    /// Its start lies ahead.
    StartAt,
    /// The days of its recipients lie ahead.
    SendDate,
    /// It waits for its window.
    Window,
    /// Its own limit.
    CampaignRate,
    /// Its own limit of 24 hours.
    CampaignDaily,
    /// The limit of the page, which it has for itself.
    PageRate,
    /// The page's limit of 24 hours.
    PageDaily,
    /// The page waits as its provider asked.
    PageWait,
    /// The rate of a limit above the page, by its place in [`PageLoad::above`].
    AboveRate(usize),
    /// The 24 hours of a limit above the page, by its place in [`PageLoad::above`].
    AboveDaily(usize),
    /// Other campaigns of the page.
    OtherCampaigns,
    /// Its end comes before all are called.
    EndAt,
}

impl Limit {
    /// The word used in the CLI, the API, metrics and dashboards.
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::Done => "done",
            Limit::StartAt => "start_at",
            Limit::SendDate => "send_date",
            Limit::Window => "window",
            Limit::CampaignRate => "campaign_rate",
            Limit::CampaignDaily => "campaign_daily_limit",
            Limit::PageRate => "page_rate",
            Limit::PageDaily => "page_daily_limit",
            Limit::PageWait => "page_wait",
            Limit::AboveRate(_) => "quota_rate",
            Limit::AboveDaily(_) => "quota_daily_limit",
            Limit::OtherCampaigns => "other_campaigns",
            Limit::EndAt => "end_at",
        }
    }
}

/// The end of a campaign, or of its part on one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// In ms since 1970; `None`: not within [`HORIZON_MS`].
    pub ends_ms: Option<i64>,
    /// What it waits for most of the time.
    pub limited_by: Limit,
    /// The same without the time before its start.
    pub then_limited_by: Limit,
}

impl Forecast {
    /// Held up by the same all the time.
    fn by(limit: Limit, ends_ms: Option<i64>) -> Self {
        Self { ends_ms, limited_by: limit, then_limited_by: limit }
    }
}

/// The end of a campaign and of its part on each page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignForecast {
    /// Of its last page.
    pub whole: Forecast,
    /// In the order of the pages that it has sends on.
    pub pages: Vec<(PageId, Forecast)>,
}

/// When `campaign` will have ended on `pages`.
pub fn forecast(pages: &[PageLoad<'_>], campaign: CampaignId, now_ms: i64) -> CampaignForecast {
    let named = |page: &&PageLoad<'_>| page.campaigns.iter().any(|load| load.campaign == campaign);
    let pages: Vec<(PageId, Forecast)> = pages
        .iter()
        .filter(named)
        .map(|load| (load.page.clone(), page::forecast(load, campaign, now_ms)))
        .collect();
    // A page that never ends is the last.
    let last = pages.iter().map(|(_, forecast)| *forecast).max_by_key(|of| of.ends_ms.unwrap_or(i64::MAX));
    CampaignForecast { whole: last.unwrap_or_else(|| Forecast::by(Limit::Done, Some(now_ms))), pages }
}

#[cfg(test)]
mod tests;
