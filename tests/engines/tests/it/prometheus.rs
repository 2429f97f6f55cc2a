use sluice_engines::Prometheus;

use crate::http::call;

const CONFIGURATION: &str = "\
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: []
";

const RULES: &str = "\
groups:
  - name: example
    rules:
      - alert: Always
        expr: vector(1)
";

#[test]
fn prometheus_has_the_rules_it_was_given_also_after_a_kill() {
    let mut prometheus = Prometheus::start(CONFIGURATION, RULES).unwrap();
    let rules = format!("{}/api/v1/rules", prometheus.url());
    assert!(call("GET", &rules, "").unwrap().contains("\"Always\""));

    prometheus.kill();
    assert!(call("GET", &rules, "").is_err(), "a killed prometheus answers");
    prometheus.restart().unwrap();

    assert!(call("GET", &rules, "").unwrap().contains("\"Always\""));
}

#[test]
fn a_wrong_rule_is_shown_in_the_error() {
    let wrong = RULES.replace("vector(1)", "sum by (");
    let error = Prometheus::start(CONFIGURATION, &wrong).unwrap_err().to_string();
    assert!(error.contains("rules.yml"), "{error}");
}
