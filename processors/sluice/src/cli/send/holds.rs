//! Why pages wait: said when it begins and each minute, and when waiting can't help. Pure: time is an argument.

use crate::campaign::status::day_is_full;
use crate::error::Failure;
use crate::view::numbers::{counted, duration};
use sluice_core::PageId;
use sluice_schemas::Channel;
use sluice_sender::PageStatus;
use std::collections::BTreeMap;
use std::time::Duration;

/// A page whose account is refused so long, while nothing gets through, needs a person.
const PATIENCE: Duration = Duration::from_secs(5);

/// While nothing gets through it is said again so often: without a word for minutes this looks like a program that hangs.
const STILL_EVERY: Duration = Duration::from_secs(60);

/// Nothing has moved for so long before the calls without an answer are told.
const QUIET: Duration = Duration::from_secs(3);

/// What each page was last said to wait for.
#[derive(Debug, Default)]
pub(in crate::cli) struct Holds {
    pages: BTreeMap<PageId, Waiting>,
    /// How long a call without an answer stays open for its webhook.
    unresolved_after: Duration,
    /// When something got through last, and how much by then.
    moved: Option<(Duration, u64)>,
    /// Whether the calls without an answer were told since then.
    told_unanswered: bool,
}

#[derive(Debug, Clone)]
struct Waiting {
    word: &'static str,
    detail: String,
    since: Duration,
    /// What had got through by then.
    done: u64,
    /// When it was said last.
    said: Duration,
}

impl Holds {
    /// `unresolved_after`: how long a call without an answer stays open for its webhook.
    pub(in crate::cli) fn new(unresolved_after: Duration) -> Self {
        Self { unresolved_after, ..Self::default() }
    }

    /// Takes in what the board shows; gives the lines to say. `done`: recipients that are through.
    pub(in crate::cli) fn observe(
        &mut self,
        pages: &BTreeMap<PageId, PageStatus>,
        done: u64,
        now: Duration,
    ) -> Vec<String> {
        let mut lines: Vec<String> = self.unanswered(pages, done, now).into_iter().collect();
        for (page, status) in pages {
            let template = status.templates.iter().map(|held| (held.until, &held.reason));
            let holds = status.hold.iter().map(|(until, reason)| (*until, reason)).chain(template);
            let hold = holds.filter(|(until, _)| *until > now).map(|(_, reason)| reason).next();
            let waits = hold.map(|reason| (reason.as_str(), reason.detail().to_owned()));
            let problem = status.problem_of(None).map(|problem| ("not_configured", problem.to_owned()));
            let full = || Some(("daily_limit", day_is_full(status.day?)?));
            match waits.or_else(full).or(problem) {
                Some((word, detail)) => {
                    let known = self.pages.get(page);
                    if known.is_none_or(|known| known.word != word) {
                        lines.push(describe(page, word, &detail));
                        self.pages
                            .insert(page.clone(), Waiting { word, detail, since: now, done, said: now });
                    } else if let Some(known) = self.pages.get_mut(page) {
                        if known.done != done {
                            // Something got through meanwhile: it is not stuck.
                            *known = Waiting { word, detail, since: now, done, said: now };
                        } else if now >= known.said + STILL_EVERY {
                            known.said = now;
                            let waited = duration(now - known.since);
                            lines.push(format!("{}; for {waited} now", describe(page, word, &detail)));
                        }
                    }
                }
                None => {
                    let Some(known) = self.pages.get(page) else { continue };
                    // Between two tries a page does not wait: it is over only when something got through.
                    if known.done != done {
                        lines.push(format!("page {page} goes on"));
                        self.pages.remove(page);
                    }
                }
            }
        }
        lines
    }

