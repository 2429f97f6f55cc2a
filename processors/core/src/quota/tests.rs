use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const START_MS: i64 = 1_795_219_200_000;

fn quota(rate: Option<&str>, daily: Option<&str>) -> Quota {
    Quota {
        rate: rate.map(|rate| rate.parse().unwrap()),
        daily: daily.map(|daily| daily.parse().unwrap()),
        tenants: vec!["acme".to_owned()],
        ..Quota::default()
    }
}

/// What happens next, after a pause in thousandths of the shortest window.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A process looks at the row and begins a lease of what it wants.
    Begin(u32),
    /// Its compare-and-set arrives; the answer may be lost, then it dies and starts again.
    Write { dies: bool },
    /// Calls with tokens that it has.
    Call(u32),
}

fn steps() -> impl Strategy<Value = Vec<(usize, i64, Step)>> {
    let step = prop_oneof![
        3 => (1u32..40).prop_map(Step::Begin),
        4 => prop::bool::weighted(0.1).prop_map(|dies| Step::Write { dies }),
        3 => (1u32..40).prop_map(Step::Call),
    ];
    let pause = prop_oneof![5 => 0i64..20, 1 => 0i64..400];
    prop::collection::vec((0usize..3, pause, step), 1..250)
}

/// One process between its steps.
#[derive(Default)]
struct Owner {
    skew_ms: i64,
    tokens: Option<Tokens>,
    begun: Option<Begun>,
}

/// A lease that is not written yet.
struct Begun {
    version: u64,
    body: QuotaBody,
    at_ms: i64,
    count: u32,
    booking: Booking,
    unused: BTreeMap<Booking, u32>,
}

