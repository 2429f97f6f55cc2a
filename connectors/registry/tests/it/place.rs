//! The registry that all tests share, and names of one's own in it.

use sluice_registry::{RegistryFraming, RegistryOptions};
use sluice_runtime::ports::log::Topic;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The base of its REST API.
pub(crate) fn registry_url() -> String {
    sluice_engines::shared_registry().to_owned()
}

pub(crate) fn options_at(url: impl Into<String>) -> RegistryOptions {
    RegistryOptions {
        url: url.into(),
        start_ms_max: 20_000,
        unknown_ms_max: 300,
        ..RegistryOptions::default()
    }
}

/// A prefix of topics and subjects that no other test has.
pub(crate) fn prefix() -> String {
    format!("t{:x}.", RandomState::new().build_hasher().finish())
}

pub(crate) fn names(prefix: &str) -> Vec<(Topic, String)> {
    Topic::ALL.iter().map(|topic| (*topic, format!("{prefix}{topic}"))).collect()
}

/// The framing of all topics under a prefix of their own.
pub(crate) async fn framing(prefix: &str) -> RegistryFraming {
    RegistryFraming::connect(&options_at(registry_url()), names(prefix)).await.unwrap()
}