    /// Calls whose outcome nobody told are all that is left: without a word this looks like a program that hangs.
    fn unanswered(
        &mut self,
        pages: &BTreeMap<PageId, PageStatus>,
        done: u64,
        now: Duration,
    ) -> Option<String> {
        let since = match self.moved {
            Some((since, before)) if before == done => since,
            _ => {
                self.moved = Some((now, done));
                self.told_unanswered = false;
                now
            }
        };
        let idle = |page: &PageStatus| page.in_flight == 0 && page.granted == 0 && page.hold.is_none();
        let calls: u64 = pages.values().map(|page| u64::from(page.claims)).sum();
        if self.told_unanswered || calls == 0 || now < since + QUIET || !pages.values().all(idle) {
            return None;
        }
        self.told_unanswered = true;
        let left = self.unresolved_after.saturating_sub(now.saturating_sub(since));
        Some(format!(
            "{} without an answer: waiting up to {} for webhooks that tell what became of them; then they are settled as the launch says (on_unknown). Ctrl-C is safe",
            counted(calls, "call", "calls"),
            duration(left),
        ))
    }

    /// Whether every page with work has waited too long for something that only a person can change.
    pub(in crate::cli) fn stuck(
        &self,
        pages: &BTreeMap<PageId, PageStatus>,
        channel: Channel,
        now: Duration,
    ) -> Option<Failure> {
        let mut stuck = None;
        for page in pages.keys() {
            let waiting = self.pages.get(page)?;
            let needs_a_person = matches!(waiting.word, "account" | "template" | "not_configured");
            if !needs_a_person || now < waiting.since + PATIENCE {
                return None;
            }
            stuck = Some((page, waiting));
        }
        let (page, waiting) = stuck?;
        Some(refusal(page, waiting, channel))
    }
}

fn refusal(page: &PageId, waiting: &Waiting, channel: Channel) -> Failure {
    let upper = channel.as_str().to_uppercase();
    let to_do = format!(
        "set SLUICE_{upper}_TOKEN (or channels.{channel}.token in sluice.toml), then run the same command to go on; nothing was lost"
    );
    if waiting.word == "not_configured" {
        return Failure::refused("page_not_configured", format!("page {page} can't send"), to_do)
            .with(waiting.detail.clone());
    }
    if waiting.word == "template" {
        let to_do = "when the template is taken again, run the same command to go on, or cancel the campaign; nothing was lost";
        let message = format!("the provider does not take the template on page {page} at present");
        return Failure::refused("template", message, to_do).with(format!("it said: {}", waiting.detail));
    }
    Failure::refused(
        "account",
        format!("the provider refused the access token or the account of page {page}"),
        to_do,
    )
    .with(format!("it said: {}", waiting.detail))
}

