//! Which variables of the environment set which keys.
//!
//! - Every key outside of channels, pages and quotas, in capitals, with `_` for `.`: `SLUICE_DATA_DIR`,
//!   `SLUICE_GATEWAY_LISTEN`, `SLUICE_KAFKA_BROKERS`, `SLUICE_SENDER_IN_FLIGHT_MAX`, …
//! - `SLUICE_GATEWAY_TOKEN`: short for `SLUICE_GATEWAY_CONTROL_TOKEN`.
//! - `SLUICE_<CHANNEL>_<SETTING>`: `SLUICE_WHATSAPP_TOKEN`, `SLUICE_HTTP_URL`, …
//! - `SLUICE_PAGE_<ID>_<SETTING>`: `SLUICE_PAGE_106540352242922_TOKEN`; what is no letter or digit in the id is
//!   written as `_`.

use super::layers::{Layers, Origin, join, plain_settings};
use super::model::CHANNELS;
use crate::error::{Failure, Outcome};
use sluice_core::launch::nearest;
use toml::Value;

const SHORT: [(&str, &str); 1] = [("SLUICE_GATEWAY_TOKEN", "gateway.control_token")];

/// Read elsewhere: no keys of the configuration.
const OTHERS: [&str; 3] = ["SLUICE_CONFIG", "SLUICE_SERVER", "SLUICE_SEEDS"];

const CHANNEL_SETTINGS: [&str; 8] =
    ["URL", "VERSION", "TOKEN", "APP_SECRET", "VERIFY_TOKEN", "RATE", "DAILY", "TIMEOUT_MS"];
const PAGE_SETTINGS: [&str; 7] = ["CHANNEL", "URL", "VERSION", "TOKEN", "RATE", "DAILY", "TIMEOUT_MS"];

/// Lays the environment over what is there; gives warnings about variables that look like ours and mean nothing.
pub fn apply(
    environment: &[(String, String)],
    pages: &[String],
    layers: &mut Layers,
) -> Outcome<Vec<String>> {
    let mut known: Vec<String> = pages.to_vec();
    known.extend(layers.config()?.pages.into_keys());
    let plain = Plain::new();
    let mut warnings = Vec::new();
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with("SLUICE_")) {
        match key_of(name, &known, &plain) {
            Some((key, like)) => {
                layers.set(&key, value_like(&like, name, text)?, Origin::Environment(name.clone()));
            }
            None if OTHERS.contains(&name.as_str()) || name.starts_with("SLUICE_TEST_") => {}
            None => warnings.push(unknown(name, &plain)),
        }
    }
    Ok(warnings)
}

/// The keys outside of channels and pages: variable, key, a value of its kind.
struct Plain(Vec<(String, String, Value)>);

impl Plain {
    fn new() -> Self {
        let text = || Value::String(String::new());
        let short = SHORT.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned(), text()));
        let all = plain_settings().into_iter().map(|(key, like)| {
            let name = format!("SLUICE_{}", key.replace('.', "_").to_uppercase());
            (name, key, like)
        });
        Self(short.chain(all).collect())
    }
}

/// A value for the kind of another.
fn text_or_number(number: bool) -> Value {
    if number { Value::Integer(0) } else { Value::String(String::new()) }
}

/// The key that a variable sets, and a value of its kind.
fn key_of(name: &str, pages: &[String], plain: &Plain) -> Option<(String, Value)> {
    if let Some((_, key, like)) = plain.0.iter().find(|(variable, _, _)| variable == name) {
        return Some((key.clone(), like.clone()));
    }
    let rest = name.strip_prefix("SLUICE_")?;
    let setting_of = |rest: &str, settings: &[&'static str]| {
        let fits =
            settings.iter().filter(|setting| rest.strip_suffix(**setting).is_some_and(|r| r.ends_with('_')));
        let setting = fits.max_by_key(|setting| setting.len())?;
        Some((rest[..rest.len() - setting.len() - 1].to_owned(), *setting))
    };
    if let Some(rest) = rest.strip_prefix("PAGE_") {
        let (id, setting) = setting_of(rest, &PAGE_SETTINGS)?;
        if id.is_empty() {
            return None;
        }
        let page =
            pages.iter().find(|page| as_variable(page) == id).cloned().unwrap_or_else(|| id.to_lowercase());
        let key = join(&join("pages", &page), &setting.to_lowercase());
        return Some((key, text_or_number(setting == "TIMEOUT_MS")));
    }
    for channel in CHANNELS {
        let prefix = format!("{}_", channel.as_str().to_uppercase());
        let Some(setting) = rest.strip_prefix(&prefix) else { continue };
        if CHANNEL_SETTINGS.contains(&setting) {
            let key = format!("channels.{channel}.{}", setting.to_lowercase());
            return Some((key, text_or_number(setting == "TIMEOUT_MS")));
        }
    }
    None
}

