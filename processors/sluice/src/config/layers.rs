//! Values from several places, one table, and where each came from.

use super::model::{CHANNELS, Config, PageSettings};
use crate::error::{Failure, Outcome};
use serde::Deserialize;
use sluice_core::launch::nearest;
use sluice_core::quota::Quota;
use sluice_providers::Secret;
use sluice_schemas::Channel;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The file.
    File(PathBuf),
    /// This variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// The merged values.
#[derive(Debug, Clone)]
pub struct Layers {
    table: Table,
    origins: BTreeMap<String, Origin>,
}

/// Where a mistake of syntax is, counted from 1.
fn line_of(text: &str, error: &toml::de::Error) -> usize {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

impl Layers {
    /// The defaults alone.
    pub fn defaults() -> Self {
        Self { table: without_secrets(table_of(&Config::default())), origins: BTreeMap::new() }
    }

    /// Lays a file over what is there. An unknown key is an error that names the nearest known one.
    pub fn add_file(&mut self, path: &Path, text: &str) -> Outcome<()> {
        let file: Table = text.parse().map_err(|error: toml::de::Error| {
            Failure::usage(
                "configuration_syntax",
                format!("{} is not valid TOML", path.display()),
                "correct the line; docs/configuration.md shows every section",
            )
            // Not the line itself, which may be a secret's.
            .with(format!("line {}: {}", line_of(text, &error), error.message()))
        })?;
        if let Some((key, near)) = unknown_key(&file, &known_keys(), "") {
            let actionable = match near {
                Some(near) => format!("perhaps `{near}` is meant"),
                None => "docs/configuration.md lists every key".to_owned(),
            };
            return Err(Failure::usage(
                "configuration_unknown_key",
                format!("{}: there is no setting `{key}`", path.display()),
                actionable,
            ));
        }
        for (key, value) in flatten(&file) {
            self.set(&key, value, Origin::File(path.to_owned()));
        }
        Ok(())
    }

    /// Sets one value; `key` has dots, parts that hold dots themselves are quoted.
    pub fn set(&mut self, key: &str, value: Value, origin: Origin) {
        let parts = split_key(key);
        let Some((last, parents)) = parts.split_last() else { return };
        let mut table = &mut self.table;
        for part in parents {
            let entry = table.entry(part.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
        table.insert(last.clone(), value);
        self.origins.insert(key.to_owned(), origin);
    }

    /// Where the value of a key came from; `None`: there is no such value.
    pub fn origin(&self, key: &str) -> Option<Origin> {
        let key = key.trim_end_matches([':', ',']);
        let known = flatten(&self.table).into_iter().any(|(name, _)| name == key);
        known.then(|| self.origin_of(key))
    }

    /// A value that came with its whole table has the table's origin.
    fn origin_of(&self, key: &str) -> Origin {
        let parts = key.match_indices('.').map(|(dot, _)| &key[..dot]);
        let mut places = std::iter::once(key).chain(parts.collect::<Vec<_>>().into_iter().rev());
        places.find_map(|place| self.origins.get(place)).cloned().unwrap_or(Origin::Default)
    }

    /// Every value with its key and origin.
    pub fn values(&self) -> Vec<(String, Value, Origin)> {
        let with_origin = |(key, value): (String, Value)| {
            let origin = self.origin_of(&key);
            (key, value, origin)
        };
        flatten(&self.table).into_iter().map(with_origin).collect()
    }

    /// Typed, not yet checked.
    pub fn config(&self) -> Outcome<Config> {
        // One value at a time over the defaults, so that a wrong one is named with its origin.
        Config::deserialize(self.table.clone()).map_err(|error| {
            let culprit = self.values().into_iter().filter(|(_, _, origin)| *origin != Origin::Default).find(
                |(key, value, _)| {
                    let mut alone = Self::defaults();
                    alone.set(key, value.clone(), Origin::Default);
                    Config::deserialize(alone.table).is_err()
                },
            );
            let reason = error.message().trim().to_owned();
            let (message, set_by) = match culprit {
                Some((key, _, origin)) => (format!("{key}: {reason}"), Some(origin)),
                None => (reason, None),
            };
            let actionable = "correct the value; docs/configuration.md lists every key with its kind";
            let failure = Failure::usage("configuration_invalid", message, actionable);
            match set_by {
                Some(origin) => failure.with(format!("set by {origin}")),
                None => failure,
            }
        })
    }
}

fn table_of(config: &Config) -> Table {
    // A configuration is a table of plain values: it can always be written.
    Table::try_from(config).unwrap_or_default()
}

/// Secrets serialise as `***`: in the defaults they are empty, so they go.
fn without_secrets(mut table: Table) -> Table {
    table.retain(|_, value| value.as_str() != Some("***"));
    for (_, value) in table.iter_mut() {
        if let Value::Table(inner) = value {
            *inner = without_secrets(std::mem::take(inner));
        }
    }
    table
}

/// Every key there can be, also those without a default; `*` stands for any name.
fn known_keys() -> Table {
    let mut config = Config::default();
    config.log.level = Some(String::new());
    config.kafka.ca_file = Some(PathBuf::new());
    config.kafka.certificate_file = Some(PathBuf::new());
    config.kafka.key_file = Some(PathBuf::new());
    config.kafka.properties = BTreeMap::from([("*".to_owned(), String::new())]);
    for store in [&mut config.audience.s3, &mut config.audience.google, &mut config.audience.azure] {
        *store = BTreeMap::from([("*".to_owned(), Secret::default())]);
    }
    config.cql.local_dc = Some(String::new());
    config.cql.username = Some(String::new());
    config.cql.ca_file = Some(PathBuf::new());
    config.cql.replication = BTreeMap::from([("*".to_owned(), 1)]);
    let headers = BTreeMap::from([("*".to_owned(), Secret::default())]);
    let (rate, daily) = ("1/s".parse().ok(), "1/day".parse().ok());
    for channel in CHANNELS {
        if let Some(settings) = config.channels.of_mut(channel) {
            settings.url = Some(String::new());
            settings.version = Some(String::new());
            settings.timeout_ms = Some(1);
            settings.rate = rate;
            settings.daily = daily;
            settings.headers.clone_from(&headers);
        }
    }
    let page = PageSettings {
        channel: Some(Channel::Http),
        url: Some(String::new()),
        version: Some(String::new()),
        token: Secret::default(),
        rate,
        daily,
        timeout_ms: Some(1),
        headers,
    };
    config.pages.insert("*".to_owned(), page);
    config.quotas.insert("*".to_owned(), Quota { rate, daily, ..Quota::default() });
    table_of(&config)
}

/// The keys that every configuration has, outside of channels, pages and quotas, with a value of their kind.
pub(super) fn plain_settings() -> Vec<(String, Value)> {
    let mut known = known_keys();
    known.remove("channels");
    known.remove("pages");
    known.remove("quotas");
    flatten(&known)
        .into_iter()
        .map(|(key, value)| match key.strip_suffix(".*") {
            // Names of one's own choice: the table as a whole.
            Some(table) => (table.to_owned(), Value::Table([("*".to_owned(), value)].into_iter().collect())),
            None => (key, value),
        })
        .collect()
}

fn unknown_key(table: &Table, known: &Table, path: &str) -> Option<(String, Option<String>)> {
    for (name, value) in table {
        let key = join(path, name);
        let Some(expected) = known.get(name).or_else(|| known.get("*")) else {
            let near = nearest(name, known.keys().map(String::as_str)).map(|near| join(path, near));
            return Some((key, near.or_else(|| elsewhere(name))));
        };
        if let (Value::Table(inner), Value::Table(expected)) = (value, expected)
            && let Some(found) = unknown_key(inner, expected, &key)
        {
            return Some(found);
        }
    }
    None
}

/// The key may be right and its section wrong.
fn elsewhere(name: &str) -> Option<String> {
    flatten(&known_keys()).into_iter().map(|(key, _)| key).find(|key| key.rsplit('.').next() == Some(name))
}

/// Leaves with their whole keys, in order.
fn flatten(table: &Table) -> Vec<(String, Value)> {
    fn walk(table: &Table, path: &str, out: &mut Vec<(String, Value)>) {
        for (name, value) in table {
            let key = join(path, name);
            match value {
                Value::Table(inner) => walk(inner, &key, out),
                leaf => out.push((key, leaf.clone())),
            }
        }
    }
    let mut leaves = Vec::new();
    walk(table, "", &mut leaves);
    leaves
}

/// A page's id may hold dots: then it is quoted.
pub(super) fn join(path: &str, name: &str) -> String {
    let name = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

pub(super) fn split_key(key: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    for c in key.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str) -> Outcome<Config> {
        let mut layers = Layers::defaults();
        layers.add_file(Path::new("sluice.toml"), text)?;
        layers.config()
    }

    #[test]
    fn the_defaults_survive_being_laid_out_as_a_table() {
        assert_eq!(Layers::defaults().config().unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_nearest_known_name() {
        let failure = with_file("[sender]\nin_flight_maximum = 3\n").unwrap_err();
        assert!(failure.message.contains("`sender.in_flight_maximum`"), "{failure:?}");
        assert!(failure.actionable.contains("`sender.in_flight_max`"), "{failure:?}");
        let failure = with_file("[pages.\"1.2\"]\ntokn = \"x\"\n").unwrap_err();
        assert!(failure.message.contains("`pages.\"1.2\".tokn`"), "{failure:?}");
        assert!(failure.actionable.contains("token"), "{failure:?}");
        let failure = with_file("[channel.whatsapp]\ntoken = \"x\"\n").unwrap_err();
        assert!(failure.actionable.contains("`channels`"), "{failure:?}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key_and_its_origin() {
        let failure = with_file("[channels.whatsapp]\nrate = \"fast\"\n").unwrap_err();
        assert!(failure.message.starts_with("channels.whatsapp.rate: 'fast' is not a rate"), "{failure:?}");
        assert_eq!(failure.details, ["set by sluice.toml"]);
    }

    #[test]
    fn b2_b3_a_limit_that_lets_nothing_through_is_named_with_its_key() {
        for (table, key, written) in [
            ("channels.whatsapp", "rate", "0/s"),
            ("pages.shop", "rate", "0/min"),
            ("pages.shop", "daily", "0/day"),
            ("quotas.acme", "rate", "0/s"),
            ("quotas.acme", "daily", "0/day"),
        ] {
            let failure = with_file(&format!("[{table}]\n{key} = \"{written}\"\n")).unwrap_err();
            assert!(
                failure.message.starts_with(&format!("{table}.{key}: '{written}' is not a")),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn pages_with_dots_in_their_id_are_kept_apart() {
        let config =
            with_file("[pages.\"shop.eu\"]\nrate = \"5/s\"\n[pages.shop]\nrate = \"6/s\"\n").unwrap();
        assert_eq!(config.pages["shop.eu"].rate, "5/s".parse().ok());
        assert_eq!(config.pages["shop"].rate, "6/s".parse().ok());
    }
}
