//! The judge can fail: a history that breaks each rule, beside one that just keeps it.

use super::super::history::tests::call as line;
use super::*;

const S: u64 = SECOND_US;

/// (microseconds, page, person); everybody is of the campaign, except `x`.
fn found(calls: &[(u64, &str, &str)], rules: &Rulebook) -> Vec<&'static str> {
    let lines: Vec<Line> =
        calls.iter().map(|(t_us, page, to)| line(*t_us, 0, page, to, Outcome::Accepted)).collect();
    let audience = ["a", "b", "c", "d"].map(str::to_owned).into();
    let (violations, _) = check("c", Channel::Http, &audience, &lines, rules);
    violations.into_iter().map(|violation| violation.guarantee).collect()
}

fn limited(scope: Scope, per_us: u64, history: Vec<Change>) -> Rulebook {
    Rulebook { limits: vec![Limit { scope, per_us, history }], ..Rulebook::default() }
}

fn constant(scope: Scope, per_us: u64, count: u64) -> Rulebook {
    limited(scope, per_us, vec![Change::launched(count)])
}

#[test]
fn g4_a_window_of_any_position_that_holds_one_call_too_many_is_found() {
    let rules = constant(Scope::Campaign, S, 2);
    let late = S - LATE_US;
    assert!(
        found(&[(100, "p", "a"), (200, "q", "b"), (100 + late, "p", "c"), (150, "p", "x")], &rules)
            .is_empty()
    );
    assert_eq!(found(&[(100, "p", "a"), (200, "q", "b"), (99 + late, "p", "c")], &rules), ["G4"]);
    let pair = constant(Scope::Pair, 5 * S, 1);
    assert!(found(&[(0, "p", "a"), (1, "p", "b"), (2, "q", "a"), (5 * S, "p", "a")], &pair).is_empty());
    assert_eq!(found(&[(0, "p", "a"), (4 * S, "p", "a")], &pair), ["G4"]);
    let day = constant(Scope::Day, 86_400 * S, 1);
    assert_eq!(found(&[(0, "p", "a"), (86_000 * S, "q", "b")], &day), ["G4"]);
}

#[test]
fn g4_too_fast_by_little_is_found_over_ten_windows() {
    let even: Vec<(u64, &str, &str)> = (0..60).map(|n| (n * 333_400, "p", "a")).collect();
    assert!(found(&even, &constant(Scope::Campaign, S, 3)).is_empty());
    let fast: Vec<(u64, &str, &str)> = (0..60).map(|n| (n * 290_000, "p", "a")).collect();
    assert!(found(&fast, &constant(Scope::Campaign, S, 3)).contains(&"G4"));
}

#[test]
fn g4_two_owners_at_once_are_found() {
    let twice = (0..40).flat_map(|n| [(n * 500_000, "p", "a"), (n * 500_000 + 100_000, "p", "b")]);
    let twice: Vec<(u64, &str, &str)> = twice.collect();
    assert!(!found(&twice, &constant(Scope::Campaign, S, 2)).is_empty());
}

#[test]
fn g4_while_a_limit_changes_the_wider_one_holds_and_a_second_after_the_answer_the_new_one_alone() {
    let change = |asked: u64, acknowledged: Option<u64>, count, lingers| Change {
        asked_us: asked * S,
        acknowledged_us: acknowledged.map(|at| at * S),
        count,
        lingers,
    };
    let with = |later: Change| limited(Scope::Pair, S, vec![Change::launched(2), later]);
    let narrowed = with(change(10, Some(12), Some(1), false));
    let alone_us = 12 * S + CHANGED_US + LATE_US;
    assert!(found(&[(alone_us, "p", "a"), (alone_us + 1, "p", "a")], &narrowed).is_empty());
    assert_eq!(found(&[(alone_us + 1, "p", "a"), (alone_us + 2, "p", "a")], &narrowed), ["G4"]);
    let unheard = with(change(10, None, Some(1), true));
    assert!(found(&[(90 * S, "p", "a"), (90 * S + 1, "p", "a")], &unheard).is_empty());
    let lifted = with(change(10, Some(12), None, false));
    let three = |from: u64| [(from, "p", "a"), (from + 1, "p", "a"), (from + 2, "p", "a")];
    assert!(found(&three(10 * S), &lifted).is_empty());
    assert_eq!(found(&three(9 * S), &lifted), ["G4"]);
}

#[test]
fn g4_a_change_that_may_still_be_carried_out_counts_after_a_later_one() {
    let wide = Change { asked_us: S, acknowledged_us: Some(2 * S), count: Some(3), lingers: true };
    let narrow = Change { asked_us: 5 * S, acknowledged_us: Some(6 * S), count: Some(1), lingers: false };
    let calls = [(20 * S, "p", "a"), (20 * S + 1, "p", "a")];
    let history = vec![Change::launched(1), wide, narrow];
    assert!(found(&calls, &limited(Scope::Pair, S, history)).is_empty());
    let history = vec![Change::launched(1), Change { lingers: false, ..wide }, narrow];
    assert_eq!(found(&calls, &limited(Scope::Pair, S, history)), ["G4"]);
}

#[test]
fn g5_a_call_before_between_or_after_the_hours_is_found() {
    let rules = Rulebook { open_us: vec![(10 * S, 20 * S), (30 * S, 40 * S)], ..Rulebook::default() };
    let inside = [10 * S, 20 * S + LATE_US - 1, 30 * S, 39 * S];
    assert!(found(&inside.map(|t_us| (t_us, "p", "a")), &rules).is_empty());
    for outside in [10 * S - 1, 20 * S + LATE_US, 30 * S - 1, 40 * S + LATE_US] {
        assert_eq!(found(&[(outside, "p", "a")], &rules), ["G5"], "{outside}");
    }
}

#[test]
fn g7_a_call_later_than_a_grants_life_after_a_pause_is_found_until_it_goes_on() {
    let held =
        |until_us| Rulebook { held: vec![Held { acknowledged_us: 10 * S, until_us }], ..Rulebook::default() };
    let last = 10 * S + LIFE_US + LATE_US;
    let paused = held(Some(60 * S));
    assert!(found(&[(last, "p", "a"), (60 * S, "p", "a"), (50 * S, "p", "x")], &paused).is_empty());
    assert_eq!(found(&[(last + 1, "p", "a"), (60 * S - 1, "p", "a")], &paused), ["G7", "G7"]);
    assert_eq!(found(&[(9_000 * S, "p", "a")], &held(None)), ["G7"]);
}

#[test]
fn what_was_kept_is_told_as_figures() {
    let mut rules = constant(Scope::Campaign, S, 2);
    rules.held = vec![Held { acknowledged_us: 10 * S, until_us: Some(20 * S) }];
    let lines = [0, 500_000, 10_300_000, 30_000_000].map(|t_us| line(t_us, 0, "p", "a", Outcome::Accepted));
    let audience = BTreeSet::from(["a".to_owned()]);
    let (violations, kept) = check("c", Channel::Http, &audience, &lines, &rules);
    assert_eq!(violations, []);
    assert_eq!(
        kept.to_string(),
        "at most 2 in 1 s, at most 2 in 10 s, 1 pauses and cancels: last call 0.30 s after"
    );
}
