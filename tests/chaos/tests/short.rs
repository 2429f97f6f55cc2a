//! The short schedule: one round of the faults that break simpler designs, while persons command campaigns with rules.

use chaos::{Kind, Settings};
use std::path::Path;

#[test]
fn g1_g2_g3_g4_g5_g7_g8_hold_while_processes_engines_and_connections_fail() {
    let test = std::env::current_exe().unwrap();
    // …/target/<profile>/deps/short-0123456789abcdef
    let profile = test.parent().and_then(Path::parent).unwrap();
    let seed = 20_261_121;
    let directory = std::env::temp_dir().join(format!("sluice-chaos-short-{}", std::process::id()));
    let settings = Settings {
        seed,
        minutes: 0,
        recipients: 12_000,
        kinds: vec![
            Kind::Kill,
            Kind::Freeze,
            Kind::Terminate,
            Kind::Add,
            Kind::BrokerKill,
            Kind::StoreKill,
            Kind::LogCut,
            Kind::StoreCut,
        ],
        steps: 8,
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
    assert!(sums.times >= 6, "the campaigns ended before the faults");
}
