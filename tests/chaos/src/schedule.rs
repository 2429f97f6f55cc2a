//! What happens when: pure, and the same for the same seed.

use crate::chance::Chance;
use crate::fault::{Kind, Thing};
use std::fmt;

/// A killed owner's pages are called again so long after the end of its session.
const BACK_AFTER_SESSION_MS: u64 = 5_000;

/// One fault of a schedule. Times in ms after the first call of the round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub kind: Kind,
    /// To which process; of no meaning where it is not done to one.
    pub slot: usize,
    /// When it begins.
    pub at_ms: u64,
    /// How long it lasts: until a process or an engine is started again, woken up, or reachable again.
    pub lasts_ms: u64,
}

impl Step {
    /// When it is over.
    pub fn ends_ms(&self) -> u64 {
        self.at_ms + self.lasts_ms
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s: {} for {:.1} s", seconds(self.at_ms), self.kind, seconds(self.lasts_ms))?;
        match self.kind {
            Kind::Kill | Kind::Freeze | Kind::Terminate => write!(f, ", process {}", self.slot),
            _ => Ok(()),
        }
    }
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// How steps follow each other.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Before the first.
    pub first_ms: u64,
    /// Between the end of one and the beginning of the next, at least; up to twice as long.
    pub gap_ms: u64,
    /// A member of a group is given up after so long.
    pub session_ms: u64,
    /// Processes that always run; faults choose one of them.
    pub processes: usize,
    /// One in so many steps begins while the one before lasts, if it is done to something else; 0: none.
    pub overlap_one_in: u64,
}

/// Kinds in random order, each once before any comes twice.
#[derive(Debug, Clone)]
pub struct Deck {
    kinds: Vec<Kind>,
    left: Vec<Kind>,
}

impl Deck {
    /// Of these kinds. Without any there are no faults.
    pub fn new(kinds: &[Kind]) -> Self {
        Self { kinds: kinds.to_vec(), left: Vec::new() }
    }

    fn next(&mut self, chance: &mut Chance) -> Option<Kind> {
        if self.left.is_empty() {
            self.left = self.kinds.clone();
            chance.shuffle(&mut self.left);
        }
        self.left.pop()
    }
}

/// The steps of one round, in order of their beginnings.
pub fn draw(chance: &mut Chance, deck: &mut Deck, steps: usize, pace: &Pace) -> Vec<Step> {
    let mut drawn: Vec<Step> = Vec::with_capacity(steps);
    let mut free_ms = pace.first_ms;
    while drawn.len() < steps {
        let Some(kind) = deck.next(chance) else { break };
        let slot = chance.in_range(0..pace.processes as u64) as usize;
        let lasts_ms = lasts_ms(kind, chance, pace.session_ms);
        let after_ms = free_ms + chance.in_range(0..pace.gap_ms + 1);
        let wants_overlap = chance.one_in(pace.overlap_one_in);
        let at_ms = match drawn.last() {
            Some(before) if wants_overlap && can_overlap(before.kind, kind) && is_alone(&drawn) => {
                before.at_ms + before.lasts_ms / 2
            }
            _ => after_ms,
        };
        drawn.push(Step { kind, slot, at_ms, lasts_ms });
        free_ms = free_ms.max(at_ms + lasts_ms + pace.gap_ms).max(at_ms + back_ms(kind, pace));
    }
    drawn
}

/// After a kill its pages are silent until the session has ended and another owner has waited: left alone for so
/// long, it can be measured.
fn back_ms(kind: Kind, pace: &Pace) -> u64 {
    if kind == Kind::Kill { pace.session_ms + BACK_AFTER_SESSION_MS } else { 0 }
}

/// Whether nothing lasts while the last step begins: at most two faults at once.
fn is_alone(drawn: &[Step]) -> bool {
    match drawn {
        [.., before, last] => before.ends_ms() <= last.at_ms,
        _ => true,
    }
}