fn describe(page: &PageId, word: &str, detail: &str) -> String {
    match word {
        "provider_unreachable" => {
            format!("page {page} waits: the provider is not reachable ({detail}); tried again until it is")
        }
        "throttled" => format!("page {page} waits: the provider asks to slow down ({detail})"),
        "account" => {
            format!("page {page} waits: the provider refuses the account or its credentials ({detail})")
        }
        "template" => {
            format!("page {page}: the template waits, the provider does not take it at present ({detail})")
        }
        _ => format!("page {page} waits: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::throttle::HoldReason;
    use sluice_sender::{HeldTemplate, PageDay};

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn board(hold: Option<HoldReason>, until: u64) -> BTreeMap<PageId, PageStatus> {
        let status = PageStatus { hold: hold.map(|reason| (at(until), reason)), ..PageStatus::default() };
        BTreeMap::from([(PageId::from("p"), status)])
    }

    fn account() -> Option<HoldReason> {
        Some(HoldReason::Account("190 token".to_owned()))
    }

    #[test]
    fn a_wait_is_said_once_and_its_end_when_something_got_through() {
        let mut holds = Holds::default();
        let down = || Some(HoldReason::Unreachable("refused".to_owned()));
        assert_eq!(holds.observe(&board(down(), 500), 0, at(0)).len(), 1);
        assert!(holds.observe(&board(None, 0), 0, at(600)).is_empty());
        assert!(holds.observe(&board(down(), 2_000), 0, at(700)).is_empty());
        assert_eq!(holds.observe(&board(None, 0), 7, at(2_100)), ["page p goes on"]);
    }

    #[test]
    fn a_page_that_still_waits_says_so_each_minute_while_nothing_gets_through() {
        let mut holds = Holds::default();
        let mut says = |ms: u64, done: u64| {
            let down = Some(HoldReason::Unreachable("refused".to_owned()));
            holds.observe(&board(down, ms + 500), done, at(ms))
        };
        let first = says(0, 0);
        assert!(says(59_900, 0).is_empty());
        assert_eq!(says(60_000, 0), [format!("{}; for 1 min 0 s now", first[0])]);
        assert!(says(90_000, 5).is_empty(), "somebody was reached");
        assert!(says(120_000, 5).is_empty());
        assert_eq!(says(150_000, 5), [format!("{}; for 1 min 0 s now", first[0])]);
    }

    #[test]
    fn a_refused_account_is_given_up_after_five_seconds_without_progress() {
        let mut holds = Holds::default();
        for now in [0, 2_000, 4_900] {
            let pages = board(account(), 60_000);
            holds.observe(&pages, 0, at(now));
            assert!(holds.stuck(&pages, Channel::Whatsapp, at(now)).is_none(), "{now}");
        }
        let failure = holds.stuck(&board(account(), 60_000), Channel::Whatsapp, at(5_000)).unwrap();
        assert!(
            failure.message.contains("page p") && failure.actionable.contains("SLUICE_WHATSAPP_TOKEN"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_page_whose_day_is_used_up_says_when_it_goes_on_and_is_waited_for() {
        let day = PageDay { cap: "1000/day".parse().unwrap(), used: 1_000, frees_at_ms: Some(0) };
        let status = PageStatus { day: Some(day), ..PageStatus::default() };
        let (mut holds, pages) = (Holds::default(), BTreeMap::from([(PageId::from("p"), status)]));
        assert_eq!(
            holds.observe(&pages, 0, at(0)),
            ["page p waits: 1,000 of 1,000 in 24 h, some free at 1970-01-01 00:00 UTC"]
        );
        assert!(holds.stuck(&pages, Channel::Whatsapp, at(3_600_000)).is_none());
    }

    #[test]
    fn a_paused_template_is_said_and_given_up_like_a_refused_account() {
        let held = HeldTemplate {
            template: Some("spring/en".to_owned()),
            campaigns: Vec::new(),
            until: at(3_600_000),
            reason: HoldReason::Template("132015: paused".to_owned()),
        };
        let status = PageStatus { templates: vec![held], ..PageStatus::default() };
        let (mut holds, pages) = (Holds::default(), BTreeMap::from([(PageId::from("p"), status)]));
        let said = holds.observe(&pages, 0, at(0));
        assert!(said.len() == 1 && said[0].contains("132015: paused"), "{said:?}");
        assert!(holds.stuck(&pages, Channel::Whatsapp, at(4_900)).is_none());
        assert_eq!(holds.stuck(&pages, Channel::Whatsapp, at(5_000)).unwrap().code, "template");
    }

    #[test]
    fn calls_without_an_answer_are_told_once_when_nothing_else_moves() {
        let mut holds = Holds::new(Duration::from_secs(900));
        let page = |in_flight| PageStatus { in_flight, claims: 317, ..PageStatus::default() };
        let pages = |in_flight| BTreeMap::from([(PageId::from("p"), page(in_flight))]);
        assert!(holds.observe(&pages(5), 10, at(0)).is_empty());
        assert!(holds.observe(&pages(5), 10, at(4_000)).is_empty(), "calls are under way");
        assert!(holds.observe(&pages(0), 11, at(5_000)).is_empty(), "something got through");
        let said = holds.observe(&pages(0), 11, at(8_000));
        assert!(
            said.len() == 1 && said[0].starts_with("317 calls without an answer: waiting up to"),
            "{said:?}"
        );
        assert!(holds.observe(&pages(0), 11, at(60_000)).is_empty());
    }

    #[test]
    fn an_unreachable_provider_is_waited_for_however_long() {
        let mut holds = Holds::default();
        let pages = board(Some(HoldReason::Unreachable("refused".to_owned())), 9_000_000);
        holds.observe(&pages, 0, at(0));
        assert!(holds.stuck(&pages, Channel::Http, at(3_600_000)).is_none());
    }

    #[test]
    fn one_page_that_works_keeps_the_campaign_going() {
        let mut holds = Holds::default();
        let mut pages = board(account(), 60_000);
        pages.insert(PageId::from("q"), PageStatus::default());
        holds.observe(&pages, 0, at(0));
        assert!(holds.stuck(&pages, Channel::Whatsapp, at(60_000)).is_none());
    }
}