fn as_variable(page: &str) -> String {
    page.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The text as a value of the same kind as `like`; lists are separated by commas, tables are `name=value` pairs.
fn value_like(like: &Value, name: &str, text: &str) -> Outcome<Value> {
    let wrong = |kind: &str| {
        let message = format!("{name} has to be {kind}");
        Failure::usage("configuration_invalid", message, "correct or remove the variable")
    };
    let trimmed = text.trim();
    match like {
        Value::Integer(_) => trimmed.parse().map(Value::Integer).map_err(|_| wrong("a number")),
        Value::Float(_) => trimmed.parse().map(Value::Float).map_err(|_| wrong("a number")),
        Value::Boolean(_) => trimmed.parse().map(Value::Boolean).map_err(|_| wrong("true or false")),
        Value::Array(known) => {
            let like = known.first().cloned().unwrap_or(Value::String(String::new()));
            let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            Ok(Value::Array(parts.map(|part| value_like(&like, name, part)).collect::<Outcome<_>>()?))
        }
        Value::Table(any) => {
            let like = any.values().next().cloned().unwrap_or(Value::String(String::new()));
            let pairs = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            let pairs = pairs.map(|pair| {
                let (key, value) = pair.split_once('=').ok_or_else(|| wrong("written as name=value,…"))?;
                Ok((key.trim().to_owned(), value_like(&like, name, value)?))
            });
            Ok(Value::Table(pairs.collect::<Outcome<_>>()?))
        }
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn unknown(name: &str, plain: &Plain) -> String {
    let channels = CHANNELS.iter().flat_map(|channel| {
        let channel = channel.as_str().to_uppercase();
        CHANNEL_SETTINGS.iter().map(move |setting| format!("SLUICE_{channel}_{setting}"))
    });
    let all: Vec<String> = plain.0.iter().map(|(variable, _, _)| variable.clone()).chain(channels).collect();
    match nearest(name, all.iter().map(String::as_str)) {
        Some(near) => format!("{name} in the environment means nothing; perhaps {near} is meant"),
        None => format!("{name} in the environment means nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, pages: &[&str]) -> Option<String> {
        let pages: Vec<String> = pages.iter().map(|page| (*page).to_owned()).collect();
        key_of(name, &pages, &Plain::new()).map(|(key, _)| key)
    }

    #[test]
    fn variables_name_channels_and_pages() {
        assert_eq!(key("SLUICE_WHATSAPP_TOKEN", &[]).unwrap(), "channels.whatsapp.token");
        assert_eq!(key("SLUICE_WHATSAPP_VERIFY_TOKEN", &[]).unwrap(), "channels.whatsapp.verify_token");
        assert_eq!(key("SLUICE_PAGE_1065_TOKEN", &[]).unwrap(), "pages.1065.token");
        assert_eq!(key("SLUICE_PAGE_SHOP_EU_URL", &["shop.eu"]).unwrap(), "pages.\"shop.eu\".url");
        assert_eq!(key("SLUICE_PAGE_SHOP_EU_TIMEOUT_MS", &["shop-eu"]).unwrap(), "pages.shop-eu.timeout_ms");
        assert_eq!(key("SLUICE_WHATSAP_TOKEN", &[]), None);
    }

    #[test]
    fn every_key_has_a_variable_of_its_kind() {
        assert_eq!(key("SLUICE_GATEWAY_TOKEN", &[]).unwrap(), "gateway.control_token");
        assert_eq!(key("SLUICE_KAFKA_BROKERS", &[]).unwrap(), "kafka.brokers");
        let set = |name: &str, text: &str| {
            let mut layers = Layers::defaults();
            apply(&[(name.to_owned(), text.to_owned())], &[], &mut layers)?;
            layers.config()
        };
        assert_eq!(set("SLUICE_TOPICS_PARTITIONS", " 12").unwrap().topics.partitions, 12);
        assert!(set("SLUICE_GATEWAY_ALLOW_UNSIGNED", "true").unwrap().gateway.allow_unsigned);
        assert_eq!(set("SLUICE_CQL_CONTACT_POINTS", "a:1, b:2").unwrap().cql.contact_points, ["a:1", "b:2"]);
        assert_eq!(set("SLUICE_CQL_REPLICATION", "dc1=3").unwrap().cql.replication["dc1"], 3);
        let refused = set("SLUICE_TOPICS_PARTITIONS", "many").unwrap_err();
        assert_eq!(refused.message, "SLUICE_TOPICS_PARTITIONS has to be a number");
    }

    #[test]
    fn a_variable_that_looks_like_ours_and_means_nothing_is_warned_about() {
        let environment = [("SLUICE_WHATSAP_TOKEN".to_owned(), "x".to_owned())];
        let warnings = apply(&environment, &[], &mut Layers::defaults()).unwrap();
        assert!(warnings[0].contains("perhaps SLUICE_WHATSAPP_TOKEN is meant"), "{warnings:?}");
    }

    #[test]
    fn later_places_win_and_say_so() {
        let mut layers = Layers::defaults();
        layers.add_file(std::path::Path::new("s.toml"), "[channels.http]\nurl = \"http://a\"\n").unwrap();
        let environment = [("SLUICE_HTTP_URL".to_owned(), "http://b".to_owned())];
        apply(&environment, &[], &mut layers).unwrap();
        assert_eq!(layers.config().unwrap().channels.http.url.as_deref(), Some("http://b"));
        assert_eq!(
            layers.origin("channels.http.url"),
            Some(Origin::Environment("SLUICE_HTTP_URL".to_owned()))
        );
    }
}
