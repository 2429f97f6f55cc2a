//! Where a campaign is, in numbers.

use super::audience::Audience;
use super::coming::Coming;
use super::finish::Finish;
use super::gates::{GateLine, gates, held_by_page};
use super::known_chunks::KnownChunks;
use super::stored::Stored;
use crate::error::Outcome;
use crate::node::Work;
use crate::view::moment::at;
use crate::view::numbers;
use serde::{Deserialize, Serialize};
use sluice_completion::{Cause, Stalled, StalledCampaigns};
use sluice_core::{CampaignId, CampaignRow, CampaignState, Counters, PageId};
use sluice_runtime::ports::store::Store;
use sluice_schemas::Channel;
use sluice_sender::{PageDay, PageStatus};
use std::collections::BTreeMap;
use std::time::Duration;

/// One campaign as the API and the commands show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CampaignStatus {
    /// Its name.
    pub campaign: String,
    /// Whose it is.
    pub tenant: String,
    /// On which channel.
    pub channel: Channel,
    /// Where it is.
    pub state: CampaignState,
    /// From 1.
    pub run: u32,
    /// Recipients whom the present run tries again, as they were counted when it was asked for; `None`: it is the first one.
    #[serde(default)]
    pub retried: Option<u64>,
    /// Rows of the audience; while it is still read, those read so far.
    pub recipients: u64,
    /// Whether the whole audience is read.
    pub expanded: bool,
    /// Recipients by state; those that were never expanded because of a cancellation are `cancelled`.
    pub counters: Counters,
    /// ms since 1970.
    pub created_at_ms: i64,
    /// ms since 1970.
    pub ended_at_ms: Option<i64>,
    /// From the launch, or the start it was scheduled for, to the end, or to now.
    pub took_ms: u64,
    /// How long it has been running, over all its runs: without its pauses, the time before its start and between runs.
    #[serde(default)]
    pub running_ms: u64,
    /// When it starts, comes back and ends; its fields stand among the others.
    #[serde(flatten)]
    pub coming: Coming,
    /// Why it is in its state: paused, resumed, cancelled, failed, over.
    pub reason: Option<String>,
    /// How far it is, as one number.
    #[serde(flatten, default)]
    pub progress: Progress,
    /// Pages with recipients who are not done.
    #[serde(default)]
    pub open_pages: usize,
    /// What its pages are doing; empty where nobody sends.
    #[serde(default)]
    pub pages: Vec<PageLine>,
    /// Its rules, and whom each keeps waiting now.
    #[serde(default)]
    pub gates: Vec<GateLine>,
    /// What keeps the log or the store from working now: nothing moves until it is over.
    #[serde(default)]
    pub trouble: Option<String>,
    /// It is known that no process works on it: who reads a data directory is alone with it.
    #[serde(default)]
    pub nobody_works: bool,
    /// The processes of each work on these engines: `expander 1, sender 0, …`; `None`: nobody was asked.
    #[serde(default)]
    pub processes: Option<String>,
    /// Work that it waits for and that no process does.
    #[serde(default)]
    pub absent: Vec<Work>,
    /// The shards of its pages, where processes send and none of them has any of these.
    #[serde(default)]
    pub unowned_shards: Vec<u32>,
    /// How far its audience is read, while it is and where that was asked for or found to stand still.
    #[serde(default)]
    pub audience: Option<Audience>,
    /// It stands still without a reason, as far as the process that was asked has found out.
    #[serde(default)]
    pub stalled: Option<StalledLine>,
    /// When it will have ended; `None` where that makes no sense, or was not asked for.
    #[serde(default)]
    pub finish: Option<Finish>,
}

/// How far the present run of a campaign is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Recipients of the run who need nothing any more.
    pub processed: u64,
    /// Of how many.
    pub to_process: u64,
    /// The same in whole percents; 100 means all.
    pub percent: u64,
    /// Messages that were taken a second, over the time in which the campaign was running.
    pub sent_per_s: Option<f64>,
}

/// A campaign that stands still without a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalledLine {
    /// When it was found, in ms since 1970.
    pub found_ms: i64,
    /// Since when it does, in ms since 1970; before that nobody may have looked.
    #[serde(default)]
    pub since_ms: i64,
    /// Why, as far as is known: `lost`, `no_sender`, `no_expander`, `audience`, `seal`.
    #[serde(default)]
    pub reason: String,
    /// Recipients that wait; of lost chunks those that are asked for again; of a seal those by which it differs.
    pub recipients: u64,
}

