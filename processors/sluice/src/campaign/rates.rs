//! What is used of a campaign's own rates just now, as far as the pages that this process has can tell: by the slots
//! that their calls wait for. Pure.

use super::status::{CampaignStatus, PageLine};
use crate::view::numbers::{counted, duration};
use sluice_core::CampaignRow;
use sluice_core::gate::CampaignGate;
use std::time::Duration;

/// Pages that are told one by one.
const PAGES_TOLD: usize = 5;

/// Below this a limit that is used keeps nobody for long, in ms.
pub(super) const SOON_MS: u64 = 1_000;

impl CampaignStatus {
    /// Adds to the campaign's rate and to its limit of pairs what its pages say of them.
    pub fn add_uses(&mut self, row: &CampaignRow) {
        let (rate, pairs) = (rate_use(row, &self.pages), pair_use(&self.pages));
        for (gate, says) in [("campaign", rate), ("pair", pairs)] {
            let line = self.gates.iter_mut().find(|line| line.gate == gate);
            if let (Some(line), Some(says)) = (line, says) {
                line.says = format!("{}: {says}", line.says);
            }
        }
        // Of what another process's pages do nothing is known: it may go on.
        let Some(pages) = self.known_open_pages() else { return };
        // A page may count some who are done here.
        let people = pages.iter().filter_map(|page| Some((page.pairs_for_ms?.0 as u64).min(page.open)));
        let all_wait = pages.iter().all(|page| page.pairs_unknown);
        let holds = if all_wait { self.counters.pending } else { people.sum() };
        self.gates.iter_mut().filter(|line| line.gate == "pair").for_each(|line| line.holds = holds);
    }
}