fn monotonic(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// Runs the steps; gives the true times of all calls.
fn run(quota: &Quota, skews_ms: [i64; 3], steps: &[(usize, i64, Step)]) -> Vec<i64> {
    let shortest_ms = quota.windows().map(|window| window.length_ms).min().unwrap();
    let mut owners = skews_ms.map(|skew_ms| Owner { skew_ms, ..Owner::default() });
    let (mut row, mut version, mut now_ms, mut calls) = (QuotaBody::new(), 0_u64, 0_i64, Vec::new());
    for (owner, pause, step) in steps {
        now_ms += pause * shortest_ms / 1_000;
        let owner = &mut owners[*owner];
        let now = monotonic(now_ms);
        let tokens = owner.tokens.get_or_insert_with(|| Tokens::new(quota.life()));
        match *step {
            Step::Begin(wanted) if owner.begun.is_none() => {
                tokens.expire(now);
                tokens.want(0, wanted);
                let (mut body, unused) = (row.clone(), tokens.take_unused());
                unused.iter().for_each(|(booking, count)| body.give_back(*booking, *count));
                let wall_ms = START_MS + now_ms + owner.skew_ms;
                let count = slice(body.free(quota, wall_ms), tokens.lacking(now));
                let booking = body.book(quota, count, wall_ms);
                owner.begun = Some(Begun { version, body, at_ms: now_ms, count, booking, unused });
            }
            Step::Write { dies } => {
                let Some(begun) = owner.begun.take() else { continue };
                let is_written = begun.version == version;
                if is_written {
                    // Also through its stored form.
                    (row, version) = (QuotaBody::decode(&begun.body.encode()).unwrap(), version + 1);
                }
                match (dies, is_written) {
                    (true, _) => owner.tokens = None,
                    (false, true) => {
                        tokens.allot(begun.booking, monotonic(begun.at_ms), begun.count, now);
                    }
                    (false, false) => tokens.put_back(begun.unused),
                }
            }
            Step::Call(count) => {
                for _ in 0..count {
                    if tokens.take(0, now).is_some() {
                        calls.push(now_ms);
                    }
                }
            }
            Step::Begin(_) => {}
        }
    }
    calls
}

fn most_in(window_ms: i64, calls: &[i64]) -> u64 {
    let inside = |from: &i64| calls.iter().filter(|at| (*from..from + window_ms).contains(at)).count() as u64;
    calls.iter().map(inside).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn g4_no_window_of_any_position_holds_more_calls_whoever_leases_dies_or_has_which_clock(
        count in 1u64..60, per in prop::sample::select(vec!["s", "min", "h"]), daily in prop::option::of(1u64..80),
        skews in [0i64..=100, 0i64..=100, 0i64..=100], steps in steps(),
    ) {
        let daily = daily.map(|daily| format!("{daily}/day"));
        let quota = quota(Some(&format!("{count}/{per}")), daily.as_deref());
        let calls = run(&quota, skews, &steps);
        for window in quota.windows() {
            prop_assert!(most_in(window.length_ms, &calls) <= window.cap, "{window:?} {calls:?}");
        }
    }

    #[test]
    fn g4_use_ends_to_count_and_then_all_of_it_is_free_again(
        count in 1u64..60, skews in [0i64..=100, 0i64..=100, 0i64..=100], steps in steps(),
    ) {
        let quota = quota(Some(&format!("{count}/min")), None);
        let window = quota.windows().next().unwrap();
        let mut body = QuotaBody::new();
        let mut now_ms = START_MS;
        for (owner, pause, _) in steps {
            now_ms += pause * 60;
            let wall_ms = now_ms + skews[owner];
            let count = slice(body.free(&quota, wall_ms), 7);
            body.book(&quota, count, wall_ms);
            let frees_ms = body.frees_at_ms(&quota, wall_ms);
            prop_assert!(body.free(&quota, frees_ms) > 0);
            prop_assert!(frees_ms == wall_ms || body.free(&quota, frees_ms - 1) == 0);
        }
        let over_ms = now_ms + 200 + window.counts_ms + window.bucket_ms;
        prop_assert_eq!(body.free(&quota, over_ms), count);
    }

    #[test]
    fn g4_what_is_given_back_may_be_leased_again_and_nothing_else(
        leases in prop::collection::vec((0i64..3_000, 0u32..9), 1..60), back in 0i64..90_000,
    ) {
        let quota = quota(Some("1000/min"), Some("1000/day"));
        let (mut body, mut now_ms, mut given) = (QuotaBody::new(), START_MS, Vec::new());
        for (pause, count) in leases {
            now_ms += pause;
            given.push((body.book(&quota, count, now_ms), count));
        }
        let free = body.free(&quota, now_ms);
        // A clock that steps back frees nothing.
        prop_assert!(body.free(&quota, now_ms - back) <= free);
        for (booking, count) in given {
            body.give_back(booking, count);
        }
        prop_assert_eq!(body, QuotaBody::new());
    }

    #[test]
    fn the_stored_form_comes_back(leases in prop::collection::vec((0i64..3_000_000, 0u32..2_000_000), 0..300)) {
        let quota = quota(Some("100000/min"), Some("1000000/day"));
        let (mut body, mut now_ms) = (QuotaBody::new(), START_MS);
        for (pause, count) in leases {
            now_ms += pause;
            body.book(&quota, count, now_ms);
        }
        prop_assert_eq!(QuotaBody::decode(&body.encode()), Ok(body));
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64), format in prop::bool::ANY,
    ) {
        let bytes = if format { [&[1], bytes.as_slice()].concat() } else { bytes };
        if let Ok(body) = QuotaBody::decode(&bytes) {
            prop_assert_eq!(QuotaBody::decode(&body.encode()), Ok(body.clone()));
            let quota = quota(Some("5/s"), Some("5/day"));
            body.frees_at_ms(&quota, START_MS);
            let mut body = body;
            let booking = body.book(&quota, 3, START_MS);
            body.give_back(booking, 3);
        }
    }

    #[test]
    fn g4_tokens_of_a_process_are_called_or_given_back_and_none_twice(
        steps in prop::collection::vec((0u64..4, 0u32..9, 0u64..60, 0u8..5), 1..120),
    ) {
        let quota = quota(Some("100000/s"), None);
        let (mut tokens, mut body) = (Tokens::new(quota.life()), QuotaBody::new());
        let (mut now, mut leased, mut called, mut given_back) = (Duration::ZERO, 0_u64, 0_u64, 0_u64);
        let mut taken: Vec<(u64, Token)> = Vec::new();
        for (user, count, pause, kind) in steps {
            now += Duration::from_millis(pause);
            match kind {
                0 => tokens.want(user, count),
                1 => {
                    let booking = body.book(&quota, count, START_MS + now.as_millis() as i64);
                    tokens.allot(booking, now, count, now);
                    leased += u64::from(count);
                }
                2 => taken.extend(tokens.take(user, now).map(|token| (user, token))),
                3 => match taken.pop() {
                    Some((user, token)) if count % 2 == 0 => tokens.give_back(user, token, now),
                    Some(_) => called += 1,
                    None => tokens.leave(user),
                },
                _ => {
                    tokens.expire(now);
                    given_back += tokens.take_unused().into_values().map(u64::from).sum::<u64>();
                }
            }
        }
        called += taken.len() as u64;
        (0..4).for_each(|user| tokens.leave(user));
        given_back += tokens.take_unused().into_values().map(u64::from).sum::<u64>();
        prop_assert_eq!(called + given_back, leased);
    }
}

