//! How long pages were silent because of a fault.

use super::Line;
use crate::fault::{Kind, Thing};
use sluice_simulator::Kind as LineKind;
use std::collections::BTreeMap;

/// A page that called this shortly before a fault was at work.
const AT_WORK_US: u64 = 3_000_000;
/// A clean hand-over belongs to a fault until so long after it.
pub const AFTER_US: u64 = 5_000_000;

/// A fault as it was carried out; microseconds since 1970.
#[derive(Debug, Clone)]
pub struct Struck {
    /// What was done.
    pub kind: Kind,
    /// To which process; for [`Kind::Add`] the new one.
    pub slot: usize,
    /// When it began.
    pub at_us: u64,
    /// When it was over: the process or the engine was started again (an engine: and answered), woken, reachable.
    pub over_us: u64,
    /// When it was, in words.
    pub note: String,
}

/// Calls of each page: moment and process, in order of time.
pub type Calls<'a> = BTreeMap<&'a str, Vec<(u64, usize)>>;

/// Sorts calls by page. `lines` are in order of time.
pub fn by_page(lines: &[Line]) -> Calls<'_> {
    let mut pages: Calls<'_> = BTreeMap::new();
    for Line { slot, line } in lines.iter().filter(|line| line.line.kind == LineKind::Call) {
        pages.entry(&line.page).or_default().push((line.t_us, *slot));
    }
    pages
}

/// How long each page that had work took to go on, in microseconds; what is measured depends on the fault:
///
/// - `kill`, `freeze`: from the signal to the first call by another owner, for the pages of that process;
/// - `terminate`, `add`: between the last call of one owner and the first of the next, for pages that changed hands;
/// - an engine or the way to it: from the moment it is reachable again to the first call;
/// - `webhooks`: nothing, no page stops.
pub fn silences(struck: &Struck, calls: &Calls<'_>) -> Vec<u64> {
    calls.values().filter_map(|calls| silence(struck, calls)).flatten().collect()
}

fn silence(struck: &Struck, calls: &[(u64, usize)]) -> Option<Vec<u64>> {
    match struck.kind {
        Kind::Kill | Kind::Freeze => taken_over(struck, calls).map(|silence| vec![silence]),
        Kind::Terminate | Kind::Add => Some(handed_over(struck, calls)),
        Kind::Webhooks => None,
        kind => {
            debug_assert!(matches!(kind.thing(), Thing::Log | Thing::Store));
            resumed(struck, calls).map(|silence| vec![silence])
        }
    }
}

fn taken_over(struck: &Struck, calls: &[(u64, usize)]) -> Option<u64> {
    let before = calls.partition_point(|(t_us, _)| *t_us <= struck.at_us);
    let (last_us, owner) = *calls[..before].last()?;
    if owner != struck.slot || last_us + AT_WORK_US < struck.at_us {
        return None;
    }
    // A killed process may come back and take its own pages again; what a frozen one still had on its way is its own.
    let is_new = |(t_us, slot): &&(u64, usize)| *slot != struck.slot || *t_us >= struck.over_us;
    calls[before..].iter().find(is_new).map(|(t_us, _)| t_us - struck.at_us)
}

fn handed_over(struck: &Struck, calls: &[(u64, usize)]) -> Vec<u64> {
    let within = struck.at_us..struck.over_us + AFTER_US;
    calls
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1 && within.contains(&pair[1].0))
        .map(|pair| pair[1].0 - pair[0].0)
        .collect()
}

fn resumed(struck: &Struck, calls: &[(u64, usize)]) -> Option<u64> {
    let before = calls.partition_point(|(t_us, _)| *t_us <= struck.at_us);
    let (last_us, _) = *calls[..before].last()?;
    let after = calls.partition_point(|(t_us, _)| *t_us <= struck.over_us);
    let (next_us, _) = *calls.get(after)?;
    (last_us + AT_WORK_US >= struck.at_us).then(|| next_us - struck.over_us)
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::call;
    use super::*;
    use sluice_simulator::Outcome;

    const S: u64 = 1_000_000;

    fn struck(kind: Kind, slot: usize, at_s: u64, over_s: u64) -> Struck {
        Struck { kind, slot, at_us: at_s * S, over_us: over_s * S, note: String::new() }
    }

    fn lines(calls: &[(u64, usize, &str)]) -> Vec<Line> {
        calls.iter().map(|(t_us, slot, page)| call(*t_us, *slot, page, "a", Outcome::Accepted)).collect()
    }

    #[test]
    fn takeover_is_from_the_kill_to_the_first_call_of_another_owner() {
        let lines = lines(&[(9 * S, 0, "p"), (9 * S, 1, "q"), (12 * S, 1, "q"), (17 * S, 1, "p")]);
        assert_eq!(silences(&struck(Kind::Kill, 0, 10, 40), &by_page(&lines)), [7 * S]);
    }

    #[test]
    fn a_killed_process_that_is_back_counts_as_another_owner_and_a_page_without_work_does_not_count() {
        let lines = lines(&[(2 * S, 0, "idle"), (9 * S, 0, "p"), (14 * S, 0, "p"), (20 * S, 1, "idle")]);
        assert_eq!(silences(&struck(Kind::Kill, 0, 10, 13), &by_page(&lines)), [4 * S]);
    }

    #[test]
    fn a_clean_hand_over_is_the_gap_between_two_owners() {
        let lines =
            lines(&[(9 * S, 0, "p"), (10 * S + 100, 0, "p"), (10 * S + 600, 2, "p"), (10 * S + 600, 1, "q")]);
        assert_eq!(silences(&struck(Kind::Terminate, 0, 10, 12), &by_page(&lines)), [500]);
    }

    #[test]
    fn after_an_engine_is_back_the_wait_for_the_next_call_counts() {
        let lines = lines(&[(9 * S, 0, "p"), (11 * S, 0, "p"), (22 * S, 0, "p")]);
        assert_eq!(silences(&struck(Kind::StoreKill, 0, 10, 20), &by_page(&lines)), [2 * S]);
        assert!(silences(&struck(Kind::Webhooks, 0, 10, 20), &by_page(&lines)).is_empty());
    }
}
