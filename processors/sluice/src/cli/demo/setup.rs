//! What the demo runs on: a fresh directory, a simulator, two launches.

use super::audience;
use crate::cli::simulator::start_failure;
use crate::config::{ChannelConfig, Config};
use crate::error::{Failure, Outcome};
use crate::node::launching::{self, audience_failure};
use crate::view::numbers::thousands;
use serde_json::json;
use sluice_audience::{CheckReport, FileAudiences, check};
use sluice_core::launch::ValidLaunch;
use sluice_providers::Secret;
use sluice_schemas::Channel;
use sluice_simulator::{Faults, Simulator, SimulatorConfig, SimulatorHandle};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The number that the WhatsApp campaign is sent from, and its pace.
const WHATSAPP_PAGE: (&str, &str) = ("106540352242922", "2000/s");
/// The page that the Messenger campaign is sent from, and its pace.
const MESSENGER_PAGE: (&str, &str) = ("204518396087735", "300/s");

/// Everything the demo needs.
pub(super) struct Demo {
    /// For the node.
    pub(super) config: Config,
    /// Runs already.
    pub(super) simulator: SimulatorHandle,
    /// Where the node takes webhooks.
    pub(super) gateway: SocketAddr,
    /// In the order in which they are launched.
    pub(super) launches: Vec<DemoLaunch>,
    /// The simulator's log of calls.
    pub(super) log: PathBuf,
}

/// One campaign of the demo.
pub(super) struct DemoLaunch {
    pub(super) valid: ValidLaunch,
    /// For people.
    pub(super) shown: String,
}

impl Demo {
    /// Makes a fresh directory inside the configured one and starts the simulator.
    pub(super) async fn prepare(mut config: Config, recipients: u32, port: u16) -> Outcome<Self> {
        let dir = fresh_directory(&config.data_dir)?;
        let failed = |error: std::io::Error| unwritable(&dir, &error);
        audience::write_spring_sale(&dir.join("spring-sale.csv"), recipients).map_err(failed)?;
        std::fs::write(dir.join("winback.csv"), audience::WINBACK).map_err(failed)?;
        let launches = vec![spring_sale(&dir, recipients)?, winback(&dir)?];

        let log = dir.join("simulator.ndjson");
        let gateway = free_address()?;
        let simulator = start_simulator(&log, gateway, port).await?;
        let settings = SimulatorConfig::default();
        let channel = |rate: &str| ChannelConfig {
            url: Some(simulator.url()),
            token: Secret::from("demo"),
            app_secret: Secret::from(settings.app_secret.as_str()),
            verify_token: Secret::from(settings.verify_token.as_str()),
            rate: rate.parse().ok(),
            ..ChannelConfig::default()
        };
        config.channels.whatsapp = channel(WHATSAPP_PAGE.1);
        config.channels.messenger = channel(MESSENGER_PAGE.1);
        config.pages.clear();
        config.data_dir = dir;
        Ok(Self { config, simulator, gateway, launches, log })
    }
}

/// `demo`, `demo-2`, … inside the data directory: an earlier demo is left as it is.
fn fresh_directory(parent: &Path) -> Outcome<PathBuf> {
    let mut number = 1_u32;
    loop {
        let name = if number == 1 { "demo".to_owned() } else { format!("demo-{number}") };
        let dir = parent.join(name);
        std::fs::create_dir_all(parent).map_err(|error| unwritable(parent, &error))?;
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(unwritable(&dir, &error)),
        }
    }
}

fn unwritable(dir: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write in {}", dir.display());
    Failure::refused("data_dir_unusable", message, "choose another directory with --data-dir")
        .with(error.to_string())
}

/// A port that is free now; the node takes it a moment later.
fn free_address() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map_err(|error| {
        Failure::refused("no_port", "no local port is free", "close what listens on this machine")
            .with(error.to_string())
    })
}

async fn start_simulator(log: &Path, gateway: SocketAddr, port: u16) -> Outcome<SimulatorHandle> {
    let config = |port| SimulatorConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        log: Some(log.to_owned()),
        webhook_target: Some(format!("http://{gateway}")),
        faults: Faults {
            latency_ms: 4,
            latency_jitter_ms: 8,
            permanent_percent: 0.15,
            transient_percent: 0.5,
            webhook_failed_percent: 0.08,
            delivered_percent: 99.7,
            read_percent: 52.0,
            webhook_duplicated_percent: 1.0,
            webhook_reordered_percent: 1.0,
            webhook_early_percent: 1.0,
            ..Faults::default()
        },
        ..SimulatorConfig::default()
    };
    match Simulator::start(config(port)).await {
        Err(sluice_simulator::Error::Bind { .. }) => Simulator::start(config(0)).await,
        started => started,
    }
    .map_err(|error| start_failure(&error))
}

fn spring_sale(dir: &Path, recipients: u32) -> Outcome<DemoLaunch> {
    let body = json!([{ "type": "body", "parameters": [
        { "type": "text", "text": "{{first_name}}" }, { "type": "text", "text": "{{coupon}}" },
    ]}]);
    let valid = launch(&json!({
        "campaign": "spring-sale",
        "channel": "whatsapp",
        "pages": [WHATSAPP_PAGE.0],
        "audience": { "path": dir.join("spring-sale.csv") },
        "message": { "template": { "name": "spring_sale", "language": "en_US", "components": body } },
        "variables": { "coupon": "SPRING10" },
    }))?;
    let shown = format!(
        "{:<12}  WhatsApp   {:>7} recipients   page {} at {}",
        "spring-sale",
        thousands(u64::from(recipients)),
        WHATSAPP_PAGE.0,
        WHATSAPP_PAGE.1.replace("2000", "2,000"),
    );
    Ok(DemoLaunch { valid, shown })
}

fn winback(dir: &Path) -> Outcome<DemoLaunch> {
    let valid = launch(&json!({
        "campaign": "winback",
        "channel": "messenger",
        "pages": [MESSENGER_PAGE.0],
        "audience": { "path": dir.join("winback.csv") },
        "message": { "text": { "body": "Hi {{first_name}}, we miss you! {{coupon}} takes 10 % off until Sunday." } },
        "variables": { "coupon": "BACK10" },
    }))?;
    let report = checked(&valid)?;
    let reasons = [("missing_address", "no PSID"), ("duplicate", "duplicates"), ("opted_out", "opted out")];
    let reasons: Vec<String> =
        reasons.iter().map(|(word, shown)| format!("{} {shown}", report.skipped_for(word))).collect();
    let shown = format!(
        "{:<12}  Messenger  {:>7} rows, {} can receive, {} skipped ({})",
        "winback",
        thousands(report.rows),
        thousands(report.valid),
        thousands(report.skipped_rows()),
        reasons.join(", "),
    );
    Ok(DemoLaunch { valid, shown })
}

fn launch(launch: &serde_json::Value) -> Outcome<ValidLaunch> {
    let mut launch = launching::parse(&launch.to_string(), "the demo's launch")?;
    if let Some(path) = &launch.audience.path {
        let path = std::path::absolute(path).map_err(|error| unwritable(Path::new(path), &error))?;
        launch.audience.path = Some(path.to_string_lossy().into_owned());
    }
    debug_assert!(matches!(launch.channel, Channel::Whatsapp | Channel::Messenger));
    launching::checked(&launch, "the demo's launch")
}

fn checked(valid: &ValidLaunch) -> Outcome<CheckReport> {
    let rows = FileAudiences::new("", std::env::temp_dir()).open_now(valid);
    rows.and_then(|rows| check(valid, rows, 0, None, |_| {})).map_err(|error| audience_failure(&error))
}
