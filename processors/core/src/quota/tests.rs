use super::lease::slice;
use super::*;
use crate::partition::murmur2;
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

/// How long nothing happens, by a number below 1,000.
#[derive(Debug, Clone, Copy)]
enum Pause {
    /// Next to nothing.
    Moment(i64),
    /// Until late in the life of a token.
    Life(i64),
    /// Until what was booked before ends to count.
    Window(i64),
    /// Anything up to a third of the window.
    Any(i64),
}

impl Pause {
    fn ms(self, quota: &Quota) -> i64 {
        let life_ms = quota.life().as_millis() as i64;
        let window_ms = quota.windows().map(|window| window.length_ms).min().unwrap();
        match self {
            Pause::Moment(part) => life_ms * part / 20_000,
            Pause::Life(part) => life_ms * (600 + part * 2 / 5) / 1_000,
            Pause::Window(part) => window_ms - life_ms + (life_ms + window_ms / 20) * part / 1_000,
            Pause::Any(part) => window_ms * part / 3_000,
        }
    }
}

/// What a process does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It looks at the row and begins a lease of what it wants.
    Begin(u32),
    /// Its compare-and-set arrives; the answer may be lost, then it dies and starts again.
    Write { dies: bool },
    /// Both at once, and after some time it calls with all that it has.
    Spend(u32, Pause),
    /// Calls with tokens that it has.
    Call(u32),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Pause, Step)>> {
    let part = 0i64..1_000;
    let pause = prop_oneof![
        6 => part.clone().prop_map(Pause::Moment),
        3 => part.clone().prop_map(Pause::Life),
        3 => part.clone().prop_map(Pause::Window),
        1 => part.clone().prop_map(Pause::Any),
    ];
    let wait = prop_oneof![part.clone().prop_map(Pause::Moment), part.prop_map(Pause::Life)];
    let step = prop_oneof![
        1 => (1u32..40).prop_map(Step::Begin),
        1 => prop::bool::weighted(0.1).prop_map(|dies| Step::Write { dies }),
        1 => (1u32..40).prop_map(Step::Call),
        8 => (1u32..40, wait).prop_map(|(wanted, wait)| Step::Spend(wanted, wait)),
    ];
    prop::collection::vec((0usize..3, pause, step), 1..120)
}

/// The row, as all of them write it.
#[derive(Default)]
struct Row {
    version: u64,
    body: QuotaBody,
}

/// One process between its steps.
struct Owner {
    skew_ms: i64,
    tokens: Tokens,
    begun: Option<Begun>,
}

/// A lease that is not written yet.
struct Begun {
    version: u64,
    body: QuotaBody,
    at: Duration,
    count: u32,
    booking: Booking,
    left: u32,
    returned: Returned,
}

impl Owner {
    fn new(quota: &Quota, skew_ms: i64) -> Self {
        Self { skew_ms, tokens: Tokens::new(quota), begun: None }
    }

    fn begin(&mut self, quota: &Quota, row: &Row, wanted: u32, now_ms: i64) {
        let at = Duration::from_millis(now_ms.unsigned_abs());
        self.tokens.expire(at);
        self.tokens.want(0, wanted);
        let (mut body, returned) = (row.body.clone(), self.tokens.take_back(at));
        let wall_ms = START_MS + now_ms + self.skew_ms;
        let turn = now_ms as u32 / 7;
        if let Some(lease) = body.lease(quota, &returned, self.tokens.lacking(at), turn, wall_ms) {
            let Lease { count, booking, left } = lease;
            self.begun = Some(Begun { version: row.version, body, at, count, booking, left, returned });
        }
    }

    fn write(&mut self, quota: &Quota, row: &mut Row, dies: bool, now: Duration) {
        let Some(begun) = self.begun.take() else { return };
        let is_written = begun.version == row.version;
        if is_written {
            // Also through its stored form.
            row.body = QuotaBody::decode(&begun.body.encode()).unwrap();
            row.version += 1;
        }
        match (dies, is_written) {
            (true, _) => self.tokens = Tokens::new(quota),
            (false, true) => {
                self.tokens.leave_to_others(begun.left, now);
                self.tokens.allot(begun.booking, begun.at, begun.count, now);
            }
            (false, false) => self.tokens.put_back(begun.returned),
        }
    }

