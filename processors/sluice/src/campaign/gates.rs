//! The rules of a campaign, each with whom it keeps waiting now: by the same gate that the sender grants by, so the two
//! can't disagree. Pure.

use super::stored::{Stored, Waiting};
use crate::view::moment::{at, when};
use crate::view::numbers::{counted, thousands};
use serde::{Deserialize, Serialize};
use sluice_core::gate::{CampaignGate, Waits};
use sluice_core::ledger::Scope;
use sluice_core::rate::PerDay;
use sluice_core::usage::{DailyUse, share_of};
use sluice_core::{CampaignRow, CampaignState, PageId};
use sluice_schemas::GateClass;
use std::collections::{BTreeMap, BTreeSet};

/// Scheduled days that are told one by one.
const DAYS_TOLD: usize = 3;

/// One rule of a campaign, and whom it keeps waiting now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateLine {
    /// `run state`, `window`, `days`, `campaign`, `pair`, `daily limit`, `page's daily limit`, `quota NAME`.
    pub gate: String,
    /// What it says, for people.
    pub says: String,
    /// Recipients that it holds now.
    pub holds: u64,
    /// When it lets some of them through, in ms since 1970; `None` where no time is known.
    pub until_ms: Option<i64>,
    /// How many it lets through then, where that is known.
    #[serde(default)]
    pub frees: Option<u64>,
    /// The zone that `until_ms` is best told in.
    pub zone: Option<String>,
}

impl GateLine {
    /// What it says, with when it lets how many through.
    pub fn line(&self) -> String {
        match (self.until_ms, self.frees) {
            (Some(at_ms), Some(count)) => {
                format!("{}, {} free at {}", self.says, thousands(count), at(at_ms, self.zone.as_deref()))
            }
            _ => self.says.clone(),
        }
    }
}

/// The rules of a campaign that has started and not ended, each with what it says now.
pub fn gates(stored: &Stored, now_ms: i64) -> Vec<GateLine> {
    let row = &stored.row;
    // Terms are checked when they are given; a row that another version wrote may still surprise.
    let Ok(gate) = CampaignGate::of(row, 0) else { return Vec::new() };
    if row.state.is_ended() || row.awaits_start {
        return Vec::new();
    }
    let waiting = stored.waiting();
    let mut lines = vec![state_line(row, &waiting)];
    lines.extend(window_line(row, &gate.in_state(CampaignState::Running), &waiting, now_ms));
    lines.extend(days_line(&waiting));
    lines.extend(end_line(row, &gate, now_ms));
    if let Some(rate) = row.rate() {
        lines.push(line("campaign", rate.to_owned()));
    }
    if let Some(rate) = &row.rules().pair_rate {
        lines.push(line("pair", format!("{rate} to one person")));
    }
    if let Some(cap) = gate.rules.daily_send_limit {
        lines.push(daily_line(stored, cap, now_ms));
    }
    lines
}

fn line(gate: &str, says: String) -> GateLine {
    GateLine { gate: gate.to_owned(), says, holds: 0, until_ms: None, frees: None, zone: None }
}

fn state_line(row: &CampaignRow, waiting: &Waiting) -> GateLine {
    let since = row.entered.map_or(row.created_at_ms, |entered| entered.at_ms);
    let holds = if row.state.may_send() { 0 } else { waiting.values().sum() };
    let why = row.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let says = format!("{} since {}{why}", row.state.as_str(), at(since, row.launch.time_zone.as_deref()));
    GateLine { holds, ..line("run state", says) }
}

