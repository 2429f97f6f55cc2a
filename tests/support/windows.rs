//! Calls in sliding windows: what judges of limits count by.

use std::ops::Add;

/// A window that holds too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach<T> {
    /// Its first call.
    pub from: T,
    /// Its last one.
    pub to: T,
    /// Its calls.
    pub count: u64,
    /// Those that were allowed.
    pub most: u64,
}

/// The half-open windows of this length that hold too many of `times`, which are in order: at most one for each last
/// call. `widest` is the limit that counts from one time to another; `None`: there is none.
pub fn breaches<T: Copy + Ord + Add<Output = T>>(
    times: &[T],
    window: T,
    widest: impl Fn(T, T) -> Option<u64>,
) -> Vec<Breach<T>> {
    let (mut first, mut breaches) = (0, Vec::new());
    for (last, to) in times.iter().copied().enumerate() {
        while times[first] + window <= to {
            first += 1;
        }
        let breach = (first..=last).find_map(|place| {
            let (from, count) = (times[place], (last + 1 - place) as u64);
            let most = widest(from, to)?;
            (count > most).then_some(Breach { from, to, count, most })
        });
        breaches.extend(breach);
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g4_a_window_that_holds_one_too_many_is_found_by_its_last_call() {
        let times: [u64; 5] = [0, 100, 999, 1_000, 1_099];
        assert_eq!(breaches(&times, 1_000, |_, _| Some(4)), []);
        // The window begins at 100 and excludes 1,100.
        let breach = Breach { from: 100, to: 1_099, count: 4, most: 3 };
        assert_eq!(breaches(&times, 1_000, |_, _| Some(3)), [breach]);
        assert_eq!(
            breaches(&times, 1_000, |_, _| Some(2)),
            [
                Breach { from: 0, to: 999, count: 3, most: 2 },
                Breach { from: 100, to: 1_000, count: 3, most: 2 },
                Breach { from: 100, to: 1_099, count: 4, most: 2 },
            ]
        );
        assert_eq!(breaches(&times, 1_000, |_, _| None), []);
    }
}
