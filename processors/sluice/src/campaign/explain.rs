//! Why a campaign does not move, by the same gate that the sender grants by: so the two can't disagree.

use super::status::CampaignStatus;
use crate::error::Outcome;
use crate::view::numbers::{duration, thousands};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sluice_core::gate::{CampaignGate, Waits};
use sluice_core::ledger::Scope;
use sluice_core::usage::share_of;
use sluice_core::{CampaignRow, CampaignState, ChunkId, ChunkRow, Counters, PageId};
use sluice_runtime::ports::store::Store;
use sluice_schemas::GateClass;
use std::collections::BTreeMap;
use std::time::Duration;

/// One rule of a campaign, and whom it keeps waiting now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLine {
    /// `run state`, `window`, `campaign`, `daily limit`.
    pub gate: String,
    /// What it says, for people.
    pub says: String,
    /// Recipients that it holds now.
    pub holds: u64,
    /// When it lets some of them through, in ms since 1970; `None` where no time is known.
    pub until_ms: Option<i64>,
    /// The zone that `until_ms` is best told in.
    pub zone: Option<String>,
}

/// Recipients that wait, by what their gate looks at.
type Waiting = BTreeMap<GateClass, u64>;

fn waiting(chunks: &[ChunkRow], counters: &[(ChunkId, Counters)]) -> Waiting {
    let counters: BTreeMap<ChunkId, &Counters> =
        counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
    let mut waiting = Waiting::new();
    for chunk in chunks {
        let pending = counters.get(&chunk.id).map_or(u64::from(chunk.size), |counters| counters.pending);
        if pending > 0 {
            *waiting.entry(chunk.class.clone()).or_default() += pending;
        }
    }
    waiting
}

/// The rules of a campaign that has not ended, each with what it says now.
pub(super) async fn gates(
    store: &dyn Store,
    row: &CampaignRow,
    counters: &[(ChunkId, Counters)],
    now_ms: i64,
) -> Outcome<Vec<GateLine>> {
    // Terms are checked when they are given; a row that another version wrote may still surprise.
    let Ok(gate) = CampaignGate::of(row, 0) else { return Ok(Vec::new()) };
    if row.state.is_ended() || row.awaits_start {
        return Ok(Vec::new());
    }
    let waiting = waiting(&store.chunks(row.id).await?, counters);
    let mut lines = vec![state_line(row, &waiting)];
    lines.extend(window_line(row, &gate.in_state(CampaignState::Running), &waiting, now_ms));
    if let Some(rate) = row.rate() {
        lines.push(line("campaign", rate.to_owned()));
    }
    if let Some(cap) = gate.rules.daily_send_limit {
        lines.push(daily_line(store, row, cap, waiting.values().sum(), now_ms).await?);
    }
    Ok(lines)
}

fn line(gate: &str, says: String) -> GateLine {
    GateLine { gate: gate.to_owned(), says, holds: 0, until_ms: None, zone: None }
}

fn state_line(row: &CampaignRow, waiting: &Waiting) -> GateLine {
    let since = row.entered.map_or(row.created_at_ms, |entered| entered.at_ms);
    let holds = if row.state.may_send() { 0 } else { waiting.values().sum() };
    let says = format!("{} since {}", row.state.as_str(), at(since, row.launch.time_zone.as_deref()));
    GateLine { holds, ..line("run state", says) }
}

fn window_line(row: &CampaignRow, gate: &CampaignGate, waiting: &Waiting, now_ms: i64) -> Option<GateLine> {
    let (mut held, mut next): (u64, Option<(i64, Option<String>)>) = (0, None);
    let mut closes: Option<i64> = None;
    for (class, count) in waiting {
        match gate.verdict(class, now_ms) {
            Ok(closes_ms) => closes = closes.into_iter().chain(closes_ms).min(),
            Err(Waits::Window { opens_ms }) => {
                held += count;
                let zone = class.zone.clone().or_else(|| row.launch.time_zone.clone());
                next = next.into_iter().chain(opens_ms.map(|opens| (opens, zone))).min();
            }
            Err(Waits::State(_) | Waits::Ended) => {}
        }
    }
    if held == 0 && row.rules().window.is_none() {
        return None;
    }
    let says = match (&next, closes) {
        (Some((opens, zone)), _) => format!("opens {}", when(*opens, zone.as_deref(), now_ms)),
        (None, Some(closes)) => {
            format!("open until {}", when(closes, row.launch.time_zone.as_deref(), now_ms))
        }
        (None, None) if held > 0 => "opens never again".to_owned(),
        (None, None) => "open".to_owned(),
    };
    let (until_ms, zone) = next.map_or((None, None), |(opens, zone)| (Some(opens), zone));
    Some(GateLine { holds: held, until_ms, zone, ..line("window", says) })
}

