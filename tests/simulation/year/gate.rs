//! The gate alone, for every minute of the year.

use super::case::Case;
use super::hours::{BY_THE_MINUTE, QUARTERLY};
use super::zones::{MINUTE_MS, YEAR_MIN, YEAR_MS, for_each_zone};
use sluice_core::CampaignRow;
use sluice_core::gate::{CampaignGate, Verdict, Waits};

/// A new question every so many minutes, beside those at every turn: no divisor of an hour.
const ASK_EVERY: i64 = 13;

/// Whether it is open, and until when in ms since 1970.
fn said(verdict: Verdict) -> (bool, Option<i64>) {
    match verdict {
        Ok(closes_ms) => (true, closes_ms),
        Err(Waits::Window { opens_ms }) => (false, opens_ms),
        Err(Waits::State(_) | Waits::Ended) => panic!("{verdict:?}"),
    }
}

#[test]
fn g5_b1_the_gate_of_every_minute_of_a_year_is_open_when_the_clocks_show_it() {
    for_each_zone(|zones| {
        for zone in zones {
            QUARTERLY.iter().chain(&BY_THE_MINUTE).for_each(|hours| check(Case { zone, hours }));
        }
    });
}

fn check(case: Case) {
    let gate = CampaignGate::of(&CampaignRow::launched(case.launch("1/s"), 0), 0).unwrap();
    let class = case.class();
    let ask = |at_ms: i64| said(gate.verdict(&class, at_ms));
    let mut answer = ask(YEAR_MS);
    for minute in 0..YEAR_MIN {
        let at_ms = YEAR_MS + minute * MINUTE_MS;
        let (is_open, turns_ms) = answer;
        if turns_ms.is_some_and(|turns_ms| turns_ms <= at_ms) {
            assert_eq!(turns_ms, Some(at_ms), "{}: it turns between two minutes", case.name());
            assert_eq!(ask(at_ms - 1), answer, "{}: a ms before {minute}", case.name());
            answer = ask(at_ms);
            assert_ne!(answer.0, is_open, "{}: no turn at {minute}", case.name());
        } else if minute % ASK_EVERY == 0 {
            assert_eq!(ask(at_ms), answer, "{}: asked again at {minute}", case.name());
        }
        assert_eq!(answer.0, case.is_open(minute), "{}: minute {minute} of the year", case.name());
    }
}
