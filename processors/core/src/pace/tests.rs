use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pace(rate: &str) -> Pace {
    Pace::new(PaceOptions::default(), Some(rate.parse().unwrap()))
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4 * expected.max(1.0), "{found} is not {expected}");
}

#[test]
fn b6_a_throttle_answer_halves_the_speed_and_it_grows_back_a_little_each_second() {
    let mut pace = pace("80/s");
    assert_eq!((pace.factor(at(0)), pace.limit(at(0))), (1.0, None));
    pace.throttled(at(900), at(1_000));
    assert_near(pace.factor(at(1_000)), 0.5);
    assert_eq!(pace.limit(at(1_000)), Some(at(25)));
    // While nothing is answered, nothing says that it may go faster.
    assert_near(pace.factor(at(60_000)), 0.5);
    assert_eq!(pace.recovers_at(at(60_000)), None);
    pace.answered(at(60_000), at(60_100));
    assert_near(pace.factor(at(70_100)), 0.7);
    assert_eq!(pace.recovers_at(at(70_100)), Some(at(85_100)));
    assert_eq!((pace.factor(at(86_000)), pace.limit(at(86_000))), (1.0, None));
}

#[test]
fn b6_many_throttle_answers_of_one_moment_count_once() {
    let mut pace = pace("80/s");
    for late in 0..200 {
        pace.throttled(at(900), at(1_000 + late));
    }
    assert_near(pace.factor(at(1_200)), 0.5);
    // Ten seconds later, but of calls that started before the first of them.
    pace.throttled(at(999), at(11_000));
    assert_near(pace.factor(at(11_000)), 0.5);
    pace.throttled(at(10_900), at(11_000));
    assert_near(pace.factor(at(11_000)), 0.25);
    for second in 12..60 {
        pace.throttled(at(second * 1_000), at(second * 1_000 + 100));
    }
    assert_near(pace.factor(at(60_000)), 0.05);
}

#[test]
fn b6_answers_of_calls_from_before_do_not_say_that_it_goes_again() {
    let mut pace = pace("80/s");
    pace.throttled(at(900), at(1_000));
    pace.answered(at(999), at(1_100));
    assert_near(pace.factor(at(20_000)), 0.5);
}

#[test]
fn b6_reported_usage_slows_down_from_its_threshold_on() {
    let mut pace = pace("100/s");
    for (used, factor) in
        [(79, 1.0), (80, 1.0), (90, 0.525), (100, 0.05), (130, 0.05), (90, 0.525), (40, 1.0)]
    {
        pace.used(used, at(1_000));
        assert_near(pace.factor(at(1_000)), factor);
    }
    pace.used(100, at(2_000));
    assert_near(pace.factor(at(12_000)), 0.25);
    assert_eq!(pace.limit(at(60_000)), None, "without further figures it recovers by itself");
}

#[test]
fn b6_a_page_without_a_rate_is_slowed_from_what_was_measured() {
    let mut pace = Pace::new(PaceOptions::default(), None);
    for call in 0..120 {
        pace.answered(at(5_000 + call * 5), at(5_000 + call * 8));
    }
    assert_eq!(pace.limit(at(6_000)), None);
    pace.throttled(at(5_900), at(6_000));
    // 120 answers in a second: 60 a second from now on.
    assert_near(1.0 / pace.limit(at(6_000)).unwrap().as_secs_f64(), 60.0);
    pace.answered(at(7_000), at(7_000));
    // 25 s later as fast as before, 75 s later twice as fast and no longer limited.
    assert_near(1.0 / pace.limit(at(32_000)).unwrap().as_secs_f64(), 120.0);
    assert_near(pace.factor(at(32_000)), 1.0);
    assert_eq!(pace.recovers_at(at(32_000)), Some(at(82_000)));
    assert_eq!(pace.limit(at(82_001)), None);
}

