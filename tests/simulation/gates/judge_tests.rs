//! The judge can fail: a list that breaks each rule, beside one that just keeps it.

use super::history::Change;
use super::hours::{Hours, Open};
use super::judge::{DAY, Held, Limit, Rulebook, Scope, breaches, reached, used};
use sluice_core::{CampaignId, ChunkId, SendId};
use sluice_simulation::{Faults, TruthCall, Verdict, World};
use std::time::Duration;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// (ms, page, person).
fn list(calls: &[(u64, &str, &str)]) -> Vec<TruthCall> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let process = runtime.block_on(async { World::new(0, Faults::none()).observer("a") });
    let send = SendId { chunk: ChunkId::new(CampaignId::of("t", "c"), 0, 0, 0), index: 0 };
    let call = |(at, page, person): &(u64, &str, &str)| TruthCall {
        at: ms(*at),
        process,
        page: (*page).into(),
        send,
        attempt: 1,
        address: Some((*person).to_owned()),
        verdict: Verdict::Accepted { message_id: String::new() },
    };
    calls.iter().map(call).collect()
}

fn limited(scope: Scope, per: Duration, history: Vec<Change<Option<u64>>>) -> Rulebook {
    Rulebook { limits: vec![Limit { scope, per, history }], ..Rulebook::default() }
}

fn constant(scope: Scope, per: Duration, count: u64) -> Rulebook {
    limited(scope, per, vec![Change::launched(Some(count))])
}

fn found(calls: &[(u64, &str, &str)], rules: &Rulebook) -> usize {
    breaches(&list(calls), rules).len()
}

#[test]
fn g4_a_window_of_any_position_that_holds_one_call_too_many_is_found() {
    let page = constant(Scope::Page, ms(1_000), 2);
    assert_eq!(found(&[(100, "a", "x"), (600, "a", "y"), (1_100, "a", "z"), (1_101, "b", "x")], &page), 0);
    assert_eq!(found(&[(100, "a", "x"), (600, "a", "y"), (1_099, "a", "z")], &page), 1);
    let campaign = constant(Scope::Campaign, ms(60_000), 2);
    assert_eq!(found(&[(0, "a", "x"), (1, "b", "y"), (59_999, "c", "z")], &campaign), 1);
    assert_eq!(found(&[(0, "a", "x"), (1, "b", "y"), (60_000, "c", "z")], &campaign), 0);
    let together = constant(Scope::Pages(&["a", "b"]), ms(1_000), 2);
    assert_eq!(found(&[(0, "a", "x"), (1, "b", "y"), (2, "c", "z"), (1_000, "b", "z")], &together), 0);
    assert_eq!(found(&[(0, "a", "x"), (1, "b", "y"), (999, "b", "z")], &together), 1);
    // All calls of the list are of this campaign.
    let tenant = |name| constant(Scope::Tenant(CampaignId::of(name, "c")), DAY, 2);
    let three = [(0, "a", "x"), (1, "b", "y"), (86_399_999, "c", "z")];
    assert_eq!((found(&three, &tenant("t")), found(&three, &tenant("u"))), (1, 0));
    assert_eq!(found(&[(0, "a", "x"), (1, "b", "y"), (86_400_000, "c", "z")], &tenant("t")), 0);
    let pair = constant(Scope::Pair, ms(60_000), 1);
    assert_eq!(found(&[(0, "a", "x"), (1, "a", "y"), (2, "b", "x"), (60_000, "a", "x")], &pair), 0);
    assert_eq!(found(&[(0, "a", "x"), (59_999, "a", "x")], &pair), 1);
    let day = constant(Scope::Day, DAY, 1);
    assert_eq!(found(&[(0, "a", "x"), (86_399_999, "b", "y")], &day), 1);
    assert_eq!(found(&[(0, "a", "x"), (86_400_000, "b", "y")], &day), 0);
    let page_day = constant(Scope::PageDay, DAY, 1);
    assert_eq!(found(&[(0, "a", "x"), (86_399_999, "a", "y")], &page_day), 1);
    assert_eq!(found(&[(0, "a", "x"), (1, "b", "y"), (86_400_000, "a", "z")], &page_day), 0);
    let pages_day = constant(Scope::Pages(&["a", "b"]), DAY, 1);
    assert_eq!(found(&[(0, "a", "x"), (86_399_999, "b", "y")], &pages_day), 1);
    assert_eq!(found(&[(0, "a", "x"), (1, "c", "y"), (86_400_000, "b", "y")], &pages_day), 0);
}

