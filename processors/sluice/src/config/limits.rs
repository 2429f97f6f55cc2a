//! The limits of a configuration: what of it changes while the service runs. Pure.
//!
//! These are `rate` and `daily` of channels and pages, and all of `quotas`.

use super::layers::{Layers, split_key};
use super::model::{CHANNELS, Config, PageSettings};
use std::collections::{BTreeMap, BTreeSet};
use toml::Value;

/// What differs between two configurations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Limits: `pages.shop.rate 10/s -> 20/s`.
    pub limits: Vec<String>,
    /// Keys of everything else.
    pub others: Vec<String>,
    /// A limit is gone.
    pub takes_away: bool,
}

impl Config {
    /// This configuration with the limits of another one.
    pub fn with_limits_of(&self, other: &Config) -> Config {
        let mut config = self.clone();
        for channel in CHANNELS {
            if let (Some(own), Some(other)) = (config.channels.of_mut(channel), other.channels.of(channel)) {
                (own.rate, own.daily) = (other.rate, other.daily);
            }
        }
        for (id, page) in &mut config.pages {
            let other = other.pages.get(id).filter(|other| other.channel == page.channel);
            page.rate = other.and_then(|page| page.rate);
            page.daily = other.and_then(|page| page.daily);
        }
        for (id, page) in &other.pages {
            let PageSettings { channel, rate, daily, .. } = *page;
            let limits = PageSettings { channel, rate, daily, ..PageSettings::default() };
            config.pages.entry(id.clone()).or_insert(limits);
        }
        config.quotas.clone_from(&other.quotas);
        config
    }
}

/// What somebody changed from `before` to `after`. Values are told of limits only: others may be secrets.
pub fn changes(before: &Layers, after: &Layers) -> Changes {
    let values = |layers: &Layers| -> BTreeMap<String, Value> {
        layers.values().into_iter().map(|(key, value, _)| (key, value)).collect()
    };
    let (before, after) = (values(before), values(after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes = Changes::default();
    for key in keys.into_iter().filter(|key| before.get(*key) != after.get(*key)) {
        match is_limit(key) {
            true => {
                changes.takes_away |= !after.contains_key(key);
                let [was, is] = [&before, &after].map(|values| word(values.get(key)));
                changes.limits.push(format!("{key} {was} -> {is}"));
            }
            false => changes.others.push(key.clone()),
        }
    }
    changes
}

fn is_limit(key: &str) -> bool {
    let parts = split_key(key);
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["quotas", ..] => true,
        // Not a header of that name, which is a secret.
        ["channels" | "pages", _, limit] => matches!(limit, "rate" | "daily"),
        _ => false,
    }
}

fn word(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn layers(text: &str) -> Layers {
        let mut layers = Layers::defaults();
        layers.add_file(Path::new("sluice.toml"), text).unwrap();
        layers
    }

    const BEFORE: &str = "[channels.whatsapp]\nrate = \"80/s\"\ntoken = \"old\"\n[pages.shop]\nrate = \"10/s\"\ntoken = \"own\"\n";
    const AFTER: &str = "[channels.whatsapp]\ndaily = \"5000/day\"\ntoken = \"new\"\n[pages.outlet]\nrate = \"3/s\"\ntoken = \"x\"\n\
                         [quotas.acme]\nrate = \"100/s\"\ntenants = [\"acme\"]\n";

    #[test]
    fn b2_limits_change_and_nothing_else_does() {
        let [before, after] = [BEFORE, AFTER].map(|text| layers(text).config().unwrap());
        let config = before.with_limits_of(&after);
        let pages = config.provider_pages();
        let page = |id| pages.page(sluice_schemas::Channel::Whatsapp, id).unwrap();
        assert_eq!((page("shop").rate, page("shop").token.expose()), ("80/s".parse().ok(), "own"));
        assert_eq!((page("outlet").rate, page("outlet").token.expose()), ("3/s".parse().ok(), "old"));
        assert_eq!(page("any").daily, "5000/day".parse().ok());
        assert_eq!(config.quotas, after.quotas);
        assert_eq!(before.with_limits_of(&before), before);
    }

    #[test]
    fn b2_what_changed_is_told_without_secrets() {
        assert!(is_limit("pages.\"shop.eu\".rate") && !is_limit("pages.shop.headers.rate"));
        let changes = changes(&layers(BEFORE), &layers(AFTER));
        assert_eq!(
            changes.limits,
            [
                "channels.whatsapp.daily none -> 5000/day",
                "pages.outlet.rate none -> 3/s",
                "pages.shop.rate 10/s -> none",
                "quotas.acme.rate none -> 100/s",
                "quotas.acme.tenants none -> [\"acme\"]",
            ]
        );
        assert_eq!(changes.others, ["channels.whatsapp.token", "pages.outlet.token", "pages.shop.token"]);
        assert!(changes.takes_away, "shop has none of its own any more");
        assert_eq!(super::changes(&layers(AFTER), &layers(AFTER)), Changes::default());
    }
}
