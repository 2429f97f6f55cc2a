//! `sluice simulator`: the providers, or a minimal sink, as a server of its own.

use super::Common;
use super::signals::Signals;
use crate::error::{Exit, Failure, Outcome};
use crate::view::numbers::{counted, thousands};
use crate::view::out;
use clap::Args;
use serde_json::{Value, json};
use sluice_core::launch::nearest;
use sluice_simulator::{
    Error, Faults, RateLimits, ScopeBy, Simulator, SimulatorConfig, Sink, SinkMode, SinkOptions,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How it behaves.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sluice simulator --port 7401 --log calls.ndjson
  sluice simulator --port 7401 --fault error_500_percent=2 --fault latency_ms=50 --fault hang_percent=0.1
  sluice simulator --sink --port 9000 --record calls.ndjson
Faults (percent of attempts unless the name says otherwise): permanent_percent (of addresses), error_500_percent,
  throttled_percent, transient_percent, hang_percent, hang_accepted_percent, closed_before_percent,
  closed_after_percent, latency_ms, latency_jitter_ms, hang_ms, retry_after_s, delivered_percent, read_percent,
  reply_percent, webhook_failed_percent, webhook_duplicated_percent, webhook_missing_percent,
  webhook_early_percent, webhook_late_percent, webhook_late_ms, webhook_reordered_percent, down, down_for_ms,
  wrong_token, fail_all (error_500, throttled, permanent, …). While it runs: POST them to /_sim/faults.")]
pub struct SimulatorArgs {
    /// Where to listen; 0 takes a free one
    #[arg(long, value_name = "P", default_value_t = 7401)]
    pub port: u16,
    /// On which address
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub address: IpAddr,
    /// Every call and webhook goes here, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// What goes wrong; may be repeated
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    pub faults: Vec<String>,
    /// What all chance derives from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Calls that each page may make in any second
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Send webhooks there: a base URL, /webhooks/<channel> is added
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Sign webhooks with this
    #[arg(long, value_name = "SECRET")]
    pub app_secret: Option<String>,
    /// What the receiver of webhooks has to know
    #[arg(long, value_name = "TOKEN")]
    pub verify_token: Option<String>,
    /// Refuse every other access token
    #[arg(long, value_name = "TOKEN")]
    pub access_token: Option<String>,
    /// Count the same person once per message (template, path), not once per page
    #[arg(long)]
    pub per_message: bool,
    /// Be a minimal sink instead: answers 200 to everything and counts
    #[arg(long)]
    pub sink: bool,
    /// With --sink: count by recipient, and write every call to this file
    #[arg(long, value_name = "FILE", requires = "sink")]
    pub record: Option<PathBuf>,
    /// With --sink: threads
    #[arg(long, value_name = "N", default_value_t = 1, requires = "sink")]
    pub threads: usize,
    /// With --sink: every answer takes so long
    #[arg(long, value_name = "MS", default_value_t = 0, requires = "sink")]
    pub latency_ms: u64,
}

pub(super) async fn run(common: Common, args: SimulatorArgs) -> Outcome {
    common.load(&[], "warn")?;
    let mut signals = Signals::new()?;
    let listen = SocketAddr::new(args.address, args.port);
    if args.sink {
        return sink(&common, &args, listen, &mut signals).await;
    }
    let defaults = SimulatorConfig::default();
    let limit = args.rate_limit;
    let config = SimulatorConfig {
        listen,
        log: args.log.clone(),
        seed: args.seed,
        rate_limits: RateLimits { whatsapp: limit, messenger: limit, instagram: limit, http: limit },
        access_token: args.access_token.clone(),
        app_secret: args.app_secret.clone().unwrap_or(defaults.app_secret),
        verify_token: args.verify_token.clone().unwrap_or(defaults.verify_token),
        webhook_target: args.webhook_url.clone(),
        scope: if args.per_message { ScopeBy::Message } else { ScopeBy::Off },
        faults: faults(&args.faults)?,
        ..SimulatorConfig::default()
    };
    let handle = Simulator::start(config).await.map_err(|error| start_failure(&error))?;
    announce(&common, &handle.url());
    signals.next().await;
    let stats = handle.stats();
    handle.shutdown().await.map_err(|error| start_failure(&error))?;
    if common.json {
        out::line(json!(stats));
    } else {
        let calls = counted(stats.calls, "call", "calls");
        let accepted = thousands(stats.accepted);
        out::line(format_args!(
            "{calls}, {accepted} accepted, {} accepted twice",
            counted(stats.accepted_twice, "person", "people")
        ));
    }
    Ok(Exit::Done)
}

async fn sink(common: &Common, args: &SimulatorArgs, listen: SocketAddr, signals: &mut Signals) -> Outcome {
    let log = args.record.clone().or_else(|| args.log.clone());
    let mode = if log.is_some() { SinkMode::Record { log } } else { SinkMode::Count };
    let options =
        SinkOptions { mode, threads: args.threads, latency: Duration::from_millis(args.latency_ms) };
    let handle = Sink::start(listen, options).map_err(|error| start_failure(&error))?;
    announce(common, &format!("http://{}", handle.address()));
    signals.next().await;
    let stats = handle.stats();
    let closed = tokio::task::spawn_blocking(move || handle.shutdown()).await;
    if let Ok(Err(error)) = closed {
        return Err(start_failure(&error));
    }
    if common.json {
        out::line(json!(stats));
    } else {
        let requests = counted(stats.requests, "request", "requests");
        out::line(format_args!(
            "{requests}, {} recipients, {} more than once",
            thousands(stats.distinct),
            thousands(stats.twice)
        ));
    }
    Ok(Exit::Done)
}

/// The first line of stdout: scripts read the port from it.
fn announce(common: &Common, url: &str) {
    if common.json {
        out::line(json!({ "listening": url }));
    } else {
        out::line(format_args!("listening on {url}"));
    }
}

pub(super) fn start_failure(error: &Error) -> Failure {
    match error {
        Error::Bind { address, source } => Failure::refused(
            "port_in_use",
            format!("cannot listen on {address}"),
            "choose another one with --port",
        )
        .with(source.to_string()),
        Error::Fault { .. } => {
            Failure::usage("fault", error.to_string(), "sluice simulator --help lists all faults")
        }
        other => Failure::refused("simulator", other.to_string(), "correct what it names and start it again"),
    }
}

/// `NAME=VALUE` for any of the simulator's faults.
fn faults(settings: &[String]) -> Outcome<Faults> {
    let to_do = "sluice simulator --help lists all faults";
    let mut all = json!(Faults::default());
    for setting in settings {
        let usage = |message: String, to_do: &str| Failure::usage("fault", message, to_do);
        let (name, value) =
            setting.split_once('=').ok_or_else(|| usage(format!("`{setting}` is not NAME=VALUE"), to_do))?;
        let Some(known) = all.as_object_mut() else { continue };
        if !known.contains_key(name) {
            let near = nearest(name, known.keys().map(String::as_str))
                .map(|near| format!("perhaps `{near}` is meant"));
            return Err(usage(format!("there is no fault `{name}`"), near.as_deref().unwrap_or(to_do)));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        known.insert(name.to_owned(), value);
        serde_json::from_value::<Faults>(all.clone())
            .map_err(|error| usage(format!("{setting}: {error}"), to_do))?;
    }
    let faults: Faults =
        serde_json::from_value(all).map_err(|error| Failure::usage("fault", error.to_string(), to_do))?;
    faults.validate().map_err(|error| start_failure(&error))?;
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(settings: &[&str]) -> Outcome<Faults> {
        faults(&settings.iter().map(|setting| (*setting).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn any_fault_can_be_set_by_its_name() {
        let faults =
            of(&["latency_ms=50", "error_500_percent=2.5", "down=true", "fail_all=permanent"]).unwrap();
        assert_eq!((faults.latency_ms, faults.error_500_percent, faults.down), (50, 2.5, true));
        assert_eq!(faults.fail_all, Some(sluice_simulator::FaultKind::Permanent));
    }

    #[test]
    fn an_unknown_fault_names_the_nearest_and_a_bad_value_is_refused() {
        assert!(
            of(&["latency=50"]).unwrap_err().actionable.contains("latency_ms")
                || of(&["latenc_ms=50"]).is_err()
        );
        assert!(of(&["error_500_percent=200"]).is_err());
        assert!(of(&["latency_ms=soon"]).is_err());
    }
}