#[test]
fn b6_calls_that_were_taken_count_also_when_a_throttle_answer_overtakes_their_answers() {
    let mut pace = Pace::new(PaceOptions::default(), None);
    pace.throttled(at(100), at(120));
    for call in 0..40 {
        pace.answered(at(100), at(121 + call));
    }
    assert_near(1.0 / pace.limit(at(200)).unwrap().as_secs_f64(), 20.0);
    // Later answers say nothing of the speed that was too fast.
    for call in 0..90 {
        pace.answered(at(110), at(1_200 + call));
    }
    assert_near(1.0 / pace.limit(at(1_300)).unwrap().as_secs_f64(), 20.0);
}

/// A provider that refuses more than `limit` calls in a second, and a page that calls it as fast as it may.
fn against_a_provider(mut pace: Pace, base: Option<Duration>, limit: usize) -> (usize, usize) {
    let latency = 200;
    let (mut next, mut taken, mut refused) = (Duration::ZERO, 0, 0);
    let mut window: VecDeque<u64> = VecDeque::new();
    let mut answers: VecDeque<(u64, bool)> = VecDeque::new();
    for now in 0..300_000 {
        while answers.front().is_some_and(|(started, _)| started + latency <= now) {
            let (started, is_taken) = answers.pop_front().unwrap();
            match is_taken {
                true => pace.answered(at(started), at(now)),
                false => pace.throttled(at(started), at(now)),
            }
        }
        while window.front().is_some_and(|call| call + 1_000 <= now) {
            window.pop_front();
        }
        if at(now) < next {
            continue;
        }
        let is_taken = window.len() < limit;
        if is_taken {
            window.push_back(now);
        }
        *(if is_taken { &mut taken } else { &mut refused }) += 1;
        answers.push_back((now, is_taken));
        let interval = pace.limit(at(now)).or(base).unwrap_or(at(2)).max(base.unwrap_or_default());
        next = next.max(at(now).saturating_sub(at(1))) + interval;
    }
    (taken, refused)
}

#[test]
fn b6_a_page_finds_the_speed_that_its_provider_takes() {
    let (taken, refused) = against_a_provider(pace("100/s"), Some(at(10)), 60);
    assert!(taken > 300 * 60 * 65 / 100 && refused * 100 < taken * 2, "{taken} taken, {refused} refused");
    let (taken, refused) = against_a_provider(Pace::new(PaceOptions::default(), None), None, 60);
    assert!(taken > 300 * 60 * 65 / 100 && refused * 100 < taken * 5, "{taken} taken, {refused} refused");
}

/// What may happen to a page, after a pause in ms.
#[derive(Debug, Clone, Copy)]
enum Event {
    Throttled,
    Answered,
    Used(u32),
}

fn events() -> impl Strategy<Value = Vec<(u64, u64, Event)>> {
    let event =
        prop_oneof![Just(Event::Throttled), Just(Event::Answered), (0u32..150).prop_map(Event::Used),];
    prop::collection::vec((0u64..5_000, 0u64..3_000, event), 0..80)
}

proptest! {
    #[test]
    fn b6_the_speed_stays_between_floor_and_full_and_comes_back(
        events in events(), configured in any::<bool>(), floor in 1u32..30, step in 1u32..30,
    ) {
        let options = PaceOptions { floor_percent: floor, increase_per_s_percent: step, ..PaceOptions::default() };
        let mut pace = Pace::new(options, configured.then(|| "80/s".parse().unwrap()));
        let mut now = at(10_000);
        for (pause, took, event) in events {
            now += at(pause);
            let started = now.saturating_sub(at(took));
            match event {
                Event::Throttled => pace.throttled(started, now),
                Event::Answered => pace.answered(started, now),
                Event::Used(used) => pace.used(used, now),
            }
            prop_assert!((f64::from(floor) / 100.0 - 1e-9..=1.0).contains(&pace.factor(now)));
            let slower = pace.limit(now).map_or(Duration::ZERO, |interval| interval);
            prop_assert!(!configured || slower.is_zero() || slower >= at(12), "never faster than configured");
            prop_assert!(pace.factor(now + at(500)) >= pace.factor(now));
        }
        pace.answered(now, now);
        let back = pace.recovers_at(now).unwrap();
        prop_assert!(back <= now + Duration::from_secs(u64::from(200 / step) + 1));
        prop_assert_eq!((pace.factor(back + at(1)), pace.limit(back + at(1))), (1.0, None));
    }
}