    /// The times of at most `count` calls.
    fn call(&mut self, count: u32, now_ms: i64) -> Vec<i64> {
        let now = Duration::from_millis(now_ms.unsigned_abs());
        let taken: Vec<Token> = (0..count).map_while(|_| self.tokens.take(0, now)).collect();
        taken.iter().for_each(|token| self.tokens.called(*token, now));
        vec![now_ms; taken.len()]
    }
}

/// Runs the steps; gives the true times of all calls, in ms.
fn run(quota: &Quota, skews_ms: [i64; 3], steps: &[(usize, Pause, Step)]) -> Vec<i64> {
    let (mut owners, mut row) = (skews_ms.map(|skew_ms| Owner::new(quota, skew_ms)), Row::default());
    let (mut now_ms, mut calls) = (0_i64, Vec::new());
    for (owner, pause, step) in steps {
        now_ms += pause.ms(quota);
        let (owner, now) = (&mut owners[*owner], Duration::from_millis(now_ms.unsigned_abs()));
        match *step {
            Step::Begin(_) | Step::Spend(..) if owner.begun.is_some() => {
                owner.write(quota, &mut row, false, now)
            }
            Step::Begin(wanted) => owner.begin(quota, &row, wanted, now_ms),
            Step::Write { dies } => owner.write(quota, &mut row, dies, now),
            Step::Spend(wanted, wait) => {
                owner.begin(quota, &row, wanted, now_ms);
                owner.write(quota, &mut row, false, now);
                now_ms += wait.ms(quota);
                calls.extend(owner.call(u32::MAX, now_ms));
            }
            Step::Call(count) => calls.extend(owner.call(count, now_ms)),
        }
    }
    calls
}

/// What processes call that always want more: each looks at the row every 5 to 16 ms, as the sender does, its write
/// takes 4 ms, and 4 ms later it calls, up to 10 ms after the call's slot. Gives the calls of each.
fn busy(quota: &Quota, skews_ms: &[i64], for_ms: i64) -> Vec<Vec<i64>> {
    let mut owners: Vec<Owner> = skews_ms.iter().map(|skew_ms| Owner::new(quota, *skew_ms)).collect();
    let (mut row, mut calls) = (Row::default(), vec![Vec::new(); owners.len()]);
    let mut next_ms: Vec<i64> = (0..owners.len() as i64).collect();
    for now_ms in 0..for_ms {
        let now = Duration::from_millis(now_ms.unsigned_abs());
        for (place, owner) in owners.iter_mut().enumerate() {
            match now_ms - next_ms[place] {
                0 => owner.begin(quota, &row, 50, now_ms),
                4 => owner.write(quota, &mut row, false, now),
                8 => {
                    let late = Duration::from_millis(10);
                    let taken: Vec<Token> = std::iter::from_fn(|| owner.tokens.take(0, now)).collect();
                    taken.iter().for_each(|token| owner.tokens.called(*token, now + late));
                    calls[place].extend(vec![now_ms; taken.len()]);
                    let pause_ms = murmur2(format!("{place}/{now_ms}").as_bytes()) % 12;
                    next_ms[place] = now_ms + 1 + i64::from(pause_ms);
                }
                _ => {}
            }
        }
    }
    calls
}

#[test]
fn g4_processes_that_always_want_more_use_nearly_all_of_a_short_window_and_each_its_part() {
    let cases: [(&str, &[i64]); 3] = [("100/s", &[0]), ("100/s", &[0, 100]), ("300/s", &[100, 0, 50])];
    for (rate, skews_ms) in cases {
        let quota = quota(Some(rate), None);
        let window = quota.windows().next().unwrap();
        let calls = busy(&quota, skews_ms, 32 * window.length_ms);
        let steady = |calls: &Vec<i64>| calls.iter().filter(|at| **at >= 2 * window.length_ms).count() as f64;
        let parts: Vec<f64> = calls.iter().map(steady).collect();
        let all = 30.0 * window.cap as f64;
        let used = parts.iter().sum::<f64>() / all;
        assert!(used >= 0.95, "{rate} {skews_ms:?}: {used} {parts:?}");
        let least = parts.iter().copied().fold(f64::MAX, f64::min);
        assert!(least * skews_ms.len() as f64 >= all / 2.0, "{rate} {skews_ms:?}: {parts:?}");
        assert!(most_in(window.length_ms, &calls.concat()) <= window.cap, "{rate} {skews_ms:?}");
    }
}

