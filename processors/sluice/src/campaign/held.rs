//! What holds a campaign, in one sentence. Pure.

use super::gates::GateLine;
use super::rates::SOON_MS;
use super::status::{CampaignStatus, PageLine, StalledLine};
use crate::page::retries::Retries;
use crate::view::moment::when;
use crate::view::numbers::{counted, duration, thousands};
use sluice_core::CampaignState;
use std::time::Duration;

impl CampaignStatus {
    /// What holds the campaign and until when, in one sentence with how far it is; `None`: nothing holds all of it.
    pub fn held(&self, now_ms: i64) -> Option<String> {
        let name = &self.campaign;
        let far = self.far();
        if self.nobody_works {
            return Some(match self.state {
                CampaignState::Scheduled => {
                    format!("{}, and nobody works on it.", self.sentence().trim_end_matches('.'))
                }
                CampaignState::Paused => {
                    format!("{name} is paused{}, and nobody works on it. {far}.", self.why())
                }
                CampaignState::Cancelling => {
                    format!("{name} is being cancelled{}, and nobody works on it. {far}.", self.why())
                }
                _ => format!("{name} stands still: nobody works on it; to go on: sluice run. {far}."),
            });
        }
        if let Some(trouble) = &self.trouble {
            return Some(format!("{name} waits: {trouble}; it goes on by itself. {far}."));
        }
        if let Some(absence) = self.held_by_absence() {
            return Some(absence);
        }
        let waits = self.counters.pending;
        let holds_all = |line: &&GateLine| line.holds > 0 && line.holds >= waits;
        // A window or a limit holds nobody who was called already.
        if let Some(line) = self.all_unanswered().filter(|_| self.state != CampaignState::Paused) {
            return Some(format!("{name} {}{}. {far}.", self.also(), line.waits_for_answers(now_ms)));
        }
        let holding = self.gates.iter().find(holds_all);
        if let Some(line) = holding {
            return Some(match line.gate.as_str() {
                "run state" if self.state == CampaignState::Paused => {
                    let why = self.why();
                    format!("{name} is paused{why}; to go on: sluice campaign resume {name}. {far}.")
                }
                "run state" if self.state == CampaignState::Cancelling => {
                    format!("{name} is being cancelled{}. {far}.", self.why())
                }
                "run state" => format!("{name} is {}. {far}.", self.state.as_str()),
                _ => format!("{name} waits for {}. {far}.", line.waited_for(waits, now_ms)),
            });
        }
        if let Some(still) = self.audience_stands_still().filter(|_| waits == 0) {
            return Some(format!("{name} waits for its audience: {still}. {far}."));
        }
        if let Some(stalled) = self.stalled.as_ref().and_then(StalledLine::says) {
            return Some(format!("{name} {stalled}. {far}."));
        }
        Some(format!("{name} waits for {}. {far}.", self.held_by_pages(now_ms)?))
    }

    /// What its pages wait for, or its rules on them, where that is so on each of them. Pages that are done wait for nobody.
    fn held_by_pages(&self, now_ms: i64) -> Option<String> {
        let (waiting, held): (Vec<_>, Vec<_>) =
            self.known_open_pages()?.into_iter().partition(|page| page.waits.is_some());
        if held.iter().any(|page| page.held < page.open) {
            return None;
        }
        let mut reasons: Vec<String> = Vec::new();
        if let Some((page, others)) = waiting.split_first() {
            let others = match others.len() {
                0 => String::new(),
                count => format!(", and {} as well", counted(count as u64, "other page", "other pages")),
            };
            reasons.push(format!("page {}: {}{others}", page.page, page.why()?));
        }
        if !held.is_empty() {
            let rules = self.gates.iter().filter(|line| line.holds > 0 && line.is_rule_of_pages());
            reasons.extend(rules.map(|line| line.waited_for(line.holds, now_ms)));
        }
        Some(reasons.join("; and for "))
    }

    /// `is being cancelled (wrong price) and `, before what a cancelled one waits for.
    pub(super) fn also(&self) -> String {
        match self.state {
            CampaignState::Cancelling => format!("is being cancelled{} and ", self.why()),
            _ => String::new(),
        }
    }

