//! The configuration: defaults → `sluice.toml` → environment → flags → checked.
//!
//! - [`model`]: every setting with its default.
//! - [`layers`]: values from several places and where each came from; unknown keys are errors.
//! - [`environment`]: which variables set which keys.
//! - [`pages`]: what the providers need, from channels and pages.
//! - [`limits`]: what changes while the service runs.
//! - [`show`]: what is in force, for people; secrets never show.

pub mod environment;
pub mod layers;
pub mod limits;
pub mod model;
pub mod pages;
pub mod show;

pub use layers::{Layers, Origin};
pub use model::{ChannelConfig, Config, GatewayConfig, LogConfig, LogFormat, PageSettings};

use crate::error::{Failure, Outcome};
use std::path::{Path, PathBuf};

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "sluice.toml";

/// Where values may come from besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// All variables of the environment.
    pub environment: Vec<(String, String)>,
    /// Key, value, the flag's name.
    pub flags: Vec<(String, toml::Value, String)>,
    /// Pages that the environment may mean besides those of the file: the launch's.
    pub pages: Vec<String>,
}

/// The checked configuration and where its values came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// In force.
    pub config: Config,
    /// Every value with its origin.
    pub layers: Layers,
    /// Things that are not errors and probably not meant.
    pub warnings: Vec<String>,
    /// To read it again.
    pub sources: Sources,
    /// What the file says; `None`: there is none.
    pub text: Option<String>,
}

/// Reads and checks the configuration.
pub fn load(sources: Sources) -> Outcome<Loaded> {
    let text = sources.read()?;
    load_with(sources, text)
}

/// The same, where the file says `text`.
pub fn load_with(sources: Sources, text: Option<String>) -> Outcome<Loaded> {
    let mut layers = Layers::defaults();
    if let Some(text) = &text {
        layers.add_file(sources.path(), text)?;
    }
    let warnings = environment::apply(&sources.environment, &sources.pages, &mut layers)?;
    for (key, value, flag) in &sources.flags {
        layers.set(key, value.clone(), Origin::Flag(flag.clone()));
    }
    let config = layers.config()?;
    config.validate().map_err(|problem| {
        let origin = problem.split_whitespace().next().and_then(|key| layers.origin(key));
        let failure = invalid(problem);
        match origin {
            Some(origin) => failure.with(format!("set by {origin}")),
            None => failure,
        }
    })?;
    Ok(Loaded { config, layers, warnings, sources, text })
}

/// A configuration whose values can't be kept, and why.
pub fn invalid(problem: String) -> Failure {
    let to_do = "correct the value; `sluice config show` tells where each one comes from";
    Failure::usage("configuration_invalid", problem, to_do)
}

impl Sources {
    /// The file, named or not.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// What it says; `None`: there is none, and none was named.
    pub fn read(&self) -> Outcome<Option<String>> {
        let path = self.path();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if self.file.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::usage(
                "configuration_unreadable",
                format!("cannot read the configuration {}", path.display()),
                "name a readable file with --config, or leave it out",
            )
            .with(error.to_string())),
        }
    }
}
