//! Work that a campaign waits for and that no process does (D8). Pure.

use super::status::CampaignStatus;
use super::stored::Stored;
use crate::node::Work;
use crate::page::working::Working;
use crate::view::numbers::counted;
use sluice_core::{CampaignState, ChunkRow};
use std::collections::BTreeSet;

impl CampaignStatus {
    /// Adds who works on it. Without those whom it waits for nobody can tell its end.
    pub fn add_working(&mut self, stored: &Stored, working: &Working) {
        if self.state.is_ended() {
            return;
        }
        self.processes = Some(working.says());
        if working.is_nobody() {
            return self.add_nobody();
        }
        let shards = stored.awaited_shards();
        let needs = self.needs(&shards);
        self.absent = needs.iter().copied().filter(|work| !working.does(*work)).collect();
        let sends = needs.contains(&Work::Sender) && working.does(Work::Sender);
        if sends && shards.is_disjoint(&working.shards()) {
            self.unowned_shards = shards.into_iter().collect();
        }
        let goes_on = self.absent.is_empty() && self.unowned_shards.is_empty();
        self.finish = self.finish.take().filter(|_| goes_on);
    }

    /// Whether nobody works on it, or not all whom it waits for.
    pub fn is_left_alone(&self) -> bool {
        self.nobody_works || !self.absent.is_empty()
    }

    /// Whether something of it waits for a process that is not there.
    pub fn waits_for_nobody(&self) -> bool {
        self.is_left_alone() || !self.unowned_shards.is_empty()
    }

    /// The work without which it does not go on from where it is; `shards`: those whose senders it waits for.
    fn needs(&self, shards: &BTreeSet<u32>) -> Vec<Work> {
        let (is_open, is_running) = (self.counters.pending > 0, self.state == CampaignState::Running);
        let is_needed = |work: &Work| match (work, self.state) {
            (_, CampaignState::Paused) => false,
            (Work::Expander, state) => !self.expanded && !state.is_ended(),
            (_, CampaignState::Scheduled) => false,
            (Work::Sender, _) => is_open && !shards.is_empty(),
            (Work::Receipts, _) => is_open,
            // While others have something to do it ends nothing.
            (Work::Completion, _) => !is_running || (self.expanded && !is_open),
            (Work::Gateway, _) => false,
        };
        Work::ALL.into_iter().filter(is_needed).collect()
    }

    /// `spring waits: nobody is sent to, since no process has the role sender; to go on: sluice run --roles sender`.
    pub(super) fn held_by_absence(&self) -> Option<String> {
        let name = &self.campaign;
        if !self.absent.is_empty() {
            let lacks = listed(self.absent.iter().map(|work| self.lack(*work)));
            let roles = self.absent.iter().map(|work| work.as_str());
            let (role, all) = match self.absent.len() {
                1 => ("role", listed(roles.clone())),
                _ => ("roles", listed(roles.clone())),
            };
            let command = roles.collect::<Vec<_>>().join(",");
            let to_do =
                format!("since no process has the {role} {all}; to go on: sluice run --roles {command}");
            return Some(match self.state {
                CampaignState::Scheduled => {
                    format!("{}, but {lacks}, {to_do}.", self.sentence().trim_end_matches('.'))
                }
                _ => format!("{name} {}waits: {lacks}, {to_do}. {}.", self.also(), self.far()),
            });
        }
        let shards = self.unowned_shards.len();
        let first = self.unowned_shards.first()?;
        let shards = match shards {
            1 => format!("shard {first}"),
            _ => counted(shards as u64, "shard", "shards"),
        };
        let (also, far) = (self.also(), self.far());
        Some(format!("{name} {also}waits for {shards} to be given to a process that sends. {far}."))
    }

