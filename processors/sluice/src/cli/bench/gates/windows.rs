//! Calls in sliding windows.

use std::time::Duration;

/// The fewest and the most calls in any window of this length, of calls in order; `None` where no window fits
/// between the first and the last call.
///
/// The most are sought in all windows that begin with a call, the fewest in all that begin right after one and have
/// ended by the last.
pub(super) fn extremes(calls: &[Duration], window: Duration) -> Option<(usize, usize)> {
    let last = *calls.last()?;
    let (mut fewest, mut most) = (usize::MAX, 0);
    // The first calls that are not in the window any more: it excludes its end, or it includes it.
    let (mut before, mut until) = (0, 0);
    for (index, from) in calls.iter().enumerate() {
        let end = *from + window;
        while calls.get(before).is_some_and(|call| *call < end) {
            before += 1;
        }
        most = most.max(before - index);
        while calls.get(until).is_some_and(|call| *call <= end) {
            until += 1;
        }
        if end <= last {
            fewest = fewest.min(until - index - 1);
        }
    }
    (fewest != usize::MAX).then_some((fewest, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: &[u64]) -> Vec<Duration> {
        ms.iter().map(|ms| Duration::from_millis(*ms)).collect()
    }

    #[test]
    fn an_even_pace_is_one_call_an_interval_in_every_window() {
        let calls: Vec<Duration> = (0..100).map(|number| Duration::from_millis(number * 20)).collect();
        assert_eq!(extremes(&calls, Duration::from_secs(1)), Some((50, 50)));
        assert_eq!(extremes(&calls, Duration::from_secs(2)), None);
        assert_eq!(extremes(&[], Duration::from_secs(1)), None);
    }

    #[test]
    fn a_burst_and_a_silence_are_found_wherever_they_are() {
        let calls = at(&[0, 100, 950, 960, 970, 3_000]);
        assert_eq!(extremes(&calls, Duration::from_secs(1)), Some((0, 5)));
    }

    #[test]
    fn no_window_holds_more_or_less_than_found() {
        // Gaps between 0 and 48 ms in no order.
        let calls: Vec<u64> = (0..200_u64)
            .scan(0, |now, number| {
                *now += number * number * 31 % 49;
                Some(*now)
            })
            .collect();
        let last = calls[199];
        for window in [1, 20, 77, 300] {
            let (fewest, most) = extremes(&at(&calls), Duration::from_millis(window)).unwrap();
            for start in 0..last {
                let held = calls.iter().filter(|call| (start..start + window).contains(*call)).count();
                assert!(held <= most, "{held} from {start} on, not {most}");
                assert!(start + window > last || held >= fewest, "{held} from {start} on, not {fewest}");
            }
        }
    }
}
