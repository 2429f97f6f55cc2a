//! The log on stderr.

use crate::config::{LogConfig, LogFormat};
use crate::view::style;
use tracing_subscriber::EnvFilter;

/// Starts logging once a process. `-q` and `-v` win over the configuration.
pub(super) fn start(config: &LogConfig, quiet: bool, verbose: u8, level: &str) {
    let filter = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => config.level.as_deref().unwrap_or(level),
        (_, 1) => "info",
        (_, _) => "debug,hyper=info,fjall=info,lsm_tree=info",
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start is a test in the same process: the first one stays.
    match config.format {
        LogFormat::Text => drop(subscriber.with_ansi(style::colours()).with_target(false).try_init()),
        LogFormat::Json => drop(subscriber.json().flatten_event(true).try_init()),
    }
}
