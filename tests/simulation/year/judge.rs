//! Whether calls were made in open hours only, and in all of them.

use super::case::Case;
use super::zones::MINUTE_MS;
use std::collections::BTreeSet;

/// So long before each step the sender lives already: a call of that moment is one of the step.
pub(super) const BEFORE_MS: i64 = 250;

/// Every call of `calls_ms` (since the year began, UTC) that should not have been, and every step of `steps` (minutes of
/// the year) that is open and saw none.
pub(super) fn breaches(case: Case, calls_ms: &[i64], steps: impl Iterator<Item = i64>) -> Vec<String> {
    let shown = |minute: i64| {
        let local = case.zone.local(minute);
        let (hour, minute_of_it) = (local.div_euclid(60).rem_euclid(24), local.rem_euclid(60));
        format!("{} at {hour:02}:{minute_of_it:02}, minute {minute}", case.name())
    };
    let called = calls_ms.iter().map(|at_ms| at_ms.div_euclid(MINUTE_MS));
    let outside = called.filter(|minute| !case.is_open(*minute));
    let outside = outside.map(|minute| format!("called while closed: {}", shown(minute)));
    let lived: BTreeSet<i64> =
        calls_ms.iter().map(|at_ms| (at_ms + BEFORE_MS).div_euclid(MINUTE_MS)).collect();
    let missed = steps.filter(|step| case.is_open(*step) && !lived.contains(step));
    let missed = missed.map(|step| format!("not called while open: {}", shown(step)));
    outside.chain(missed).collect()
}

mod tests {
    use super::super::hours::QUARTERLY;
    use super::super::zones::{YEAR_MIN, ZONES};
    use super::*;

    fn night_of_lord_howe() -> Case {
        Case { zone: &ZONES[3], hours: &QUARTERLY[0] }
    }

    fn quarters() -> impl Iterator<Item = i64> {
        (0..YEAR_MIN).step_by(15)
    }

    fn open() -> Vec<i64> {
        quarters().filter(|minute| night_of_lord_howe().is_open(*minute)).map(|m| m * MINUTE_MS).collect()
    }

    #[test]
    fn g5_a_call_a_ms_before_or_after_the_hours_is_found_and_so_is_an_open_step_without_one() {
        let mut calls = open();
        // 7 quarters a night; half an hour is skipped once and repeated once.
        assert_eq!(calls.len(), 7 * 365);
        assert!(breaches(night_of_lord_howe(), &calls, quarters()).is_empty());
        let opens = calls.remove(700);
        let found = breaches(night_of_lord_howe(), &calls, quarters());
        assert!(found.len() == 1 && found[0].starts_with("not called while open"), "{found:?}");
        calls.extend([opens, calls[0] - 1]);
        let found = breaches(night_of_lord_howe(), &calls, quarters());
        assert!(found.len() == 1 && found[0].starts_with("called while closed"), "{found:?}");
    }

    #[test]
    fn g5_clocks_of_another_zone_are_found() {
        let auckland = Case { zone: &ZONES[4], ..night_of_lord_howe() };
        let found = breaches(auckland, &open(), quarters());
        assert!(found.iter().any(|line| line.contains("while closed")));
        assert!(found.iter().any(|line| line.contains("while open")));
    }
}
