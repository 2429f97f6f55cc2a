//! A real Prometheus scrapes the real program under load.

use crate::expressions::{self, Expression, names, operands};
use crate::load::{SECRET_NAMES, Sending};
use crate::{api, files};
use sluice_engines::Prometheus;
use sluice_runtime::{Clock, SystemClock};
use std::collections::BTreeSet;
use std::time::Duration;

/// By then every panel and every rule has found data.
const WITHIN: Duration = Duration::from_secs(120);

fn configuration(target: &str) -> String {
    format!(
        "global: {{ scrape_interval: 500ms, evaluation_interval: 1s }}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n  - {{ job_name: sluice, static_configs: [{{ targets: ['{target}'] }}] }}\n"
    )
}

#[test]
fn g1_every_panel_and_every_rule_finds_data_in_a_running_sluice() {
    let sending = Sending::start();
    let rules = files::read("docker/prometheus/rules.yml");
    let prometheus = Prometheus::start(&configuration(&sending.metrics), &rules).unwrap();
    everything_finds_data(&prometheus.url());

    let metrics = format!("http://{}", sending.metrics);
    only_what_is_documented_is_exported(&api::get(&metrics, "/metrics"));
    assert!(api::get(&metrics, "/health/live").contains("live"));
    assert!(api::get(&metrics, "/health/ready").contains("ready"));
}

fn everything_finds_data(prometheus: &str) {
    let deadline = SystemClock.monotonic() + WITHIN;
    let mut waiting = expressions::of_panels();
    waiting.extend(of_rules(prometheus));
    assert!(waiting.len() > 100, "{} expressions", waiting.len());
    loop {
        waiting.retain(|expression| !finds_data(prometheus, expression));
        if waiting.is_empty() {
            break;
        }
        assert!(SystemClock.monotonic() < deadline, "without data after {WITHIN:?}: {waiting:#?}");
        std::thread::sleep(Duration::from_millis(300));
    }
    for rule in api::rules(prometheus) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

/// What is recorded, and both sides of what alerts compare.
fn of_rules(prometheus: &str) -> Vec<Expression> {
    let rules = api::rules(prometheus);
    assert!(!rules.is_empty());
    let of_rule = |rule: &serde_json::Value| {
        let (name, query) = (rule["name"].as_str().unwrap(), rule["query"].as_str().unwrap());
        let texts = match rule["type"].as_str().unwrap() {
            "recording" => vec![query.to_owned(), name.to_owned()],
            _ => operands(query),
        };
        let place = format!("rule {name}");
        texts.into_iter().map(move |text| Expression { place: place.clone(), text }).collect::<Vec<_>>()
    };
    rules.iter().flat_map(of_rule).collect()
}

fn finds_data(prometheus: &str, expression: &Expression) -> bool {
    let values = api::query(prometheus, &expression.text);
    let values = values.unwrap_or_else(|error| panic!("{expression:?} is wrong: {error}"));
    values.iter().any(|value| value.is_finite())
}

fn only_what_is_documented_is_exported(text: &str) {
    let exported: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let defined: BTreeSet<&str> = files::definitions().iter().map(|definition| definition.name).collect();
    assert_eq!(exported, defined, "what is exported is what is defined");
    for name in SECRET_NAMES {
        assert!(!text.contains(name), "{name} is exported");
    }
    // Bounded: it does not grow with campaigns, pages or people.
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 2_500, "{series} series");
}

#[test]
fn panels_and_rules_name_only_what_exists() {
    let mut known: BTreeSet<String> = BTreeSet::from(["up".to_owned()]);
    for definition in files::definitions() {
        known.insert(definition.name.to_owned());
        if matches!(definition.kind, sluice_runtime::metrics::Kind::Histogram(_)) {
            known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", definition.name)));
        }
    }
    let rules = files::read("docker/prometheus/rules.yml");
    let expressions: String =
        rules.lines().filter(|line| !line.contains("_url") && !line.trim_start().starts_with('#')).collect();
    let recorded = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: "));
    known.extend(recorded.map(str::to_owned));
    for expression in expressions::of_panels() {
        let unknown: Vec<_> = names(&expression.text).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", expression.place);
    }
    let unknown: Vec<_> = names(&expressions).difference(&known).cloned().collect();
    assert!(unknown.is_empty(), "rules: {unknown:?}");
}