    /// What is not done without it.
    fn lack(&self, work: Work) -> &'static str {
        match work {
            Work::Expander => "its audience is not read",
            Work::Sender if self.state == CampaignState::Cancelling => "its last calls are not settled",
            Work::Sender => "nobody is sent to",
            Work::Receipts => "outcomes are not counted",
            Work::Completion => "it is not brought to its end",
            Work::Gateway => "no webhook is taken",
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

impl Stored {
    /// The shards whose senders it waits for: of its pages that have somebody left; of a cancelled one those that have
    /// called some of them.
    fn awaited_shards(&self) -> BTreeSet<u32> {
        let open = self.open();
        let is_claimed = |chunk: &ChunkRow| {
            let claims = self.body(&chunk.page).map(|body| body.claimed(chunk.id));
            claims.is_some_and(|claims| !claims.is_empty())
        };
        let is_awaited = |chunk: &&ChunkRow| match self.row.state {
            CampaignState::Running => open.contains_key(&chunk.page),
            CampaignState::Cancelling => open.contains_key(&chunk.page) && is_claimed(chunk),
            _ => false,
        };
        self.chunks.iter().filter(is_awaited).map(|chunk| chunk.shard).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::derived;
    use super::super::stored::tests::{booked, row, stored};
    use super::*;
    use crate::page::queue::{Place, queued};
    use crate::page::working::tests::working;
    use sluice_core::{CampaignRow, Counters, Seal};

    const SEAL: Option<Seal> = Some(Seal { chunks: 1, total: 9, not_expanded: 0 });

    fn held(row: CampaignRow, works: &[Work], shards: &[u32]) -> Option<String> {
        let stored = stored(row, &[("a", 9)]);
        let mut status = derived(&stored, 0);
        status.add_working(&stored, &working(works, shards));
        status.held(0)
    }

    fn all_but(absent: &[Work]) -> Vec<Work> {
        Work::ALL.into_iter().filter(|work| !absent.contains(work)).collect()
    }

    #[test]
    fn d8_g3_a_campaign_that_nobody_sends_says_so_and_what_to_do() {
        let sealed = CampaignRow { seal: SEAL, ..row("null", "{}") };
        assert_eq!(
            held(sealed.clone(), &all_but(&[Work::Sender]), &[]).unwrap(),
            "spring waits: nobody is sent to, since no process has the role sender; to go on: sluice run --roles sender. \
             0 of 9 done."
        );
        assert_eq!(held(sealed.clone(), &Work::ALL, &[0]), None);
        assert_eq!(
            held(sealed.clone(), &all_but(&[Work::Expander, Work::Completion]), &[0]),
            None,
            "not now"
        );
        assert_eq!(
            held(row("null", "{}"), &all_but(&[Work::Expander, Work::Sender, Work::Receipts]), &[]).unwrap(),
            "spring waits: its audience is not read, nobody is sent to and outcomes are not counted, since no process has \
             the roles expander, sender and receipts; to go on: sluice run --roles expander,sender,receipts. 0 of 9 done."
        );
        let paused = CampaignRow { state: CampaignState::Paused, ..sealed };
        assert!(
            held(paused, &all_but(&[Work::Sender]), &[]).unwrap().starts_with("spring is paused; to go on")
        );
    }

    #[test]
    fn d8_g3_a_campaign_that_nobody_can_end_or_start_says_so() {
        let without = all_but(&[Work::Completion]);
        let mut done = stored(CampaignRow { seal: SEAL, ..row("null", "{}") }, &[("a", 9)]);
        done.counters = vec![(done.chunks[0].id, Counters { total: 9, sent: 9, ..Counters::default() })];
        let mut status = derived(&done, 0);
        status.add_working(&done, &working(&without, &[0]));
        assert!(
            status
                .held(0)
                .unwrap()
                .starts_with("spring waits: it is not brought to its end, since no process")
        );
        let cancelling = CampaignRow { state: CampaignState::Cancelling, seal: SEAL, ..row("null", "{}") };
        assert!(held(cancelling, &without, &[0]).unwrap().contains("no process has the role completion"));
        let later = CampaignRow::scheduled(row("null", "{}").launch, 0, 60_000);
        assert_eq!(
            held(later, &all_but(&[Work::Expander]), &[0]).unwrap(),
            "spring starts at 1969-12-31 21:01 America/Sao_Paulo, but its audience is not read, since no process has the \
             role expander; to go on: sluice run --roles expander."
        );
    }

    #[test]
    fn d8_g8_a_cancelled_campaign_whose_last_calls_nobody_settles_says_so_and_is_deferred() {
        let (state, reason) = (CampaignState::Cancelling, Some("wrong price".to_owned()));
        let row = CampaignRow { state, reason, seal: SEAL, ..row("null", "{}") };
        let told = |claimed: &[u16], works: &[Work], shards: &[u32]| {
            let mut stored = stored(row.clone(), &[("a", 9)]);
            let mut ledger = booked(&row, 0, 0);
            if !claimed.is_empty() {
                ledger.body.claim(stored.chunks[0].id, 1, &claimed.iter().copied().collect()).unwrap();
            }
            stored.ledgers.insert(stored.chunks[0].page.clone(), ledger);
            let mut status = derived(&stored, 0);
            status.add_working(&stored, &working(works, shards));
            queued(&status, 0)
        };
        let alone = told(&[4, 5], &all_but(&[Work::Sender]), &[]);
        assert_eq!(
            (alone.place, alone.why.as_str()),
            (
                Place::Deferred,
                "spring is being cancelled (wrong price) and waits: its last calls are not settled, since no process \
                 has the role sender; to go on: sluice run --roles sender. 0 of 9 done."
            )
        );
        let elsewhere = told(&[4, 5], &Work::ALL, &[7]);
        let expected = "spring is being cancelled (wrong price) and waits for shard 0 to be given";
        assert!(elsewhere.place == Place::Deferred && elsewhere.why.starts_with(expected), "{elsewhere:?}");
        let says = "spring is being cancelled (wrong price). 0 of 9 done.";
        let nobody_called = told(&[], &all_but(&[Work::Sender]), &[]);
        assert_eq!((nobody_called.place, nobody_called.why.as_str()), (Place::Active, says));
        let settled_soon = told(&[4, 5], &Work::ALL, &[0]);
        assert_eq!((settled_soon.place, settled_soon.why.as_str()), (Place::Active, says));
    }

    #[test]
    fn d8_g3_a_campaign_whose_shard_is_nobodys_waits_for_it_and_forecasts_nothing() {
        let sealed = CampaignRow { seal: SEAL, ..row("null", "{}") };
        let shard = stored(sealed.clone(), &[("a", 9)]).chunks[0].shard;
        assert_eq!(held(sealed.clone(), &Work::ALL, &[shard]), None);
        let waits = held(sealed.clone(), &Work::ALL, &[shard + 1]).unwrap();
        let expected =
            format!("spring waits for shard {shard} to be given to a process that sends. 0 of 9 done.");
        assert_eq!(waits, expected);
        let nobody = held(sealed, &[], &[]).unwrap();
        assert_eq!(nobody, "spring stands still: nobody works on it; to go on: sluice run. 0 of 9 done.");
    }
}
