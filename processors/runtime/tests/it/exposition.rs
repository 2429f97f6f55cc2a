//! G1: what a scrape shows.

use crate::support::{metrics, value};
use sluice_core::PageId;
use sluice_runtime::metered::PageChannels;
use sluice_runtime::metrics::pages::PageSample;
use sluice_runtime::metrics::{Engine, Kind, definitions};
use sluice_schemas::Channel;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_process_tells_what_it_is_and_how_long_it_runs() {
    let (metrics, clock) = metrics();
    clock.advance(2_500);
    assert_eq!(value(&metrics, "sluice_process_uptime_seconds"), 2.5);
    assert_eq!(value(&metrics, "process_start_time_seconds"), 1_000.0);
    let info = r#"sluice_build_info{log="embedded",store="embedded",version="1.2.3"}"#;
    assert_eq!(value(&metrics, info), 1.0);
    assert!(value(&metrics, "process_resident_memory_bytes") > 0.0);
    let used = value(&metrics, "process_cpu_seconds_total");
    assert!(value(&metrics, "process_cpu_seconds_total") >= used);
}

#[test]
fn an_engine_is_in_trouble_as_long_as_it_says_so() {
    let (metrics, _) = metrics();
    let away = Arc::new(AtomicBool::new(true));
    let asked = away.clone();
    metrics.probe(Engine::Store, move || asked.load(Ordering::SeqCst).then(|| "no quorum".to_owned()));
    assert_eq!(value(&metrics, r#"sluice_engine_trouble{engine="store"}"#), 1.0);
    assert_eq!(value(&metrics, r#"sluice_engine_trouble{engine="log"}"#), 0.0);
    assert_eq!(metrics.troubles(), [(Engine::Store, "no quorum".to_owned())]);
    away.store(false, Ordering::SeqCst);
    assert_eq!(value(&metrics, r#"sluice_engine_trouble{engine="store"}"#), 0.0);
}

#[test]
fn pages_are_summed_by_channel_and_never_named() {
    let (metrics, _) = metrics();
    let channels = PageChannels::default();
    channels.note(&"p1".into(), Channel::Whatsapp);
    channels.note(&"p2".into(), Channel::Whatsapp);
    let page = |page: &str, waits| PageSample {
        page: PageId::from(page),
        campaigns: 2,
        granted: 10,
        claims: 30,
        waits,
    };
    metrics.watch_pages(channels, move || {
        vec![page("p1", Some("throttled")), page("p2", Some("a new word")), page("p3", None)]
    });
    assert_eq!(value(&metrics, r#"sluice_pages_active{channel="whatsapp"}"#), 2.0);
    assert_eq!(value(&metrics, r#"sluice_pages_active{channel="unknown"}"#), 1.0);
    assert_eq!(value(&metrics, r#"sluice_claims_held{channel="whatsapp"}"#), 60.0);
    assert_eq!(value(&metrics, r#"sluice_pages_waiting{channel="whatsapp",reason="throttled"}"#), 1.0);
    assert_eq!(value(&metrics, r#"sluice_pages_waiting{channel="whatsapp",reason="other"}"#), 1.0);
    assert!(!metrics.text().unwrap().contains("p1"));
}

#[test]
fn definitions_keep_to_the_conventions_of_prometheus() {
    let all = definitions();
    let names: BTreeSet<&str> = all.iter().map(|definition| definition.name).collect();
    assert_eq!(names.len(), all.len(), "a name is used twice");
    for definition in all {
        let name = definition.name;
        assert!(name.starts_with("sluice_") || name.starts_with("process_"), "{name}");
        assert_eq!(name.ends_with("_total"), definition.kind == Kind::Counter, "{name}");
        assert_eq!(definition.unit.starts_with("seconds"), name.contains("_seconds"), "{name}");
        assert!(definition.help.ends_with('.') && definition.look.ends_with('.'), "{name}");
        for label in definition.labels.names() {
            assert!(!["campaign", "page", "address", "recipient"].contains(&label), "{name}: {label}");
        }
        match definition.kind {
            Kind::Counter => drop(definition.counters()),
            Kind::Gauge => drop(definition.gauges()),
            Kind::Histogram(bounds) => {
                assert!(bounds.is_sorted(), "{name}");
                drop(definition.histograms());
            }
        }
    }
}