    /// `the next call in 42 min 10 s by its own rate`, `slowed to 57 % by its provider`, where a limit keeps all of its pages
    /// for a while, or all are slowed.
    pub(super) fn paced(&self) -> Option<String> {
        let pages = self.known_open_pages()?;
        let keeps = pages.iter().map(|page| match page.rate_for_ms {
            Some(own_ms) if own_ms >= page.page_rate_for_ms => (own_ms, None),
            _ => (page.page_rate_for_ms, Some(page)),
        });
        let (for_ms, page) = keeps.min_by_key(|(for_ms, _)| *for_ms)?;
        if for_ms >= SOON_MS {
            let limit = page
                .map_or_else(|| "its own rate".to_owned(), |page| format!("the rate of page {}", page.page));
            return Some(format!("the next call in {} by {limit}", duration(Duration::from_millis(for_ms))));
        }
        let speeds: Option<Vec<u32>> = pages.iter().map(|page| page.speed_percent).collect();
        Some(format!("slowed to {} % by its provider", speeds?.into_iter().max()?))
    }

    /// The calls whose answer is unknown, where nobody else is left.
    pub fn all_unanswered(&self) -> Option<&GateLine> {
        let waits = self.counters.pending;
        self.gates.iter().find(|line| line.is_unanswered() && line.holds > 0 && line.holds >= waits)
    }

    /// The same where nothing else holds it: all who are left are tried again later, beside calls whose answer is unknown.
    pub fn held_by_retries(&self, retries: &Retries, now_ms: i64) -> Option<String> {
        let next_ms = retries.next_at_ms.filter(|next_ms| *next_ms > now_ms)?;
        let unanswered = self.gates.iter().find(|line| line.is_unanswered());
        let waits = retries.later + unanswered.map_or(0, |line| line.holds);
        let is_all = retries.whole && retries.due == 0 && waits >= self.counters.pending;
        if !is_all || self.is_left_alone() || self.state != CampaignState::Running {
            return None;
        }
        let name = &self.campaign;
        let also =
            unanswered.map_or_else(String::new, |line| format!("{}, and ", line.waits_for_answers(now_ms)));
        let people = counted(retries.later, "recipient", "recipients");
        let next = when(next_ms, self.coming.time_zone.as_deref(), now_ms);
        let far = self.far();
        Some(format!("{name} {also}waits to try {people} again, the first at {next}. {far}."))
    }
}

impl GateLine {
    /// Its hours or its limit of the day: what [`PageLine::held`] counts.
    fn is_rule_of_pages(&self) -> bool {
        matches!(self.gate.as_str(), "window" | "daily limit")
    }

    /// `its window: opens 2026-06-02 08:00 UTC, in 4 h 0 min`, where it holds so many.
    fn waited_for(&self, holds: u64, now_ms: i64) -> String {
        let until = self.until_ms.map(|until| when(until, self.zone.as_deref(), now_ms));
        match (self.gate.as_str(), until) {
            ("pair", _) => format!("its limit of pairs ({})", self.says),
            ("window", Some(until)) => format!("its window: opens {until}"),
            (gate, Some(until)) => {
                let more = |count: u64| format!(" with {} more", thousands(count.min(holds)));
                let more = self.frees.map_or_else(String::new, more);
                format!("its {gate} ({}), goes on {until}{more}", self.says)
            }
            (gate, None) => format!("its {gate}: {}", self.says),
        }
    }
}

impl StalledLine {
    /// `stood still without a reason: 9 recipients are asked for again`; `None` where more is known than what was found.
    fn says(&self) -> Option<String> {
        let people = counted(self.recipients, "recipient", "recipients");
        match self.reason.as_str() {
            "no_sender" => Some(format!("stands still: no process has the shards of {people}")),
            "no_expander" => Some("stands still: no process reads its audience".to_owned()),
            "audience" => None,
            "seal" => Some(format!(
                "can't end: its chunks and its seal differ by {people}; sluice verify tells where"
            )),
            _ => Some(format!("stood still without a reason: {people} are asked for again")),
        }
    }
}

impl PageLine {
    /// `throttled (429), tried again in 12.0 s`, while it waits.
    pub fn why(&self) -> Option<String> {
        let waits = self.waits.as_ref()?;
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let again = self.for_ms.map_or_else(String::new, |ms| {
            format!(", tried again in {}", duration(Duration::from_millis(ms)))
        });
        Some(format!("{waits}{detail}{again}"))
    }

