//! What is counted for each kind of fault, over many rounds.

use crate::fault::Kind;
use crate::judge::Judged;
use crate::judge::takeover::Struck;
use std::collections::BTreeMap;

/// What a fault breaks off was under way shortly before it.
const BEFORE_US: u64 = 3_000_000;

/// The sums of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// How often it was done.
    pub times: u64,
    /// Messages the provider took from shortly before it to the next fault.
    pub sent: u64,
    /// Calls in that time that G1 forbids.
    pub doubled: u64,
    /// People in that time whom no call reached and no state explains.
    pub lost: u64,
    /// People in that time who are `unknown`, though the provider answered or was never called.
    pub unknown: u64,
    /// People in that time who are `unknown` because the provider did not answer.
    pub unanswered: u64,
    /// How long pages took to go on, in ms.
    pub silences_ms: Vec<u64>,
}

/// Sums by kind; `None` is the time before the first fault of a round.
#[derive(Debug, Default)]
pub struct Tally {
    /// Sums by kind.
    pub kinds: BTreeMap<Option<Kind>, Sums>,
}

impl Tally {
    /// Adds a fault that was carried out and how long pages were silent (microseconds).
    pub fn add_fault(&mut self, kind: Kind, silences_us: &[u64]) {
        let sums = self.kinds.entry(Some(kind)).or_default();
        sums.times += 1;
        sums.silences_ms.extend(silences_us.iter().map(|us| us / 1_000));
    }

    /// Adds what was found of a campaign, each thing to the fault in whose time it happened.
    pub fn add_judged(&mut self, judged: &Judged, struck: &[Struck]) {
        let mut count = |moments: &[u64], of: fn(&mut Sums) -> &mut u64| {
            for moment in moments {
                *of(self.kinds.entry(kind_at(struck, *moment)).or_default()) += 1;
            }
        };
        count(&judged.sent, |sums| &mut sums.sent);
        count(&judged.doubled, |sums| &mut sums.doubled);
        count(&judged.lost, |sums| &mut sums.lost);
        count(&judged.unknown_by_fault, |sums| &mut sums.unknown);
        count(&judged.unknown_by_provider, |sums| &mut sums.unanswered);
    }

    /// The sums of all kinds.
    pub fn total(&self) -> Sums {
        let mut total = Sums::default();
        for sums in self.kinds.values() {
            total.times += sums.times;
            total.sent += sums.sent;
            total.doubled += sums.doubled;
            total.lost += sums.lost;
            total.unknown += sums.unknown;
            total.unanswered += sums.unanswered;
            total.silences_ms.extend(&sums.silences_ms);
        }
        total
    }
}

/// The fault in whose time a moment lies: the last one that had begun by then, or shortly after.
fn kind_at(struck: &[Struck], moment_us: u64) -> Option<Kind> {
    struck.iter().rev().find(|struck| struck.at_us <= moment_us + BEFORE_US).map(|struck| struck.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn what_happens_shortly_before_a_fault_belongs_to_it() {
        let struck = |kind, at_s: u64| Struck {
            kind,
            slot: 0,
            at_us: at_s * S,
            over_us: at_s * S,
            note: String::new(),
        };
        let struck = [struck(Kind::Kill, 20), struck(Kind::Freeze, 40)];
        let judged = Judged {
            sent: vec![5 * S, 16 * S, 18 * S, 36 * S, 38 * S],
            unknown_by_fault: vec![19 * S],
            ..Judged::default()
        };
        let mut tally = Tally::default();
        tally.add_fault(Kind::Kill, &[4_200_000]);
        tally.add_judged(&judged, &struck);
        let sent = |kind: Option<Kind>| tally.kinds[&kind].sent;
        assert_eq!((sent(None), sent(Some(Kind::Kill)), sent(Some(Kind::Freeze))), (2, 2, 1));
        let kill = &tally.kinds[&Some(Kind::Kill)];
        assert_eq!((kill.times, kill.unknown, kill.silences_ms.as_slice()), (1, 1, &[4_200][..]));
        assert_eq!(tally.total().sent, 5);
    }
}
