//! Alert rules: promtool takes them, each fires and stays quiet when it should, and says where to read on.

use crate::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Beside the Prometheus that the tests use.
fn promtool() -> PathBuf {
    match std::env::var_os("SLUICE_TEST_PROMETHEUS") {
        Some(prometheus) => Path::new(&prometheus).with_file_name("promtool"),
        None => PathBuf::from("promtool"),
    }
}

fn run(arguments: &[&str]) {
    let program = promtool();
    let ran = Command::new(&program).args(arguments).current_dir(files::path("")).output();
    let ran = ran.unwrap_or_else(|error| {
        panic!(
            "{} does not start ({error}): install Prometheus, for example with `apt-get install prometheus`, or name \
             its binary in SLUICE_TEST_PROMETHEUS",
            program.display()
        )
    });
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "promtool {arguments:?}:\n{said}");
}

#[test]
fn prometheus_takes_the_configuration_and_the_rules() {
    run(&["check", "config", "docker/prometheus/prometheus.yml"]);
    run(&["check", "rules", "docker/prometheus/rules.yml"]);
}

#[test]
fn alerts_fire_and_stay_quiet_when_they_should() {
    run(&["test", "rules", "tests/metrics/rules_test.yml"]);
}

#[test]
fn every_alert_is_tested_and_says_what_to_do_and_where_to_read_on() {
    let (rules, tests) =
        (files::read("docker/prometheus/rules.yml"), files::read("tests/metrics/rules_test.yml"));
    let headings: BTreeSet<&str> = files::definitions().iter().map(|definition| definition.name).collect();
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no test");
        for part in ["severity: ", "summary: ", "description: ", "runbook_url: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        let link = alert.split("runbook_url: docs/metrics.md#").nth(1).and_then(|rest| rest.lines().next());
        assert!(link.is_some_and(|link| headings.contains(link)), "{name}: {link:?} is no heading");
    }
}