#[test]
fn g4_what_is_to_be_made_later_is_no_use_of_a_day_and_counts_for_every_rate() {
    let mut calls = list(&[(0, "a", "x"), (1, "a", "x")]);
    let days = [Scope::Day, Scope::PageDay];
    for (verdict, expected) in [(Verdict::Deferred, 0), (Verdict::Refused, 1)] {
        calls[0].verdict = verdict;
        let found = days.map(|scope| breaches(&calls, &constant(scope, DAY, 1)).len());
        assert_eq!(found, [expected; 2]);
    }
    calls[0].verdict = Verdict::Deferred;
    let found = |scope, per| breaches(&calls, &constant(scope, per, 1)).len();
    let tenant = Scope::Tenant(CampaignId::of("t", "c"));
    for scope in [Scope::Page, Scope::Campaign, Scope::Pair, Scope::Pages(&["a"]), tenant] {
        assert_eq!(found(scope, ms(1_000)), 1, "{scope:?}");
    }
}

#[test]
fn g4_a_limit_is_reached_where_one_call_less_would_have_been_too_many() {
    let calls = list(&[(0, "a", "x"), (1, "a", "y"), (2, "b", "x")]);
    let reached = |scope, count| reached(&calls, &constant(scope, ms(1_000), count));
    assert_eq!(reached(Scope::Page, 2), ["rate of a page"].into());
    assert_eq!(reached(Scope::Page, 3), [].into());
    assert_eq!(reached(Scope::Pair, 1), [].into());
    assert_eq!(reached(Scope::Campaign, 3), ["rate of a campaign"].into());
}

#[test]
fn g4_how_much_of_a_limit_is_used_counts_its_own_calls_in_that_time() {
    let limit = &constant(Scope::Pages(&["a", "b"]), ms(1_000), 2).limits[0];
    let calls =
        list(&[(0, "a", "x"), (500, "b", "y"), (600, "c", "y"), (1_999, "a", "z"), (2_000, "a", "x")]);
    assert_eq!(used(&calls, limit, ms(0), ms(2_000)), Some(0.75));
    assert_eq!(used(&calls, limit, ms(1), ms(1_001)), Some(0.5));
}

#[test]
fn g4_only_what_the_way_and_the_clocks_explain_is_let_pass() {
    let calls = [(0, "a", "x"), (980, "a", "y")];
    assert_eq!(found(&calls, &Rulebook { way: ms(20), ..constant(Scope::Page, ms(1_000), 1) }), 0);
    assert_eq!(found(&calls, &Rulebook { way: ms(19), ..constant(Scope::Page, ms(1_000), 1) }), 1);
    assert_eq!(found(&calls, &Rulebook { skew: ms(500), ..constant(Scope::Page, ms(1_000), 1) }), 1);
}

#[test]
fn g4_while_a_limit_changes_the_wider_one_holds_and_after_a_grants_life_the_new_one_alone() {
    let change = |asked, acknowledged: Option<u64>, to| Change {
        asked: ms(asked),
        acknowledged: acknowledged.map(ms),
        to,
    };
    let narrowed = vec![Change::launched(Some(2)), change(1_000, Some(1_200), Some(1))];
    let narrowed = limited(Scope::Campaign, ms(1_000), narrowed);
    assert_eq!(found(&[(3_000, "a", "x"), (3_300, "a", "y")], &narrowed), 0);
    assert_eq!(found(&[(3_201, "a", "x"), (3_300, "a", "y")], &narrowed), 1);
    // The first of them started 10 ms before.
    let under_way = Rulebook { way: ms(10), ..narrowed };
    assert_eq!(found(&[(3_210, "a", "x"), (3_300, "a", "y")], &under_way), 0);
    assert_eq!(found(&[(3_211, "a", "x"), (3_300, "a", "y")], &under_way), 1);
    let unheard = vec![Change::launched(Some(2)), change(1_000, None, Some(1))];
    let unheard = limited(Scope::Campaign, ms(1_000), unheard);
    assert_eq!(found(&[(9_000, "a", "x"), (9_300, "a", "y")], &unheard), 0);
    let lifted = vec![Change::launched(Some(1)), change(1_000, Some(1_200), None)];
    let lifted = limited(Scope::Campaign, ms(1_000), lifted);
    assert_eq!(found(&[(800, "a", "x"), (1_000, "a", "y"), (1_001, "a", "z")], &lifted), 0);
    assert_eq!(found(&[(800, "a", "x"), (999, "a", "y")], &lifted), 1);
}