/// One page of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLine {
    /// Its id.
    pub page: String,
    /// Recipients of the campaign here who are not done.
    #[serde(default)]
    pub open: u64,
    /// Those of them whom the campaign's hours or its limit of the day hold.
    #[serde(default)]
    pub held: u64,
    /// Calls under way.
    pub in_flight: usize,
    /// Sends granted and not called yet.
    pub granted: usize,
    /// Claims whose outcome is not known yet.
    pub claims: u32,
    /// Why it waits, or this campaign on it: `provider_unreachable`, `throttled`, `account`, `template`,
    /// `daily_limit`, `not_configured`.
    pub waits: Option<String>,
    /// What the provider or the system said.
    pub detail: Option<String>,
    /// How long the present wait lasts.
    pub for_ms: Option<u64>,
    /// Calls that were made a second, of the last three whole seconds.
    #[serde(default)]
    pub calls_per_s: u32,
    /// How fast it goes while its provider wants it slower, in percent of its full speed.
    #[serde(default)]
    pub speed_percent: Option<u32>,
    /// How long the page's own limit keeps its next call, whosever it is; 0: it may start now.
    #[serde(default)]
    pub page_rate_for_ms: u64,
    /// How long the page's part of the campaign's own rate keeps its next call; 0: it may start now. `None`: it has no
    /// such rate, or its owner is another process.
    #[serde(default)]
    pub rate_for_ms: Option<u64>,
    /// People of the campaign who wait since this page called them a moment ago, or may have, and how long the first of
    /// them does; `None`: nobody, as far as is known here.
    #[serde(default)]
    pub pairs_for_ms: Option<(usize, u64)>,
    /// Whom the page called before is not known, so everybody waits.
    #[serde(default)]
    pub pairs_unknown: bool,
}

/// Reads the status of a campaign.
pub async fn of(store: &dyn Store, row: &CampaignRow, now_ms: i64) -> Outcome<CampaignStatus> {
    Ok(derived(&Stored::read(store, &KnownChunks::default(), row, |_| false).await?, now_ms))
}

/// The status of a campaign that was read.
pub fn derived(stored: &Stored, now_ms: i64) -> CampaignStatus {
    let row = &stored.row;
    let mut counters: Counters = stored.counters.iter().map(|(_, counters)| *counters).sum();
    let recipients = match row.seal {
        Some(seal) => {
            counters.cancelled += seal.not_expanded;
            counters.total = seal.total.max(counters.total + seal.not_expanded);
            counters.total
        }
        None => stored.rows_read().max(counters.total),
    };
    // Rows that no receipt has spoken of yet.
    counters.pending += recipients - recipients.min(sum(&counters));
    counters.total = recipients;
    let began_ms = match row.run {
        _ if row.awaits_start => now_ms,
        1 => row.starts_at_ms.max(row.created_at_ms),
        _ => row.created_at_ms,
    };
    let took = row.ended_at_ms.unwrap_or(now_ms) - began_ms;
    let mut status = CampaignStatus {
        campaign: row.launch.campaign.clone(),
        tenant: row.launch.tenant.clone(),
        channel: row.launch.channel,
        state: row.state,
        run: row.run,
        retried: row.retried(),
        recipients,
        expanded: row.seal.is_some(),
        counters,
        created_at_ms: row.created_at_ms,
        ended_at_ms: row.ended_at_ms,
        took_ms: u64::try_from(took).unwrap_or(0),
        running_ms: row.running_ms(now_ms),
        coming: Coming::of(row),
        reason: row.reason.clone(),
        progress: Progress::default(),
        open_pages: stored.open().len(),
        pages: Vec::new(),
        gates: gates(stored, now_ms),
        trouble: None,
        nobody_works: false,
        processes: None,
        absent: Vec::new(),
        unowned_shards: Vec::new(),
        audience: None,
        stalled: None,
        finish: None,
    };
    let (processed, to_process) = status.of_run();
    let (percent, sent_per_s) = (numbers::percent(processed, to_process), status.average_per_s());
    status.progress = Progress { processed, to_process, percent, sent_per_s };
    status
}

