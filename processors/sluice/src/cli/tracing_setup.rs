//! The log on stderr.

use crate::config::{LogConfig, LogFormat};
use crate::view::style;
use tracing_subscriber::EnvFilter;

/// The drivers tell of every connection that fails, several times a second while an engine is away; the connectors say
/// it once, with the reason. Only what they can't go on after is left of librdkafka.
const QUIET_DRIVERS: &str = "scylla=off,librdkafka=error";

/// Starts logging once a process. `-q` and `-v` win over the configuration.
pub(super) fn start(config: &LogConfig, quiet: bool, verbose: u8, level: &str) {
    let wanted = filter(config.level.as_deref(), quiet, verbose, level);
    let filter = EnvFilter::try_new(wanted).unwrap_or_else(|_| EnvFilter::new(filter(None, false, 0, level)));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start is a test in the same process: the first one stays.
    match config.format {
        LogFormat::Text => drop(subscriber.with_ansi(style::colours()).with_target(false).try_init()),
        LogFormat::Json => drop(subscriber.json().flatten_event(true).try_init()),
    }
}

/// What is logged. `configured`: `log.level`; `level`: of a command about which nobody said anything.
fn filter(configured: Option<&str>, quiet: bool, verbose: u8, level: &str) -> String {
    match (quiet, verbose, configured) {
        (true, ..) => format!("error,{QUIET_DRIVERS}"),
        (_, 0, Some(configured)) => configured.to_owned(),
        // What the database may be regretted for is told to those who run it.
        (_, 0, None) if level != "info" => format!("{level},{QUIET_DRIVERS},sluice_store::cql=error"),
        (_, 0, None) => format!("{level},{QUIET_DRIVERS}"),
        (_, 1, _) => "info".to_owned(),
        _ => "debug,hyper=info,scylla=info,fjall=info,lsm_tree=info".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_silent_unless_somebody_asks() {
        for unasked in
            [filter(None, false, 0, "info"), filter(None, false, 0, "warn"), filter(None, true, 2, "info")]
        {
            assert!(unasked.contains("scylla=off") && unasked.contains("librdkafka=error"), "{unasked}");
        }
        let asked = [
            filter(Some("info"), false, 0, "info"),
            filter(None, false, 1, "info"),
            filter(None, false, 2, "info"),
        ];
        for asked in asked {
            assert!(!asked.contains("scylla=off") && !asked.contains("librdkafka"), "{asked}");
        }
    }

    #[test]
    fn every_filter_can_be_read_and_flags_win_over_the_configuration() {
        for (quiet, verbose) in [(true, 0), (false, 0), (false, 1), (false, 2)] {
            for level in ["info", "warn"] {
                assert!(EnvFilter::try_new(filter(None, quiet, verbose, level)).is_ok());
            }
        }
        assert_eq!(filter(Some("trace"), false, 0, "info"), "trace");
        assert_eq!(filter(Some("trace"), false, 1, "info"), "info");
        assert!(filter(Some("trace"), true, 0, "info").starts_with("error,"));
    }
}