#[test]
fn g5_a_call_before_between_or_after_the_hours_is_found() {
    let times = vec![(ms(1_000), ms(2_000)), (ms(3_000), ms(4_000))];
    let hours = vec![Change::launched(Hours(vec![Open { people: None, times }]))];
    let rules = Rulebook { hours, way: ms(10), skew: ms(100), ..Rulebook::default() };
    assert_eq!(found(&[(900, "a", "x"), (2_109, "a", "x"), (2_900, "a", "x")], &rules), 0);
    for outside in [899, 2_110, 2_899, 4_110] {
        assert_eq!(found(&[(outside, "a", "x")], &rules), 1, "{outside}");
    }
}

#[test]
fn g5_a_call_in_the_hours_of_people_of_another_zone_is_found() {
    let open = |person: &str, from, to| Open {
        people: Some([person.to_owned()].into()),
        times: vec![(ms(from), ms(to))],
    };
    let hours = vec![Change::launched(Hours(vec![open("x", 0, 1_000), open("y", 1_000, 2_000)]))];
    let rules = Rulebook { hours, ..Rulebook::default() };
    assert_eq!(found(&[(999, "a", "x"), (1_000, "a", "y")], &rules), 0);
    assert_eq!(found(&[(999, "a", "y"), (1_000, "a", "x"), (1_500, "a", "z")], &rules), 3);
}

#[test]
fn g5_while_hours_change_both_hold_and_after_a_grants_life_the_new_ones_alone() {
    let open = |from, to| Hours(vec![Open { people: None, times: vec![(ms(from), ms(to))] }]);
    let change = |acknowledged, to| Change { asked: ms(5_000), acknowledged, to };
    let rules = |later| Rulebook {
        hours: vec![Change::launched(open(0, 20_000)), later],
        way: ms(10),
        ..Rulebook::default()
    };
    let closed = rules(change(Some(ms(6_000)), open(15_000, 20_000)));
    assert_eq!(found(&[(8_010, "a", "x"), (15_000, "a", "x")], &closed), 0);
    assert_eq!(found(&[(8_011, "a", "x"), (14_999, "a", "x")], &closed), 2);
    let unheard = rules(change(None, open(15_000, 20_000)));
    assert_eq!(found(&[(14_999, "a", "x")], &unheard), 0);
    let lifted = rules(change(Some(ms(6_000)), Hours::default()));
    assert_eq!(found(&[(30_000, "a", "x")], &lifted), 0);
    let narrow = Rulebook { hours: vec![Change::launched(open(9_000, 9_500))], ..Rulebook::default() };
    let widened =
        Rulebook { hours: [narrow.hours, lifted.hours[1..].to_vec()].concat(), ..Rulebook::default() };
    assert_eq!(found(&[(4_999, "a", "x"), (5_000, "a", "x")], &widened), 1, "not before it is asked for");
}

#[test]
fn g7_a_call_later_than_a_grants_life_after_a_pause_is_found_until_it_goes_on() {
    let rules = |until| Rulebook {
        held: vec![Held { acknowledged: ms(1_000), until }],
        way: ms(10),
        ..Rulebook::default()
    };
    let paused = rules(Some(ms(9_000)));
    assert_eq!(found(&[(3_010, "a", "x"), (9_000, "a", "x")], &paused), 0);
    assert_eq!(found(&[(3_011, "a", "x"), (8_999, "a", "x")], &paused), 2);
    assert_eq!(found(&[(9_000_000, "a", "x")], &rules(None)), 1);
}
