//! The short schedule: one round of the faults that break simpler designs, while persons command campaigns with rules.

use chaos::{Kind, Settings};
use std::path::Path;

#[test]
fn g1_g2_g3_g4_g5_g7_g8_hold_while_processes_engines_and_connections_fail() {
    let test = std::env::current_exe().unwrap();
    // …/target/<profile>/deps/short-0123456789abcdef
    let profile = test.parent().and_then(Path::parent).unwrap();
    // It puts a fault that leaves the others sending between any two that stop all of them, so that each strikes calls.
    let seed = 20_262_478;
    let directory = std::env::temp_dir().join(format!("sluice-chaos-short-{}", std::process::id()));
    let kinds = [
        Kind::Kill,
        Kind::Freeze,
        Kind::Terminate,
        Kind::Add,
        Kind::BrokerKill,
        Kind::StoreKill,
        Kind::StorePause,
        Kind::LogCut,
        Kind::LogDelay,
        Kind::StoreCut,
    ];
    let settings = Settings {
        seed,
        minutes: 0,
        recipients: 12_000,
        kinds: kinds.to_vec(),
        // Each of them once.
        steps: kinds.len(),
        gap_ms: 1_500,
        overlap_one_in: 0,
        directory,
        keep: false,
        program: chaos::drive::program::beside(profile, false).unwrap(),
    };
    let outcome = chaos::drive::run::on_runtime(settings).unwrap();
    println!("{}", chaos::report::summary(seed, &outcome));
    assert!(outcome.violations.is_empty(), "{:#?}, see {:?}", outcome.violations, outcome.kept);
    let sums = outcome.tally.total();
    assert_eq!((sums.doubled, sums.lost), (0, 0));
    assert!(sums.sent > 1_000, "hardly anything was sent");
    let ordered: Vec<_> = outcome.orders.keys().copied().collect();
    assert_eq!(ordered, ["cancel", "limits", "pause", "resume"]);
    for kind in kinds {
        let struck = outcome.tally.kinds.get(&Some(kind)).map(|sums| (sums.times, sums.sent > 0));
        assert_eq!(struck, Some((1, true)), "{kind}: once, and while messages were sent");
    }
}
