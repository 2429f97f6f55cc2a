//! G4: no page calls faster than it may, in any window, whoever owns it.

use super::{Line, Violation};
use sluice_simulator::Kind;
use std::collections::BTreeMap;

/// The windows that are looked at, in seconds.
pub const WINDOWS_S: [u64; 2] = [1, 10];

/// Calls are counted where they arrive. On a machine whose cores are busy some arrive late, and bunch up with those
/// after them; two owners at once would double the rate, which is far more than this many milliseconds' worth.
pub(crate) const LATE_MS_MAX: u64 = 300;

/// The busiest windows of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busiest {
    /// The page.
    pub page: String,
    /// What it may do in a second.
    pub per_second: u64,
    /// Calls in the busiest window of each of [`WINDOWS_S`].
    pub calls: [u64; 2],
}

/// Counts every page of `limits` (calls per second).
pub fn busiest(lines: &[Line], limits: &BTreeMap<String, u64>) -> Vec<Busiest> {
    let mut times: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for Line { line, .. } in lines.iter().filter(|line| line.line.kind == Kind::Call) {
        times.entry(&line.page).or_default().push(line.t_us);
    }
    limits
        .iter()
        .map(|(page, per_second)| {
            let mut times = times.get(page.as_str()).cloned().unwrap_or_default();
            times.sort_unstable();
            let calls = WINDOWS_S.map(|window| in_window(&times, window * 1_000_000));
            Busiest { page: page.clone(), per_second: *per_second, calls }
        })
        .collect()
}

/// The most of `times` (sorted) in any half-open window.
pub(crate) fn in_window(times: &[u64], window_us: u64) -> u64 {
    let (mut first, mut most) = (0, 0);
    for (last, time) in times.iter().enumerate() {
        while times[first] + window_us <= *time {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as u64
}

impl Busiest {
    /// Calls that may arrive within a window.
    pub fn allowed(&self, window_s: u64) -> u64 {
        self.per_second * window_s + (self.per_second * LATE_MS_MAX).div_ceil(1_000) + 1
    }

    /// The windows that hold too many.
    pub fn violations(&self) -> Vec<Violation> {
        WINDOWS_S
            .into_iter()
            .zip(self.calls)
            .filter(|(window, calls)| *calls > self.allowed(*window))
            .map(|(window, calls)| {
                let (page, rate) = (&self.page, self.per_second);
                Violation {
                    guarantee: "G4",
                    what: format!("page {page} may call {rate}/s, and called {calls} in {window} s"),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::call;
    use super::*;
    use proptest::prelude::*;
    use sluice_simulator::Outcome;

    fn of(times: &[u64], per_second: u64) -> Busiest {
        let lines: Vec<Line> = times.iter().map(|t_us| call(*t_us, 0, "p", "a", Outcome::Accepted)).collect();
        busiest(&lines, &BTreeMap::from([("p".to_owned(), per_second)])).remove(0)
    }

    #[test]
    fn g4_an_even_pace_is_kept_and_two_owners_at_once_are_found() {
        let even: Vec<u64> = (0..1_000).map(|n| n * 20_000).collect();
        assert_eq!(of(&even, 50).calls, [50, 500]);
        assert_eq!(of(&even, 50).violations(), []);
        let doubled: Vec<u64> = even.iter().flat_map(|t| [*t, t + 10_000]).collect();
        assert_eq!(of(&doubled, 50).violations().len(), 2);
    }

    proptest! {
        #[test]
        fn a_window_is_counted_as_if_every_one_were_looked_at(mut times in proptest::collection::vec(0u64..5_000, 0..60)) {
            times.sort_unstable();
            let slow = times.iter().map(|t| times.iter().filter(|o| (*t..t + 700).contains(o)).count()).max();
            prop_assert_eq!(in_window(&times, 700), slow.unwrap_or(0) as u64);
        }
    }
}