/// A page as its owner sees it; with what its provider says of the messages of `campaign`.
pub fn page_line(page: &str, status: &PageStatus, campaign: Option<CampaignId>, now: Duration) -> PageLine {
    let hold = status.holds(campaign, now);
    let held = hold.map(|(_, reason)| (reason.as_str(), reason.detail().to_owned()));
    let full = || Some(("daily_limit", day_is_full(status.day?)?));
    let problem = || Some(("not_configured", status.problem_of(campaign)?.to_owned()));
    let (waits, detail) = held.or_else(full).or_else(problem).unzip();
    let left = |until: Duration| u64::try_from(until.saturating_sub(now).as_millis()).unwrap_or(u64::MAX);
    let own = status.uses.iter().find(|of| Some(of.campaign) == campaign);
    PageLine {
        page: page.to_owned(),
        open: 0,
        held: 0,
        in_flight: status.in_flight,
        granted: status.granted,
        claims: status.claims,
        waits: waits.map(str::to_owned),
        detail,
        for_ms: hold.map(|(until, _)| left(until)),
        calls_per_s: status.calls.per_second(now),
        speed_percent: status.speed_percent,
        page_rate_for_ms: status.next_call.map_or(0, left),
        rate_for_ms: own.and_then(|own| own.next_call).map(left),
        pairs_for_ms: own.and_then(|own| Some((own.people, left(own.next_person?)))),
        pairs_unknown: own.is_some_and(|own| own.people_unknown),
    }
}

/// `1,000 of 1,000 in 24 h, some free at 2026-11-22 09:00 UTC`, where all of it is used.
pub(crate) fn day_is_full(day: PageDay) -> Option<String> {
    let (used, cap) = (numbers::thousands(day.used), numbers::thousands(day.cap.0.get()));
    Some(format!("{used} of {cap} in 24 h, some free at {}", at(day.frees_at_ms?, None)))
}

/// The exclusive counters.
fn sum(counters: &Counters) -> u64 {
    let Counters { pending, sent, failed, opted_out, skipped, cancelled, unknown, .. } = *counters;
    pending + sent + failed + opted_out + skipped + cancelled + unknown
}

impl CampaignStatus {
    /// Adds what is known of the campaign's pages.
    pub fn add_pages(
        &mut self,
        stored: &Stored,
        known: impl Fn(&PageId) -> Option<PageStatus>,
        (now, now_ms): (Duration, i64),
    ) {
        let (open, held) = (stored.open(), held_by_page(stored, now_ms));
        let line = |name: &String| {
            let page = PageId::from(name.as_str());
            let line = page_line(name, &known(&page)?, Some(stored.row.id), now);
            let of = |counts: &BTreeMap<PageId, u64>| counts.get(&page).copied().unwrap_or_default();
            Some(PageLine { open: of(&open), held: of(&held), ..line })
        };
        self.pages = stored.row.launch.pages.iter().filter_map(line).collect();
    }

    /// Its pages that have work, where something is known of each of them.
    pub fn known_open_pages(&self) -> Option<Vec<&PageLine>> {
        let open: Vec<&PageLine> = self.pages.iter().filter(|page| page.open > 0).collect();
        (!open.is_empty() && open.len() == self.open_pages).then_some(open)
    }

    /// Adds what the completion processor of this process has found.
    pub fn add_stalled(&mut self, stored: &Stored, found: &StalledCampaigns, now_ms: i64) {
        let Some(Stalled { found_ms, since_ms, cause, recipients }) = found.get(stored.row.id) else {
            return;
        };
        if cause == Cause::Audience {
            self.audience = Some(Audience::stalled(stored.rows_read(), since_ms, now_ms));
        }
        let reason = cause.as_str().to_owned();
        self.stalled = Some(StalledLine { found_ms, since_ms, reason, recipients });
    }

    /// Adds that no process works on it: nobody can tell its end.
    pub fn add_nobody(&mut self) {
        self.nobody_works = !self.state.is_ended();
        self.finish = self.finish.take().filter(|_| !self.nobody_works);
    }

    /// Recipients that need nothing any more.
    pub fn done(&self) -> u64 {
        self.recipients - self.counters.pending.min(self.recipients)
    }