async fn daily_line(
    store: &dyn Store,
    row: &CampaignRow,
    cap: u64,
    pending: u64,
    now_ms: i64,
) -> Outcome<GateLine> {
    let pages = &row.launch.pages;
    let (mut used, mut full, mut frees): (u64, usize, Option<i64>) = (0, 0, None);
    for (position, page) in pages.iter().enumerate() {
        let Some(ledger) = store.ledger(&PageId::from(page.as_str())).await? else { continue };
        let Some(use_of_day) = ledger.body.used(Scope::Campaign(row.id)) else { continue };
        let share = share_of(cap, position, pages.len());
        used += use_of_day.used(now_ms);
        if use_of_day.free(share, now_ms) == 0 {
            full += 1;
            frees = frees.into_iter().chain(use_of_day.frees_at_ms(share, now_ms)).min();
        }
    }
    let is_full = full == pages.len();
    let says = format!("{} of {} in 24 h used", thousands(used), thousands(cap));
    let (holds, until_ms) = if is_full { (pending, frees) } else { (0, None) };
    Ok(GateLine { holds, until_ms, zone: row.launch.time_zone.clone(), ..line("daily limit", says) })
}

/// `2026-11-21 08:00 America/Sao_Paulo`.
fn at(ms: i64, zone: Option<&str>) -> String {
    let zone = zone.unwrap_or("UTC");
    let Ok(time) = jiff::Timestamp::from_millisecond(ms) else { return ms.to_string() };
    let local = time.to_zoned(sluice_core::row::time_zone(zone).unwrap_or(TimeZone::UTC));
    format!("{} {zone}", local.strftime("%Y-%m-%d %H:%M"))
}

/// `2026-11-21 08:00 America/Sao_Paulo, in 3 h 12 min`.
fn when(ms: i64, zone: Option<&str>, now_ms: i64) -> String {
    let left = Duration::from_millis(u64::try_from(ms - now_ms).unwrap_or(0));
    format!("{}, in {}", at(ms, zone), duration(left))
}

impl CampaignStatus {
    /// What holds the campaign and until when, in one sentence with how far it is; `None`: nothing holds all of it.
    pub fn held(&self, now_ms: i64) -> Option<String> {
        let name = &self.campaign;
        let far = format!("{} of {} done", thousands(self.done()), thousands(self.recipients));
        if let Some(trouble) = &self.trouble {
            return Some(format!("{name} waits: {trouble}; it goes on by itself. {far}."));
        }
        let waits = self.counters.pending;
        let holding = self.gates.iter().find(|line| line.holds > 0 && line.holds >= waits);
        if let Some(line) = holding {
            let until = line.until_ms.map(|until| when(until, line.zone.as_deref(), now_ms));
            return Some(match (line.gate.as_str(), until) {
                ("run state", _) => {
                    format!(
                        "{name} is {}; to go on: sluice campaign resume {name}. {far}.",
                        self.state.as_str()
                    )
                }
                ("window", Some(until)) => format!("{name} waits for its window: opens {until}. {far}."),
                (gate, Some(until)) => {
                    format!("{name} waits for its {gate} ({}), goes on {until}. {far}.", line.says)
                }
                (gate, None) => format!("{name} waits for its {gate}: {}. {far}.", line.says),
            });
        }
        let pages = self.pages.iter().filter(|page| page.waits.is_some());
        let page = pages.clone().next().filter(|_| pages.count() == self.pages.len())?;
        let again = page.for_ms.map_or_else(String::new, |ms| {
            format!(", tried again in {}", duration(Duration::from_millis(ms)))
        });
        let (why, detail) = (page.waits.as_deref()?, page.detail.as_deref().unwrap_or_default());
        Some(format!("{name} waits for page {}: {why} ({detail}){again}. {far}.", page.page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::CampaignId;
    use sluice_core::launch::parse_json;

    const NOON: i64 = 1_780_315_200_000;

    fn row(rules: &str) -> CampaignRow {
        let launch = format!(
            r#"{{"campaign": "spring", "channel": "http", "pages": ["a"], "audience": {{"path": "a.csv"}},
                "message": {{"http": {{"body": {{}}}}}}, "time_zone": "America/Sao_Paulo", "rules": {rules}}}"#
        );
        CampaignRow::launched(parse_json(&launch).unwrap(), 0)
    }

    fn waits(count: u64) -> Waiting {
        Waiting::from([(GateClass::default(), count)])
    }

    #[test]
    fn g3_a_closed_window_is_told_with_the_time_that_it_opens_at() {
        let row = row(r#"{"window": {"open": [{"from": "18:00", "to": "21:00"}]}}"#);
        let gate = CampaignGate::of(&row, 0).unwrap();
        let line = window_line(&row, &gate, &waits(7), NOON).unwrap();
        assert_eq!(line.says, "opens 2026-06-01 18:00 America/Sao_Paulo, in 9 h 0 min");
        assert_eq!((line.holds, line.until_ms), (7, Some(NOON + 9 * 3_600_000)));
    }

    #[test]
    fn g3_a_chunk_without_counters_waits_as_a_whole() {
        let id = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 1);
        let chunk = ChunkRow {
            id,
            page: PageId::from("a"),
            size: 9,
            first_in_class: 0,
            shard: 0,
            spans: Vec::new(),
            skipped: 0,
            class: GateClass::default(),
        };
        assert_eq!(waiting(std::slice::from_ref(&chunk), &[]), waits(9));
        let counters = Counters { pending: 2, ..Counters::default() };
        assert_eq!(waiting(&[chunk], &[(id, counters)]), waits(2));
    }
}