    /// `shop: 3 calls in flight, 40 granted; waits: throttled (429), tried again in 12.0 s`.
    pub fn says(&self) -> String {
        let why = self.why().map_or_else(String::new, |why| format!("; waits: {why}"));
        let calls = counted(self.in_flight as u64, "call", "calls");
        format!("{}: {calls} in flight, {} granted{why}", self.page, self.granted)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finish::Finish;
    use super::super::gates::GateLine;
    use super::super::status::{derived, page_line};
    use super::super::stored::tests::{booked, row, stored};
    use super::*;
    use sluice_core::throttle::HoldReason;
    use sluice_core::{CampaignRow, Counters, PageId, Seal};
    use sluice_sender::PageStatus;
    use std::cell::Cell;

    #[test]
    fn g3_a_campaign_that_nobody_works_on_says_so_and_forecasts_nothing() {
        let of = |state| {
            let mut status = derived(&stored(CampaignRow { state, ..row("null", "{}") }, &[("a", 9)]), 0);
            status.finish = Some(Finish { ends_ms: None, limited_by: String::new(), says: String::new() });
            status.add_nobody();
            let held = status.held(0);
            assert_eq!(status.finish.is_some(), held.is_none(), "{state:?}");
            held
        };
        let running = of(CampaignState::Running).unwrap();
        assert_eq!(running, "spring stands still: nobody works on it; to go on: sluice run. 0 of 9 done.");
        for state in [CampaignState::Paused, CampaignState::Cancelling] {
            assert!(of(state).unwrap().contains("nobody works on it"), "{state:?}");
        }
        assert_eq!(of(CampaignState::Completed), None, "an ended one needs nobody");
        let launch = row("null", "{}").launch;
        let mut waits = derived(&stored(CampaignRow::scheduled(launch, 0, 60_000), &[]), 0);
        waits.add_nobody();
        assert_eq!(
            waits.held(0).unwrap(),
            "spring starts at 1969-12-31 21:01 America/Sao_Paulo, and nobody works on it."
        );
    }

    #[test]
    fn d8_g2_a_campaign_that_cannot_end_says_so_also_while_it_is_paused() {
        let seal = Some(Seal { chunks: 1, total: 12, not_expanded: 0 });
        for state in [CampaignState::Running, CampaignState::Paused] {
            let mut done = stored(CampaignRow { state, seal, ..row("null", "{}") }, &[("a", 9)]);
            done.counters = vec![(done.chunks[0].id, Counters { total: 9, sent: 9, ..Counters::default() })];
            let mut status = derived(&done, 0);
            let reason = "seal".to_owned();
            status.stalled = Some(StalledLine { found_ms: 9, since_ms: 5, reason, recipients: 3 });
            let expected = "spring can't end: its chunks and its seal differ by 3 recipients; sluice verify tells \
                            where. 9 of 12 done.";
            assert_eq!(status.held(0).as_deref(), Some(expected), "{state:?}");
        }
    }

    #[test]
    fn g3_f7_a_campaign_waits_for_the_pages_that_have_somebody_left() {
        let page = |name: &str, open: u64, waits: Option<&str>| {
            let known = page_line(name, &PageStatus::default(), None, Duration::ZERO);
            PageLine { open, waits: waits.map(str::to_owned), ..known }
        };
        let held = |pages: Vec<PageLine>| {
            let mut status = derived(&stored(row("null", "{}"), &[("a", 9), ("b", 4)]), 0);
            status.open_pages = pages.iter().filter(|page| page.open > 0).count();
            status.pages = pages;
            status.held(0)
        };
        let (refused, free) = (page("b", 4, Some("account")), page("a", 9, None));
        let expected = "spring waits for page b: account. 0 of 13 done.";
        assert_eq!(held(vec![page("a", 0, None), refused.clone()]).unwrap(), expected, "a is done");
        assert_eq!(held(vec![free, refused.clone()]), None);
        let both = held(vec![page("a", 9, Some("throttled")), refused]).unwrap();
        assert_eq!(both, "spring waits for page a: throttled, and 1 other page as well. 0 of 13 done.");
    }

    #[test]
    fn g3_f7_two_reasons_that_hold_everybody_together_are_both_told() {
        const NOON: i64 = 1_780_315_200_000;
        let now = Duration::from_secs(100);
        let mut of = stored(row("null", r#"{"daily_send_limit": 1000}"#), &[("a", 9), ("b", 4)]);
        of.ledgers.insert("a".into(), booked(&of.row, NOON - 3_600_000, 500));
        let held = |waits: bool| {
            let mut status = derived(&of, NOON);
            let known = |page: &PageId| {
                let refused = HoldReason::Account("190: expired".to_owned());
                let hold = (waits && page.as_str() == "b").then(|| (now + Duration::from_secs(60), refused));
                Some(PageStatus { hold, ..PageStatus::default() })
            };
            status.add_pages(&of, known, (now, NOON));
            status.held(NOON)
        };
        assert_eq!(held(false), None, "b goes on");
        let both = held(true).unwrap();
        assert!(both.starts_with("spring waits for page b: account"), "{both}");
        assert!(both.contains("; and for its daily limit (500 of 1,000 in 24 h used, by 1 of 2 pages all of their part), goes on 2026-06-02"), "{both}");
    }

    #[test]
    fn g3_b2_a_rate_that_keeps_the_next_call_for_a_while_is_told_with_the_time() {
        let slow = Cell::new(None);
        let says = |own_ms: Option<u64>, page_ms: u64| {
            let known = page_line("a", &PageStatus::default(), None, Duration::ZERO);
            let seal = Some(Seal { chunks: 1, total: 9, not_expanded: 0 });
            let mut status = derived(&stored(CampaignRow { seal, ..row("null", "{}") }, &[("a", 9)]), 0);
            let (rate_for_ms, page_rate_for_ms, speed_percent) = (own_ms, page_ms, slow.get());
            status.pages = vec![PageLine { open: 9, rate_for_ms, page_rate_for_ms, speed_percent, ..known }];
            assert_eq!(status.held(0), None, "it goes on");
            status.sentence()
        };
        let (own, page) = (says(Some(2_530_000), 9_000), says(Some(0), 9_000));
        assert_eq!(own, "spring is running: 0 of 9 done, the next call in 42 min 10 s by its own rate.");
        assert_eq!(page, "spring is running: 0 of 9 done, the next call in 9.0 s by the rate of page a.");
        assert_eq!(says(None, 999), "spring is running: 0 of 9 done.");
        slow.set(Some(57));
        assert_eq!(says(None, 0), "spring is running: 0 of 9 done, slowed to 57 % by its provider.");
    }

    #[test]
    fn c5_g3_a_paused_campaign_tells_why_and_one_that_was_resumed_in_its_chain() {
        let of = |state| {
            let row = CampaignRow { state, reason: Some("a look first".to_owned()), ..row("null", "{}") };
            derived(&stored(row, &[("a", 9)]), 0)
        };
        let paused = of(CampaignState::Paused);
        let expected =
            "spring is paused (a look first); to go on: sluice campaign resume spring. 0 of 9 done.";
        assert_eq!(paused.held(0).unwrap(), expected);
        assert_eq!(paused.sentence(), "spring is paused (a look first): 0 of 9 done.");
        let resumed = of(CampaignState::Running);
        assert_eq!(resumed.gates[0].says, "running since 1969-12-31 21:00 America/Sao_Paulo (a look first)");
    }

    #[test]
    fn c3_c6_g3_who_is_tried_again_later_is_told_when_nobody_else_is_left() {
        let counters = Counters { total: 9, pending: 3, sent: 6, ..Counters::default() };
        let mut status = derived(&stored(row("null", "{}"), &[("a", 9)]), 0);
        status.counters = counters;
        let later = Retries { due: 0, later: 3, next_at_ms: Some(60_000), whole: true };
        assert_eq!(
            status.held_by_retries(&later, 0).unwrap(),
            "spring waits to try 3 recipients again, the first at 1969-12-31 21:01 America/Sao_Paulo, in 1 min 0 s. \
             6 of 9 done."
        );
        for sends in
            [Retries { due: 1, ..later }, Retries { whole: false, ..later }, Retries { later: 2, ..later }]
        {
            assert_eq!(status.held_by_retries(&sends, 0), None, "{sends:?}");
        }
        assert_eq!(status.held_by_retries(&later, 60_000), None, "it is due");
        status.gates.push(GateLine {
            gate: "webhooks".to_owned(),
            says: String::new(),
            holds: 1,
            until_ms: Some(30_000),
            frees: None,
            zone: None,
        });
        let both = status.held_by_retries(&Retries { later: 2, ..later }, 0).unwrap();
        assert!(
            both.starts_with("spring waits for the webhooks of 1 call whose answer is unknown, until"),
            "{both}"
        );
        assert!(both.contains("(sender.unresolved_after_ms), and waits to try 2 recipients again"), "{both}");
    }
}
