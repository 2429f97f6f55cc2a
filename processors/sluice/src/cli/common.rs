//! Flags of every command.

use super::tracing_setup;
use crate::config::{self, Loaded, LogFormat, Sources};
use crate::error::Outcome;
use crate::view::out;
use crate::view::progress::Talk;
use crate::view::style;
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// Flags of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Where everything is kept [default: sluice-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The configuration [default: sluice.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE", env = "SLUICE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Results as JSON, for programs; errors as one JSON line on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but results and problems
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// How the log on stderr is written
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

impl Common {
    /// Reads the configuration and starts logging. `pages`: those of the launch; `level`: unless another is set.
    pub fn load(&self, pages: &[String], level: &str) -> Outcome<Loaded> {
        let loaded = self.loaded(pages)?;
        tracing_setup::start(&loaded.config.log, self.quiet, self.verbose, level);
        self.warn(&loaded.warnings);
        Ok(loaded)
    }

    /// Says what may be wrong.
    pub fn warn(&self, warnings: &[String]) {
        if !self.quiet {
            warnings.iter().for_each(|text| out::note(format_args!("{} {text}", style::warning("warning:"))));
        }
    }

    /// Reads the configuration.
    pub fn loaded(&self, pages: &[String]) -> Outcome<Loaded> {
        let mut flags = Vec::new();
        if let Some(dir) = &self.data_dir {
            let dir = dir.to_string_lossy().into_owned();
            flags.push(("data_dir".to_owned(), toml::Value::String(dir), "--data-dir".to_owned()));
        }
        if let Some(format) = self.log_format {
            let format = match format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            };
            flags.push((
                "log.format".to_owned(),
                toml::Value::String(format.to_owned()),
                "--log-format".to_owned(),
            ));
        }
        config::load(Sources {
            file: self.config.clone(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            flags,
            pages: pages.to_vec(),
        })
    }

    /// How much is said while the command works.
    pub fn talk(&self) -> Talk {
        if self.quiet || self.json { Talk::Quiet } else { Talk::Normal }
    }
}
