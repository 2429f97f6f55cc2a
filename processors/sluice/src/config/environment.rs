//! Which variables of the environment set which keys.
//!
//! - `SLUICE_DATA_DIR`, `SLUICE_GATEWAY_LISTEN`, `SLUICE_GATEWAY_TOKEN`, `SLUICE_LOG_FORMAT`, `SLUICE_LOG_LEVEL`
//! - `SLUICE_<CHANNEL>_<SETTING>`: `SLUICE_WHATSAPP_TOKEN`, `SLUICE_HTTP_URL`, …
//! - `SLUICE_PAGE_<ID>_<SETTING>`: `SLUICE_PAGE_106540352242922_TOKEN`; what is no letter or digit in the id is
//!   written as `_`.

use super::layers::{Layers, Origin, join};
use super::model::CHANNELS;
use crate::error::{Failure, Outcome};
use sluice_core::launch::nearest;
use toml::Value;

const PLAIN: [(&str, &str); 5] = [
    ("SLUICE_DATA_DIR", "data_dir"),
    ("SLUICE_GATEWAY_LISTEN", "gateway.listen"),
    ("SLUICE_GATEWAY_TOKEN", "gateway.control_token"),
    ("SLUICE_LOG_FORMAT", "log.format"),
    ("SLUICE_LOG_LEVEL", "log.level"),
];

/// Read elsewhere: no keys of the configuration.
const OTHERS: [&str; 3] = ["SLUICE_CONFIG", "SLUICE_SERVER", "SLUICE_SEEDS"];

const CHANNEL_SETTINGS: [&str; 7] =
    ["URL", "VERSION", "TOKEN", "APP_SECRET", "VERIFY_TOKEN", "RATE", "TIMEOUT_MS"];
const PAGE_SETTINGS: [&str; 6] = ["CHANNEL", "URL", "VERSION", "TOKEN", "RATE", "TIMEOUT_MS"];

/// Lays the environment over what is there; gives warnings about variables that look like ours and mean nothing.
pub fn apply(
    environment: &[(String, String)],
    pages: &[String],
    layers: &mut Layers,
) -> Outcome<Vec<String>> {
    let mut known: Vec<String> = pages.to_vec();
    known.extend(layers.config()?.pages.into_keys());
    let mut warnings = Vec::new();
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with("SLUICE_")) {
        match key_of(name, &known) {
            Some((key, number)) => {
                let value = if number { integer(name, text)? } else { Value::String(text.clone()) };
                layers.set(&key, value, Origin::Environment(name.clone()));
            }
            None if OTHERS.contains(&name.as_str()) || name.starts_with("SLUICE_TEST_") => {}
            None => warnings.push(unknown(name)),
        }
    }
    Ok(warnings)
}

/// The key that a variable sets, and whether it is a number.
fn key_of(name: &str, pages: &[String]) -> Option<(String, bool)> {
    if let Some((_, key)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
        return Some(((*key).to_owned(), false));
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
        return Some((join(&join("pages", &page), &setting.to_lowercase()), setting == "TIMEOUT_MS"));
    }
    for channel in CHANNELS {
        let prefix = format!("{}_", channel.as_str().to_uppercase());
        let Some(setting) = rest.strip_prefix(&prefix) else { continue };
        if CHANNEL_SETTINGS.contains(&setting) {
            return Some((format!("channels.{channel}.{}", setting.to_lowercase()), setting == "TIMEOUT_MS"));
        }
    }
    None
}

fn as_variable(page: &str) -> String {
    page.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn integer(name: &str, text: &str) -> Outcome<Value> {
    text.trim().parse().map(Value::Integer).map_err(|_| {
        let message = format!("{name} is `{text}`, it has to be a number");
        Failure::usage("configuration_invalid", message, "correct or remove the variable")
    })
}

fn unknown(name: &str) -> String {
    let channels = CHANNELS.iter().flat_map(|channel| {
        let channel = channel.as_str().to_uppercase();
        CHANNEL_SETTINGS.iter().map(move |setting| format!("SLUICE_{channel}_{setting}"))
    });
    let all: Vec<String> = PLAIN.iter().map(|(plain, _)| (*plain).to_owned()).chain(channels).collect();
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
        key_of(name, &pages).map(|(key, _)| key)
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