fn most_in(window_ms: i64, calls: &[i64]) -> u64 {
    let inside = |from: &i64| calls.iter().filter(|at| (*from..from + window_ms).contains(at)).count() as u64;
    calls.iter().map(inside).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn g4_no_window_of_any_position_holds_more_calls_whoever_leases_dies_or_has_which_clock(
        count in 1u64..5, per in prop::sample::select(vec!["s", "min", "h"]), daily in prop::option::of(1u64..80),
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
            now_ms += pause.ms(&quota);
            let wall_ms = now_ms + skews[owner];
            body.lease(&quota, &Returned::default(), 7, 0, wall_ms);
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
        let (mut tokens, mut body) = (Tokens::new(&quota), QuotaBody::new());
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
                    given_back += u64::from(tokens.take_back(now).unused());
                }
            }
        }
        called += taken.len() as u64;
        (0..4).for_each(|user| tokens.leave(user));
        given_back += u64::from(tokens.take_back(now).unused());
        prop_assert_eq!(called + given_back, leased);
    }
}

#[test]
fn g4_a_token_is_good_for_a_call_within_its_life_and_for_none_after_it() {
    let quota = quota(Some("10/min"), None);
    assert_eq!(quota.life(), Duration::from_secs(2));
    let at = |ms| Duration::from_millis(ms);
    let mut tokens = Tokens::new(&quota);
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
    let mut tokens = Tokens::new(&quota(Some("10/min"), None));
    (1..=3).for_each(|page| tokens.want(page, if page == 2 { 1 } else { 50 }));
    tokens.allot(Booking::default(), now, 9, now);
    let has: Vec<u32> = (1..=3).map(|page| tokens.available(page, now)).collect();
    assert_eq!((has[1], has.iter().sum::<u32>()), (1, 9));
    assert!(has[0].abs_diff(has[2]) <= 1, "{has:?}");
    let mut tokens = Tokens::new(&quota(Some("10/min"), None));
    (1..=3).for_each(|page| tokens.want(page, 50));
    let turns: Vec<Vec<u64>> = (0..6).map(|_| tokens.allot(Booking::default(), now, 1, now)).collect();
    assert_eq!(turns.concat(), [1, 2, 3, 1, 2, 3]);
}

#[test]
fn g4_one_lease_leaves_others_some_and_gets_one_where_there_is_one() {
    assert_eq!([slice(100, 1), slice(3, 1), slice(1, 1), slice(0, 1), slice(5, 4)], [25, 1, 1, 0, 4]);
}

#[test]
fn g4_of_what_its_own_calls_return_a_process_leaves_a_quarter_and_takes_a_quarter_of_the_rest() {
    let quota = quota(Some("100/s"), None);
    let leased = |free: u32, own: u32, left: u32, wanted: u32, turn: u32| {
        let mut body = QuotaBody::new();
        let booking = body.book(&quota, 100 - free + own, START_MS);
        let over = BTreeMap::from([((Duration::ZERO, booking), own)]);
        let returned = Returned { over, left, ..Returned::default() };
        body.lease(&quota, &returned, wanted, turn, START_MS).map(|lease| (lease.count, lease.left))
    };
    assert_eq!(leased(0, 0, 0, 9, 0), None);
    assert_eq!((leased(100, 0, 0, 50, 0), leased(5, 0, 0, 50, 0)), (Some((25, 0)), Some((4, 0))));
    assert_eq!((leased(5, 0, 3, 50, 0), leased(5, 0, 9, 50, 0)), (Some((2, 0)), None));
    assert_eq!((leased(8, 8, 0, 50, 0), leased(7, 7, 0, 50, 0)), (Some((6, 2)), Some((6, 1))));
    assert_eq!((leased(7, 7, 0, 50, 1), leased(8, 8, 0, 2, 0)), (Some((5, 2)), Some((2, 6))));
    assert_eq!((leased(1, 1, 0, 9, 2), leased(1, 1, 0, 9, 3)), (Some((1, 0)), Some((0, 1))));
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
    assert!((95.0..97.0).contains(&fast), "{fast}");
}
