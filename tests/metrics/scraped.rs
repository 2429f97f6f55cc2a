//! A real Prometheus scrapes the real program under load.

use crate::expressions::{self, Expression, names, operands};
use crate::load::{SECRET_NAMES, Sending};
use crate::{api, files};
use sluice_engines::{Prometheus, Proxy};
use sluice_runtime::{Clock, SystemClock};
use sluice_tests::{Cluster, Place, wait_for};
use std::collections::BTreeSet;
use std::time::Duration;

/// By then every panel and every rule has found data.
const WITHIN: Duration = Duration::from_secs(120);

/// Parts of panels' expressions that may stay at zero under this load, each with the reason. Every other one has to
/// rise above it.
const MAY_STAY_AT_ZERO: [(&str, &str); 9] = [
    ("sluice_engine_trouble", "the engines work"),
    ("sluice_log_errors_total", "the engines work"),
    ("sluice_store_errors_total", "the engines work"),
    ("dead", "every record can be read, and every webhook finds its send"),
    ("sluice_webhooks_unmatched_total", "every webhook finds its send"),
    ("sluice_receipts_early_facts_total", "webhooks of these channels name their send, known or not"),
    (
        "sluice_sends_granted",
        "a send waits for milliseconds between its grant and its call: a scrape seldom meets one",
    ),
    ("sluice_log_partitions_moved_total", "one process has them all from its start on"),
    ("sluice_page_releases_total", "there is no other process to hand a page to"),
];

fn configuration(target: &str) -> String {
    format!(
        "global: {{ scrape_interval: 500ms, evaluation_interval: 1s }}\n\
         rule_files: [rules.yml]\n\
         scrape_configs:\n  - {{ job_name: sluice, static_configs: [{{ targets: ['{target}'] }}] }}\n"
    )
}

#[test]
fn g1_every_panel_and_every_rule_finds_data_in_a_running_sluice() {
    Scraped::start(Place::new()).finds_everything("log=\"embedded\",store=\"embedded\"");
}

#[test]
fn g1_every_panel_and_every_rule_finds_data_in_a_sluice_on_kafka_and_cassandra() {
    let database = Proxy::start(sluice_engines::shared_cql()).unwrap();
    let mut cluster = Cluster::on(sluice_engines::shared_kafka(), database.address());
    // An outage of seconds is to be seen.
    cluster.place_mut().set_variable("SLUICE_CQL_REQUEST_MS", "1000");
    cluster.place_mut().set_variable("SLUICE_CQL_TOTAL_MS", "2000");
    cluster.make();
    let scraped = Scraped::start(cluster.into_place());
    scraped.finds_everything("log=\"kafka\",store=\"cql\"");
    for work in [
        "sum(sluice_log_append_seconds_count)",
        "sum(sluice_log_records_delivered_total)",
        "sum(sluice_log_partitions_owned)",
        "min(sluice_lag_sampled_timestamp_seconds)",
        "sum(sluice_store_operation_seconds_count)",
    ] {
        scraped.sees(work);
    }
    database.cut();
    scraped.sees("sum(sluice_store_errors_total)");
    scraped.sees("max(sluice_engine_trouble{engine=\"store\"})");
    database.heal();
    scraped.sees("sum(sluice_engine_trouble) == bool 0");
}

/// A sending process and a Prometheus that scrapes it.
struct Scraped {
    sending: Sending,
    prometheus: Prometheus,
}

impl Scraped {
    fn start(place: Place) -> Self {
        let sending = Sending::start(place);
        let rules = files::read("docker/prometheus/rules.yml");
        let prometheus = Prometheus::start(&configuration(&sending.metrics), &rules).unwrap();
        Self { sending, prometheus }
    }

    /// `engines`: as the metric of the build names them.
    fn finds_everything(&self, engines: &str) {
        everything_finds_data(&self.prometheus.url());
        // The quota of the load, as its row says, whoever leased.
        self.sees("max(sluice_quota_used_ratio{quota=\"portfolio\", limit=\"daily\"})");
        let metrics = format!("http://{}", self.sending.metrics);
        let exported = api::get(&metrics, "/metrics");
        assert!(exported.contains(&format!("sluice_build_info{{{engines},")), "{engines}");
        only_what_is_documented_is_exported(&exported);
        assert!(api::get(&metrics, "/health/live").contains("live"));
        assert!(api::get(&metrics, "/health/ready").contains("ready"));
    }

    /// Waits until an expression is above zero.
    fn sees(&self, expression: &str) {
        wait_for(expression, WITHIN, || {
            let values = api::query(&self.prometheus.url(), expression).unwrap();
            values.iter().any(|value| *value > 0.0).then_some(())
        });
    }
}

fn everything_finds_data(prometheus: &str) {
    let deadline = SystemClock.monotonic() + WITHIN;
    let (quiet, mut moving): (Vec<_>, Vec<_>) =
        expressions::of_panels().into_iter().partition(may_stay_at_zero);
    for (part, reason) in MAY_STAY_AT_ZERO {
        assert!(
            quiet.iter().any(|expression| expression.text.contains(part)),
            "no panel has {part}: {reason}"
        );
    }
    let mut waiting = [quiet, of_rules(prometheus)].concat();
    assert!(waiting.len() + moving.len() > 100, "{} expressions", waiting.len() + moving.len());
    loop {
        waiting.retain(|expression| !has_value(prometheus, expression, |value| value.is_finite()));
        moving.retain(|expression| {
            !has_value(prometheus, expression, |value| value > 0.0 && value.is_finite())
        });
        if waiting.is_empty() && moving.is_empty() {
            break;
        }
        assert!(
            SystemClock.monotonic() < deadline,
            "after {WITHIN:?} without data: {waiting:#?}; not above zero: {moving:#?}"
        );
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

fn may_stay_at_zero(expression: &Expression) -> bool {
    MAY_STAY_AT_ZERO.iter().any(|(part, _)| expression.text.contains(part))
}

fn has_value(prometheus: &str, expression: &Expression, is_it: impl Fn(f64) -> bool) -> bool {
    let values = api::query(prometheus, &expression.text);
    let values = values.unwrap_or_else(|error| panic!("{expression:?} is wrong: {error}"));
    values.into_iter().any(is_it)
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
