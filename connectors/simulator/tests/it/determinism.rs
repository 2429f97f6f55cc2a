//! Faults derive from seed, address and attempt.

use std::collections::BTreeMap;

use sluice_simulator::dice::Dice;
use sluice_simulator::{FaultKind, Faults, SimulatorConfig};

use crate::support::{generic, start};

fn faults() -> Faults {
    Faults {
        permanent_percent: 10.0,
        error_500_percent: 10.0,
        throttled_percent: 10.0,
        transient_percent: 10.0,
        closed_after_percent: 5.0,
        ..Faults::default()
    }
}

/// What each address got at its first and second attempt, asked in the given order.
async fn outcomes(seed: u64, order: impl Iterator<Item = u32>) -> BTreeMap<u32, Vec<u16>> {
    let simulator = start(SimulatorConfig { seed, faults: faults(), ..SimulatorConfig::default() }).await;
    let mut seen = BTreeMap::<u32, Vec<u16>>::new();
    for address in order {
        for _ in 0..2 {
            let status = generic(&simulator, &format!("r{address}")).await.map_or(0, |answer| answer.status);
            seen.entry(address).or_default().push(status);
        }
    }
    seen
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults_in_any_order_of_arrival() {
    let forwards = outcomes(7, 0..60).await;
    let backwards = outcomes(7, (0..60).rev()).await;
    assert_eq!(forwards, backwards);
    assert_ne!(forwards, outcomes(8, 0..60).await);
}

#[test]
fn percentages_are_met_and_exclude_each_other() {
    let faults = faults();
    let count =
        |kind| (0..20_000).filter(|n| faults.decide(3, &format!("r{n}"), 1) == kind).count() as f64 / 200.0;
    assert!((count(Some(FaultKind::Permanent)) - 10.0).abs() < 1.0);
    // Of the nine tenths that can be reached.
    assert!((count(Some(FaultKind::Error500)) - 9.0).abs() < 1.0);
    assert!((count(Some(FaultKind::ClosedAfter)) - 4.5).abs() < 1.0);
    assert!((count(None) - 58.5).abs() < 2.0);
}

#[test]
fn a_permanent_fault_stays_with_its_address() {
    let faults = faults();
    let lost = (0..1_000).map(|n| format!("r{n}")).filter(|to| {
        let at = |attempt| faults.decide(3, to, attempt) == Some(FaultKind::Permanent);
        assert_eq!(at(1), at(2));
        at(1)
    });
    assert!(lost.count() > 50);
}

#[test]
fn attempts_and_questions_are_independent() {
    let both = (0..10_000).filter(|n| {
        let to = format!("r{n}");
        Dice::new(1, &to, 1).happens("x", 50.0) && Dice::new(1, &to, 2).happens("x", 50.0)
    });
    assert!((both.count() as f64 / 100.0 - 25.0).abs() < 2.0);
    let dice = Dice::new(1, "a", 1);
    assert!((dice.percent("x") - dice.percent("y")).abs() > f64::EPSILON);
}

#[test]
fn impossible_percentages_are_refused() {
    assert!(Faults { read_percent: -1.0, ..Faults::default() }.validate().is_err());
    assert!(Faults { hang_percent: f64::NAN, ..Faults::default() }.validate().is_err());
    let sum = Faults { hang_percent: 60.0, transient_percent: 60.0, ..Faults::default() };
    assert!(sum.validate().unwrap_err().to_string().contains("at most 100"));
}
