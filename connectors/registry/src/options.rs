//! Where the registry is and how it is used.

use crate::subjects::SubjectNames;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use sluice_runtime::Secret;
use std::time::Duration;

/// `[registry]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryOptions {
    /// The base of its REST API: `https://registry.example.org:8081`; Apicurio: `http://HOST:PORT/apis/ccompat/v7`.
    /// Empty (default): there is none, values are framed by Avro's single-object encoding.
    pub url: String,
    /// For basic authentication; Confluent Cloud: the API key. Empty: none.
    pub username: String,
    /// Belongs to `username`; Confluent Cloud: the API secret.
    pub password: Secret,
    /// A PEM file with the certificates of the authorities that sign the registry's, instead of the public ones.
    pub ca_file: String,
    /// How subjects are called. Default `topic`: `<topic>-value`.
    pub subjects: SubjectNames,
    /// Register schemas that are missing. Default `true`; `false` where somebody else registers them: then a
    /// missing one is an error at the start.
    pub register: bool,
    /// Deadline of one request. Default 5,000.
    pub timeout_ms: u64,
    /// How long a start waits for a registry that is away. Default 30,000.
    pub start_ms_max: u64,
    /// How long an id that the registry does not know is asked for again before its record is given up; a registry
    /// of several nodes may learn of a schema a moment later. Default 2,000.
    pub unknown_ms_max: u64,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: String::new(),
            password: Secret::default(),
            ca_file: String::new(),
            subjects: SubjectNames::default(),
            register: true,
            timeout_ms: 5_000,
            start_ms_max: 30_000,
            unknown_ms_max: 2_000,
        }
    }
}

impl RegistryOptions {
    /// Whether there is a registry.
    pub fn is_configured(&self) -> bool {
        !self.url.is_empty()
    }

    /// Checks what types can't say. The message begins with the key.
    ///
    /// # Errors
    /// A sentence for people; it never shows what may be a password.
    pub fn validate(&self) -> Result<(), String> {
        if self.is_configured() {
            base_url(&self.url).map_err(|problem| format!("url {problem}"))?;
        }
        if self.username.is_empty() != self.password.is_empty() {
            return Err("username and password belong together: give both or neither".to_owned());
        }
        if !self.ca_file.is_empty() && self.url.starts_with("http:") {
            return Err("ca_file is for https, the url says http".to_owned());
        }
        if !(1..=600_000).contains(&self.timeout_ms) {
            return Err(format!("timeout_ms is {}, possible is 1 to 600,000", self.timeout_ms));
        }
        Ok(())
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn start_max(&self) -> Duration {
        Duration::from_millis(self.start_ms_max)
    }

    pub(crate) fn unknown_max(&self) -> Duration {
        Duration::from_millis(self.unknown_ms_max)
    }
}

/// The base of the REST API. What is wrong with it is said without showing it.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials: put them into username and password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path: no ? and no #".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut RegistryOptions)) -> Result<(), String> {
        let mut options = RegistryOptions { url: "http://127.0.0.1:8081".to_owned(), ..Default::default() };
        change(&mut options);
        options.validate()
    }

    #[test]
    fn the_defaults_are_valid_and_mean_no_registry() {
        let options = RegistryOptions::default();
        assert_eq!(options.validate(), Ok(()));
        assert!(!options.is_configured());
    }

    #[test]
    fn what_types_cannot_say_is_refused_with_its_key() {
        assert_eq!(with(|_| ()), Ok(()));
        for (url, word) in [
            ("registry:8081", "http://"),
            ("nonsense", "no URL"),
            ("http://ana:s3cret@registry", "username and password"),
            ("http://registry/?a=b", "no ?"),
        ] {
            let error = with(|options| options.url = url.to_owned()).unwrap_err();
            assert!(error.starts_with("url ") && error.contains(word), "{error}");
            assert!(!error.contains("s3cret"));
        }
        assert!(with(|options| options.username = "ana".to_owned()).unwrap_err().starts_with("username"));
        assert!(with(|options| options.ca_file = "ca.pem".to_owned()).unwrap_err().starts_with("ca_file"));
        assert!(with(|options| options.timeout_ms = 0).unwrap_err().starts_with("timeout_ms"));
    }

    #[test]
    fn a_file_sets_them_and_an_unknown_key_is_an_error() {
        let text = "url = 'https://r'\nusername = 'key'\npassword = 's3cret'\nsubjects = 'topic_record'";
        let options: RegistryOptions = toml::from_str(text).unwrap();
        assert_eq!((options.password.expose(), options.subjects), ("s3cret", SubjectNames::TopicRecord));
        assert!(!format!("{options:?}{}", toml::to_string(&options).unwrap()).contains("s3cret"));
        assert!(toml::from_str::<RegistryOptions>("uri = 'https://r'").is_err());
    }
}
