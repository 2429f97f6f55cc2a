//! The log on stderr.

use crate::config::{LogConfig, LogFormat};
use crate::view::style;
use tracing_subscriber::EnvFilter;

/// Starts logging once a process. `-q` and `-v` win over the configuration.
pub(super) fn start(config: &LogConfig, quiet: bool, verbose: u8, level: &str) {
    // The driver tells of each connection. What the database may be regretted for is told to those who run it.
    let warnings = if level == "info" { "" } else { ",sluice_store::cql=error" };
    let quieter = format!("{level},scylla=warn{warnings}");
    let filter = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => config.level.as_deref().unwrap_or(&quieter),
        (_, 1) => "info",
        (_, _) => "debug,hyper=info,scylla=info,fjall=info,lsm_tree=info",
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(&quieter));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start is a test in the same process: the first one stays.
    match config.format {
        LogFormat::Text => drop(subscriber.with_ansi(style::colours()).with_target(false).try_init()),
        LogFormat::Json => drop(subscriber.json().flatten_event(true).try_init()),
    }
}