/// `next call in 4.2 s`; of several pages `a 5/min, next call in 4.2 s; b 5/min, free`.
fn rate_use(row: &CampaignRow, pages: &[PageLine]) -> Option<String> {
    let told: Vec<(&PageLine, u64)> =
        pages.iter().filter_map(|page| Some((page, page.rate_for_ms?))).collect();
    if let ([(_, for_ms)], 1) = (&told[..], row.launch.pages.len()) {
        return Some(left(*for_ms));
    }
    let part = |(page, for_ms): &(&PageLine, u64)| {
        let place = row.launch.pages.iter().position(|name| *name == page.page)?;
        let rate = CampaignGate::of(row, place).ok()?.rate?;
        Some(format!("{} {rate}, {}", page.page, left(*for_ms)))
    };
    let mut parts: Vec<String> = told.iter().take(PAGES_TOLD).filter_map(part).collect();
    if told.len() > PAGES_TOLD {
        parts.push(counted((told.len() - PAGES_TOLD) as u64, "more page", "more pages"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn left(for_ms: u64) -> String {
    match for_ms {
        0 => "free".to_owned(),
        1..SOON_MS => "in use".to_owned(),
        _ => format!("next call in {}", duration(Duration::from_millis(for_ms))),
    }
}

/// `3 sends wait, the first for 12.0 s`; where nobody was called yet, why they wait.
fn pair_use(pages: &[PageLine]) -> Option<String> {
    let waits: Vec<(usize, u64)> = pages.iter().filter_map(|page| page.pairs_for_ms).collect();
    let (people, first_ms) =
        waits.into_iter().reduce(|(all, first), (count, next)| (all + count, first.min(next)))?;
    let people = counted(people as u64, "send waits", "sends wait");
    let why = match pages.iter().any(|page| page.pairs_unknown) {
        true => ", because earlier calls are not known",
        false => "",
    };
    Some(format!("{people}, the first for {}{why}", duration(Duration::from_millis(first_ms))))
}

#[cfg(test)]
mod tests {
    use super::super::status::{derived, page_line};
    use super::super::stored::tests::{row, stored};
    use super::*;
    use sluice_core::CampaignId;
    use sluice_sender::{CampaignUse, PageStatus};

    const NOW: Duration = Duration::from_secs(100);

    /// What a page says of the campaign when its next slot comes at `next`.
    fn page(name: &str, campaign: CampaignId, next: Duration, people: usize) -> PageLine {
        let next_person = (people > 0).then_some(NOW + Duration::from_secs(12));
        let own = CampaignUse { campaign, next_call: Some(next), people, next_person, people_unknown: false };
        let other = CampaignUse { campaign: CampaignId::of("t", "another"), next_call: None, ..own };
        let status = PageStatus { uses: vec![other, own], ..PageStatus::default() };
        page_line(name, &status, Some(campaign), NOW)
    }

    fn says(row: CampaignRow, pages: Vec<PageLine>) -> Vec<(String, String)> {
        let mut status = derived(&stored(row.clone(), &[("a", 9)]), 5);
        status.pages = pages;
        status.add_uses(&row);
        status.gates.into_iter().skip(1).map(|line| (line.gate, line.says)).collect()
    }

    #[test]
    fn g3_the_chain_tells_what_of_a_campaigns_own_rates_is_used() {
        let mut row = row(r#""10/min""#, r#"{"pair_rate": "1/min"}"#);
        let line = |gate: &str, says: &str| (gate.to_owned(), says.to_owned());
        assert_eq!(
            says(row.clone(), Vec::new()),
            [line("campaign", "10/min"), line("pair", "1/min to one person")],
            "nobody knows"
        );
        let id = row.id;
        let two = vec![page("a", id, NOW + Duration::from_millis(4_200), 2), page("b", id, NOW, 1)];
        assert_eq!(
            says(row.clone(), two),
            [
                line("campaign", "10/min: a 5/min, next call in 4.2 s; b 5/min, free"),
                line("pair", "1/min to one person: 3 sends wait, the first for 12.0 s")
            ]
        );
        row.launch.pages.truncate(1);
        let one = vec![page("a", id, NOW + Duration::from_millis(300), 0)];
        assert_eq!(says(row, one), [line("campaign", "10/min: in use"), line("pair", "1/min to one person")]);
    }

    #[test]
    fn g3_b2_a_page_that_does_not_know_whom_it_called_before_says_that_everybody_waits() {
        let row = row("null", r#"{"pair_rate": "1/min"}"#);
        let held = |unknown: &[bool]| {
            let mut status = derived(&stored(row.clone(), &[("a", 5), ("b", 4)]), 5);
            let waits = |((name, open), unknown): ((&str, u64), &bool)| PageLine {
                pairs_unknown: *unknown,
                open,
                ..page(name, row.id, NOW, if *unknown { 9 } else { 2 })
            };
            status.pages = [("a", 5), ("b", 4)].into_iter().zip(unknown).map(waits).collect();
            status.add_uses(&row);
            status.held(5)
        };
        assert_eq!(
            held(&[true, true]).unwrap(),
            "spring waits for its limit of pairs (1/min to one person: 18 sends wait, the first for 12.0 s, because \
             earlier calls are not known). 0 of 9 done."
        );
        assert_eq!(held(&[true, false]), None, "one of its pages goes on");
        assert_eq!(held(&[true]), None, "of the other one nothing is known here");
    }

    #[test]
    fn g3_b2_who_are_left_and_were_called_a_moment_ago_are_told_of() {
        let row = row("null", r#"{"pair_rate": "1/min"}"#);
        let held = |people: usize| {
            let mut status = derived(&stored(row.clone(), &[("a", 7), ("b", 2)]), 5);
            let waits = |name, open, people| PageLine { open, ..page(name, row.id, NOW, people) };
            status.pages = vec![waits("a", 7, people), waits("b", 2, 2)];
            status.add_uses(&row);
            status.held(5)
        };
        assert_eq!(
            held(7).unwrap(),
            "spring waits for its limit of pairs (1/min to one person: 9 sends wait, the first for 12.0 s). 0 of 9 done."
        );
        assert_eq!(held(6), None, "somebody else can be called");
    }
}