    /// How far the present run is: how many of its recipients need nothing any more, and of how many. A later run has those
    /// whom it tries again.
    pub fn of_run(&self) -> (u64, u64) {
        let Some(all) = self.retried else { return (self.done(), self.recipients) };
        let Counters { pending, failed, unknown, .. } = self.counters;
        // They are opened a moment after the run has begun; until then they stand as the run before left them.
        let begins = !self.state.is_ended() && pending == 0 && failed + unknown >= all;
        (if begins { 0 } else { all - pending.min(all) }, all)
    }

    /// Messages that were taken a second, as an average over the time in which it was running; `None`: of nobody, or in no
    /// time.
    pub fn average_per_s(&self) -> Option<f64> {
        let is_told = self.running_ms >= 1_000 && self.counters.sent > 0;
        is_told.then(|| self.counters.sent as f64 * 1_000.0 / self.running_ms as f64)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::stored::tests::{row, stored};
    use super::*;

    pub(in crate::campaign) fn cancelled(reason: Option<&str>, counters: Counters) -> CampaignStatus {
        let (state, reason) = (CampaignState::Cancelled, reason.map(str::to_owned));
        let row = CampaignRow { state, reason, ..row("null", "{}") };
        CampaignStatus { counters, recipients: counters.total, ..derived(&stored(row, &[]), 5) }
    }

    #[test]
    fn f1_a_status_stays_itself_as_json_and_one_of_another_version_is_read() {
        let rules = r#"{"end_at": "2030-06-02T18:00", "recurring": {"cron": "0 9 * * *"}}"#;
        let waits = CampaignRow::scheduled(row("null", rules).launch, 0, 60_000);
        let status = derived(&stored(waits, &[]), 5);
        let mut json = serde_json::to_value(&status).unwrap();
        let shown = ["starts_at_ms", "recurring", "time_zone"].map(|field| &json[field]);
        assert_eq!(shown, [&60_000.into(), &"0 9 * * *".into(), &serde_json::json!("America/Sao_Paulo")]);
        assert!(json["ends_at_ms"].is_i64() && json["last_at_ms"].is_i64() && json["opens_at_ms"].is_null());
        assert_eq!(serde_json::from_value::<CampaignStatus>(json.clone()).unwrap(), status);
        let fields = json.as_object_mut().unwrap();
        fields.insert("later".to_owned(), "x".into());
        let theirs = serde_json::to_value(Coming::default()).unwrap();
        fields.retain(|name, _| theirs.get(name).is_none() && name != "retried");
        let other = CampaignStatus { coming: Coming::default(), ..status };
        assert_eq!(serde_json::from_value::<CampaignStatus>(json).unwrap(), other);
    }

    #[test]
    fn c6_f5_a_later_run_is_as_far_as_those_whom_it_tries_again() {
        let mut of = cancelled(None, Counters { total: 300, sent: 270, failed: 30, ..Counters::default() });
        of.state = CampaignState::Running;
        assert_eq!(of.of_run(), (300, 300), "the first run has everybody");
        of.retried = Some(30);
        assert_eq!(of.of_run(), (0, 30), "nobody is opened yet");
        (of.counters.failed, of.counters.pending) = (0, 30);
        assert_eq!(of.of_run(), (0, 30));
        (of.counters.failed, of.counters.pending, of.counters.sent) = (4, 16, 280);
        assert_eq!(of.of_run(), (14, 30));
        (of.counters.failed, of.counters.pending, of.state) = (30, 0, CampaignState::Completed);
        assert_eq!(of.of_run(), (30, 30), "all failed again");
    }

    #[test]
    fn g3_the_average_is_what_was_sent_by_the_time_in_which_it_was_running() {
        let counters = Counters { total: 300, sent: 30, cancelled: 270, ..Counters::default() };
        let status = CampaignStatus { running_ms: 4_000, took_ms: 90_000, ..cancelled(None, counters) };
        assert_eq!(status.average_per_s(), Some(7.5));
        assert_eq!(CampaignStatus { running_ms: 999, ..status.clone() }.average_per_s(), None);
        let nobody = Counters { sent: 0, ..counters };
        assert_eq!(CampaignStatus { counters: nobody, ..status }.average_per_s(), None);
    }
}