#[test]
fn g4_a_token_is_good_for_a_call_within_its_life_and_for_none_after_it() {
    let quota = quota(Some("10/min"), None);
    assert_eq!(quota.life(), Duration::from_secs(2));
    let at = |ms| Duration::from_millis(ms);
    let mut tokens = Tokens::new(quota.life());
    tokens.want(1, 2);
    let booking = QuotaBody::new().book(&quota, 3, START_MS);
    assert_eq!(tokens.allot(booking, at(0), 3, at(500)), [1]);
    assert!(tokens.has_unused(), "nobody wanted the third");
    assert_eq!((tokens.available(1, at(1_900)), tokens.available(1, at(1_995))), (2, 0));
    assert_eq!(tokens.take(1, at(1_900)).map(|token| token.until), Some(at(2_000)));
    assert_eq!(tokens.take(1, at(1_995)), None);
    // A process that stood still meanwhile gets nothing out of its lease.
    tokens.want(1, 9);
    assert!(tokens.allot(booking, at(3_000), 5, at(5_000)).is_empty());
}

#[test]
fn g6_pages_of_a_process_get_equally_much_of_a_lease_and_take_turns_where_it_is_one() {
    let now = Duration::from_secs(1);
    let mut tokens = Tokens::new(Duration::from_secs(2));
    (1..=3).for_each(|page| tokens.want(page, if page == 2 { 1 } else { 50 }));
    tokens.allot(Booking::default(), now, 9, now);
    let has: Vec<u32> = (1..=3).map(|page| tokens.available(page, now)).collect();
    assert_eq!((has[1], has.iter().sum::<u32>()), (1, 9));
    assert!(has[0].abs_diff(has[2]) <= 1, "{has:?}");
    let mut tokens = Tokens::new(Duration::from_secs(2));
    (1..=3).for_each(|page| tokens.want(page, 50));
    let turns: Vec<Vec<u64>> = (0..6).map(|_| tokens.allot(Booking::default(), now, 1, now)).collect();
    assert_eq!(turns.concat(), [1, 2, 3, 1, 2, 3]);
}

#[test]
fn g4_one_lease_leaves_others_some_and_gets_one_where_there_is_one() {
    assert_eq!([slice(100, 500), slice(100, 7), slice(3, 9), slice(1, 9), slice(0, 9)], [25, 7, 1, 1, 0]);
}

#[test]
fn a_quota_needs_a_limit_and_a_member_and_names_what_is_wrong() {
    let fine = quota(Some("100/s"), Some("1000/day"));
    assert_eq!(fine.validate(), Ok(()));
    assert!(fine.covers("any page", "acme") && !fine.covers("any page", "other"));
    let wrong = [
        Quota { rate: None, daily: None, ..fine.clone() },
        Quota { tenants: Vec::new(), ..fine.clone() },
        Quota { rate: "2000000000/s".parse().ok(), ..fine.clone() },
        Quota { clock_skew_ms: 60_001, ..fine.clone() },
    ];
    for (quota, key) in wrong.into_iter().zip(["rate or daily", "pages or tenants", "rate", "clock_skew_ms"])
    {
        let said = quota.validate().unwrap_err();
        assert!(said.starts_with(key), "{said}");
    }
    let slow = fine.per_second().unwrap();
    assert!((0.011..0.0116).contains(&slow), "{slow}");
    let fast = quota(Some("100/s"), None).per_second().unwrap();
    assert!((80.0..86.0).contains(&fast), "{fast}");
}