/// A process and an engine may have trouble at once; two of a kind would leave nobody to go on.
fn can_overlap(first: Kind, second: Kind) -> bool {
    (first.thing() == Thing::Process) != (second.thing() == Thing::Process)
}

fn lasts_ms(kind: Kind, chance: &mut Chance, session_ms: u64) -> u64 {
    let range = match kind {
        Kind::Kill => 1_000..9_000,
        // Longer than the session: another process has the pages when it wakes up.
        Kind::Freeze => session_ms + 4_000..session_ms + 12_000,
        Kind::Terminate => 1_000..5_000,
        Kind::Add => 8_000..15_000,
        Kind::BrokerKill | Kind::StoreKill => 1_000..12_000,
        Kind::BrokerPause | Kind::StorePause => 2_000..15_000,
        Kind::LogCut | Kind::StoreCut => 500..6_000,
        Kind::LogHang | Kind::StoreHang => 2_000..12_000,
        Kind::LogDelay | Kind::StoreDelay => 5_000..12_000,
        Kind::Webhooks => 5_000..12_000,
    };
    chance.in_range(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn pace(overlap_one_in: u64) -> Pace {
        Pace { first_ms: 3_000, gap_ms: 4_000, session_ms: 10_000, processes: 3, overlap_one_in }
    }

    fn drawn(seed: u64, steps: usize, overlap_one_in: u64) -> Vec<Step> {
        draw(&mut Chance::new(seed), &mut Deck::new(&Kind::ALL), steps, &pace(overlap_one_in))
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_schedule_and_another_one_another(seed in any::<u64>()) {
            prop_assert_eq!(drawn(seed, 20, 3), drawn(seed, 20, 3));
            prop_assert_ne!(drawn(seed, 20, 3), drawn(seed.wrapping_add(1), 20, 3));
        }

        #[test]
        fn one_fault_is_over_and_had_its_gap_before_the_next(seed in any::<u64>()) {
            for pair in drawn(seed, 40, 0).windows(2) {
                prop_assert!(pair[0].ends_ms() + pace(0).gap_ms <= pair[1].at_ms);
            }
        }

        #[test]
        fn two_at_once_are_one_process_and_one_engine_and_never_three(seed in any::<u64>()) {
            let steps = drawn(seed, 60, 2);
            for (number, step) in steps.iter().enumerate() {
                let at_once: Vec<_> = steps[..number].iter().filter(|s| s.ends_ms() > step.at_ms).collect();
                prop_assert!(at_once.len() <= 1, "{step}: {at_once:?}");
                for other in at_once {
                    prop_assert!(can_overlap(other.kind, step.kind), "{step} during {other}");
                }
            }
            let begins: Vec<_> = steps.iter().map(|step| step.at_ms).collect();
            prop_assert!(begins.is_sorted());
        }

        #[test]
        fn every_kind_comes_once_before_any_comes_twice(seed in any::<u64>()) {
            let mut times: BTreeMap<Kind, u32> = BTreeMap::new();
            drawn(seed, 2 * Kind::ALL.len(), 4).iter().for_each(|s| *times.entry(s.kind).or_default() += 1);
            prop_assert!(times.values().all(|times| *times == 2) && times.len() == Kind::ALL.len());
        }

        #[test]
        fn a_frozen_process_sleeps_longer_than_its_session_and_only_known_processes_are_meant(seed in any::<u64>()) {
            for step in drawn(seed, 60, 3) {
                prop_assert!(step.kind != Kind::Freeze || step.lasts_ms > pace(3).session_ms);
                prop_assert!(step.slot < 3 && step.lasts_ms > 0);
            }
        }
    }

    #[test]
    fn without_kinds_there_are_no_faults() {
        assert_eq!(draw(&mut Chance::new(1), &mut Deck::new(&[]), 5, &pace(0)), []);
    }

    #[test]
    fn a_step_says_what_it_does() {
        let step = Step { kind: Kind::Freeze, slot: 2, at_ms: 3_250, lasts_ms: 14_000 };
        assert_eq!(step.to_string(), "3.2 s: freeze for 14.0 s, process 2");
    }
}
