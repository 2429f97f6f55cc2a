//! The demo, and what downstream systems hear of it.

use serde_json::{Value, json};
use sluice_schemas::CampaignEventKind;
use sluice_tests::{Place, events};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn d9_g8_the_demo_agrees_with_its_simulator_and_each_campaign_ends_once() {
    let place = Place::new();
    // The demo makes a directory of its own inside the data directory.
    let parent = place.data().to_owned();
    let demo = |more: &[&str]| {
        let arguments = [&["demo", "--recipients", "1000", "--port", "0"], more].concat();
        place.sluice(&arguments).wait(Duration::from_secs(120)).expect(0)
    };
    let said = demo(&[]).stdout;
    assert!(said.contains("none twice. Counters, recount and simulator agree."), "{said}");

    // For programs, beside the first: other campaigns.
    let lines: Vec<Value> =
        demo(&["--json"]).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sums = lines.last().unwrap();
    assert_eq!((&sums["differences"], &sums["accepted_twice"]), (&json!([]), &json!(0)));
    assert_eq!(lines[0]["counters"]["total"], 1_000);

    let place = place.with_data(parent.join("demo"));
    let mut all = events::of(place.data());
    all.retain(|event| event.kind != CampaignEventKind::Started);
    let ended = events::ends(place.data());
    assert_eq!((all.len(), ended.len()), (2, 2), "one end event a campaign: {all:?}");
    for event in &ended {
        let status = place.status(&event.campaign);
        assert_eq!(status["state"], "completed");
        assert_eq!(event.counters["total"], status["recipients"].as_i64().unwrap());
        assert_eq!(event.counters["pending"], 0);
        place.verify(&event.campaign);
    }
}

/// Without a package, cargo has to know which program is meant: with several it refuses the README's first command.
#[test]
fn the_readmes_cargo_run_means_the_program_and_nothing_else() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&asked.stdout).unwrap();
    let defaults = metadata["workspace_default_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let binaries: Vec<&Value> = packages
        .filter(|package| defaults.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().unwrap())
        .filter(|target| target["kind"] == json!(["bin"]))
        .map(|target| &target["name"])
        .collect();
    assert_eq!(binaries, ["sluice"]);
}