fn window_line(row: &CampaignRow, gate: &CampaignGate, waiting: &Waiting, now_ms: i64) -> Option<GateLine> {
    let (mut held, mut next): (u64, Option<(i64, Option<String>)>) = (0, None);
    let (mut closes, mut too_late): (Option<i64>, u64) = (None, 0);
    let end_ms = gate.rules.end_at_ms;
    for (class, count) in waiting {
        match gate.verdict(class, now_ms) {
            Ok(closes_ms) => closes = closes.into_iter().chain(closes_ms).min(),
            // Whoever waits longer than the campaign is cancelled then.
            Err(Waits::Window { opens_ms })
                if end_ms.is_some_and(|end_ms| opens_ms.is_none_or(|ms| ms >= end_ms)) =>
            {
                held += count;
                too_late += count;
            }
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
    let own_zone = row.launch.time_zone.as_deref();
    let before_end = |end_ms| {
        format!("before its end at {}: who is left then is cancelled", when(end_ms, own_zone, now_ms))
    };
    let says = match (&next, closes) {
        (Some((opens, zone)), _) if too_late > 0 => {
            let ends = end_ms.map(before_end).unwrap_or_default();
            format!("opens {}; for {} not {ends}", when(*opens, zone.as_deref(), now_ms), thousands(too_late))
        }
        (None, None) if too_late > 0 => {
            format!("does not open {}", end_ms.map(before_end).unwrap_or_default())
        }
        (Some((opens, zone)), _) => format!("opens {}", when(*opens, zone.as_deref(), now_ms)),
        (None, Some(closes)) => {
            format!("open until {}", when(closes, own_zone, now_ms))
        }
        (None, None) if held > 0 => "opens never again".to_owned(),
        (None, None) => "open".to_owned(),
    };
    let (until_ms, zone) = next.map_or((None, None), |(opens, zone)| (Some(opens), zone));
    Some(GateLine { holds: held, until_ms, zone, ..line("window", says) })
}

/// Its end, where it has one.
fn end_line(row: &CampaignRow, gate: &CampaignGate, now_ms: i64) -> Option<GateLine> {
    let (end_ms, zone) = (gate.rules.end_at_ms?, row.launch.time_zone.as_deref());
    Some(line(
        "end",
        if end_ms > now_ms { when(end_ms, zone, now_ms) } else { format!("over since {}", at(end_ms, zone)) },
    ))
}

/// Who waits on each scheduled day, where there are any; the window says whom of them it holds now.
fn days_line(waiting: &Waiting) -> Option<GateLine> {
    let mut days: BTreeMap<&str, u64> = BTreeMap::new();
    for (class, count) in waiting {
        if let Some(day) = &class.day {
            *days.entry(day).or_default() += count;
        }
    }
    let told = days.iter().take(DAYS_TOLD).map(|(day, count)| format!("{day}: {}", thousands(*count)));
    let mut says: Vec<String> = told.collect();
    if days.len() > DAYS_TOLD {
        let count = days.values().skip(DAYS_TOLD).sum::<u64>();
        let more = counted((days.len() - DAYS_TOLD) as u64, "more day", "more days");
        says.push(format!("{more}: {}", thousands(count)));
    }
    (!says.is_empty()).then(|| line("days", says.join(", ")))
}

/// The limits of any 24 hours of its pages, where one of them is used up: whom it holds, whichever campaign used it.
pub fn page_gate(
    stored: &Stored,
    daily_of: impl Fn(&PageId) -> Option<PerDay>,
    now_ms: i64,
) -> Option<GateLine> {
    let row = &stored.row;
    if row.state.is_ended() || row.awaits_start {
        return None;
    }
    let (mut full, mut next, mut says): (BTreeSet<PageId>, Option<(i64, u64)>, Vec<String>) =
        Default::default();
    for page in row.page_ids() {
        let Some(PerDay(cap)) = daily_of(&page) else { continue };
        let Some(used) = stored.body(&page).and_then(|body| body.used(Scope::Page)) else { continue };
        let Some(freed) = frees(used, cap.get(), now_ms) else { continue };
        next = next.into_iter().chain([freed]).min();
        let (used, cap) = (thousands(used.used(now_ms)), thousands(cap.get()));
        says.push(format!("{page}: {used} of {cap} in 24 h used"));
        full.insert(page);
    }
    let (at_ms, count) = next?;
    let holds = stored.waiting_where(|page| full.contains(page)).values().sum();
    let (until_ms, frees, zone) = (Some(at_ms), Some(count), row.launch.time_zone.clone());
    Some(GateLine { holds, until_ms, frees, zone, ..line("page's daily limit", says.join("; ")) })
}

/// When a limit that is used up lets calls through again, and how many.
pub fn frees(used: &DailyUse, cap: u64, now_ms: i64) -> Option<(i64, u64)> {
    let at_ms = used.frees_at_ms(cap, now_ms).filter(|_| used.free(cap, now_ms) == 0)?;
    Some((at_ms, used.free(cap, at_ms)))
}

/// Of those who wait on each page, how many the campaign's hours or its limit of the day hold there.
pub fn held_by_page(stored: &Stored, now_ms: i64) -> BTreeMap<PageId, u64> {
    let row = &stored.row;
    let Ok(gate) = CampaignGate::of(row, 0) else { return BTreeMap::new() };
    let full = gate.rules.daily_send_limit.map_or_else(BTreeSet::new, |cap| full_pages(stored, cap, now_ms));
    let gate = gate.in_state(CampaignState::Running);
    let is_closed = |class: &GateClass| matches!(gate.verdict(class, now_ms), Err(Waits::Window { .. }));
    let held = |(page, waiting): (PageId, Waiting)| {
        let holds = waiting.iter().filter(|(class, _)| full.contains(&page) || is_closed(class));
        let count = holds.map(|(_, count)| count).sum();
        (page, count)
    };
    stored.waiting_by_page().into_iter().map(held).collect()
}

/// The pages whose part of a campaign's limit of the day is used up.
fn full_pages(stored: &Stored, cap: u64, now_ms: i64) -> BTreeSet<PageId> {
    let row = &stored.row;
    let pages = row.page_ids().into_iter().enumerate();
    let is_full = |place: usize, page: &PageId| {
        let used = stored.body(page).and_then(|body| body.used(Scope::Campaign(row.id)));
        used.is_some_and(|used| used.free(share_of(cap, place, row.launch.pages.len()), now_ms) == 0)
    };
    pages.filter(|(place, page)| is_full(*place, page)).map(|(_, page)| page).collect()
}

fn daily_line(stored: &Stored, cap: u64, now_ms: i64) -> GateLine {
    let row = &stored.row;
    let (pages, zone) = (&row.launch.pages, row.launch.time_zone.as_deref());
    let full = full_pages(stored, cap, now_ms);
    let (mut used, mut next): (u64, Option<(i64, u64)>) = (0, None);
    for (place, page) in pages.iter().enumerate() {
        let page = PageId::from(page.as_str());
        let body = stored.body(&page);
        let Some(of_day) = body.and_then(|body| body.used(Scope::Campaign(row.id))) else { continue };
        let share = share_of(cap, place, pages.len());
        used += of_day.used(now_ms);
        next = match (next, frees(of_day, share, now_ms)) {
            // What several pages let through at one time counts together.
            (Some((at_ms, count)), Some((other_ms, more))) if at_ms == other_ms => {
                Some((at_ms, count + more))
            }
            (one, other) => one.into_iter().chain(other).min(),
        };
    }
    let mut says = format!("{} of {} in 24 h used", thousands(used), thousands(cap));
    if !full.is_empty() && full.len() < pages.len() {
        says.push_str(&format!(", by {} of {} pages all of their part", full.len(), pages.len()));
    }
    let holds = stored.waiting_where(|page| full.contains(page)).values().sum();
    let (until_ms, frees) = next.unzip();
    GateLine { holds, until_ms, frees, zone: zone.map(str::to_owned), ..line("daily limit", says) }
}

#[cfg(test)]
mod tests {
    use super::super::stored::tests::{booked, row, stored};
    use super::*;
    use sluice_core::Counters;

    const NOON: i64 = 1_780_315_200_000;

    #[test]
    fn g3_a_closed_window_is_told_with_the_time_that_it_opens_at() {
        let row = row("null", r#"{"window": {"open": [{"from": "18:00", "to": "21:00"}]}}"#);
        let lines = gates(&stored(row, &[("a", 7)]), NOON);
        assert_eq!(lines[1].says, "opens 2026-06-01 18:00 America/Sao_Paulo, in 9 h 0 min");
        assert_eq!((lines[1].holds, lines[1].until_ms), (7, Some(NOON + 9 * 3_600_000)));
    }

    #[test]
    fn g3_b5_a_window_that_does_not_open_before_the_end_is_told_with_the_end() {
        let hours = r#""window": {"open": [{"from": "18:00", "to": "21:00"}]}"#;
        let at_two = row("null", &format!(r#"{{{hours}, "end_at": "2026-06-01T14:00"}}"#));
        let lines = gates(&stored(at_two.clone(), &[("a", 7)]), NOON);
        let expected = "does not open before its end at 2026-06-01 14:00 America/Sao_Paulo, in 5 h 0 min: who is left \
                        then is cancelled";
        assert_eq!((lines[1].says.as_str(), lines[1].holds, lines[1].until_ms), (expected, 7, None));
        assert_eq!(
            (lines[2].gate.as_str(), lines[2].says.as_str()),
            ("end", "2026-06-01 14:00 America/Sao_Paulo, in 5 h 0 min")
        );
        let held = super::super::status::derived(&stored(at_two, &[("a", 7)]), NOON).held(NOON).unwrap();
        assert_eq!(held, format!("spring waits for its window: {expected}. 0 of 7 done."));
        let at_ten = row("null", &format!(r#"{{{hours}, "end_at": "2026-06-01T22:00"}}"#));
        let mut some = stored(at_ten, &[("a", 7), ("b", 2)]);
        let mut chunks = some.chunks.to_vec();
        chunks[1].class.day = Some("2026-06-02".to_owned());
        some.chunks = chunks.into();
        let lines = gates(&some, NOON);
        assert!(
            lines[1].says.starts_with(
                "opens 2026-06-01 18:00 America/Sao_Paulo, in 9 h 0 min; for 2 not before its end"
            )
        );
        assert_eq!((lines[1].holds, lines[1].until_ms), (9, Some(NOON + 9 * 3_600_000)));
    }

    #[test]
    fn g3_b3_scheduled_days_are_told_with_who_waits_on_each() {
        let mut stored =
            stored(row("null", "{}"), &[("a", 1), ("a", 700), ("b", 500), ("b", 30), ("b", 4), ("b", 9)]);
        let mut chunks = stored.chunks.to_vec();
        for (chunk, day) in chunks.iter_mut().skip(1).zip(["05", "03", "03", "04", "08"]) {
            chunk.class.day = Some(format!("2026-06-{day}"));
        }
        stored.chunks = chunks.into();
        let lines = gates(&stored, NOON);
        assert_eq!(lines[1].says, "opens 2026-06-03 00:00 America/Sao_Paulo, in 1 d 15 h");
        assert_eq!((lines[2].gate.as_str(), lines[2].holds), ("days", 0));
        assert_eq!(lines[2].says, "2026-06-03: 530, 2026-06-04: 4, 2026-06-05: 700, 1 more day: 9");
    }

    #[test]
    fn g3_b3_a_daily_limit_says_what_is_used_and_when_how_much_of_it_is_free() {
        let row = row(r#""10/s""#, r#"{"daily_send_limit": 1000}"#);
        let mut stored = stored(row.clone(), &[("a", 600), ("b", 600)]);
        stored.ledgers.insert(PageId::from("a"), booked(&row, NOON - 3_600_000, 500));
        let one = gates(&stored, NOON);
        assert_eq!((one[1].says.as_str(), one[2].holds), ("10/s", 600));
        let mut b_is_done = stored.clone();
        b_is_done.counters = vec![(stored.chunks[1].id, Counters { sent: 600, ..Counters::default() })];
        let held = super::super::status::derived(&b_is_done, NOON).held(NOON).unwrap();
        assert!(held.starts_with("spring waits for its daily limit (500 of 1,000 in 24 h used"), "{held}");
        let part = "500 of 1,000 in 24 h used, by 1 of 2 pages all of their part, 500 free at 2026-06-02 08:15 \
                    America/Sao_Paulo";
        assert_eq!(one[2].line(), part);
        stored.ledgers.insert(PageId::from("b"), booked(&row, NOON - 3_600_000, 500));
        let both = gates(&stored, NOON);
        assert_eq!(
            both[2].line(),
            "1,000 of 1,000 in 24 h used, 1,000 free at 2026-06-02 08:15 America/Sao_Paulo"
        );
        let full = |page: &PageId| (page.as_str() == "a").then(|| "100/day".parse().ok()).flatten();
        assert_eq!(page_gate(&stored, full, NOON), None, "nothing was booked for the page");
        let on_page = stored.ledgers.get_mut(&PageId::from("a")).unwrap();
        on_page.body.book(Scope::Page, NOON, 100);
        let held = page_gate(&stored, full, NOON).unwrap();
        assert_eq!(
            (held.says.as_str(), held.holds, held.frees),
            ("a: 100 of 100 in 24 h used", 600, Some(100))
        );
        assert_eq!((both[2].holds, both[2].until_ms), (1_200, Some(NOON + 23 * 3_600_000 + 900_000)));
    }
}
