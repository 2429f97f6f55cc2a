//! `sluice health`: asks the process on this machine whether it works. For containers and supervisors.

use super::Common;
use super::remote::Remote;
use crate::error::{Exit, Outcome};
use crate::view::out;
use clap::Args;
use sluice_providers::Secret;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Whom to ask.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice health --url http://127.0.0.1:7402
Exit codes: 0 it works, 1 it does not: the answer says what keeps it from working.")]
pub struct HealthArgs {
    /// Base URL of the metrics port [default: metrics.listen]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

pub(super) async fn run(common: Common, args: HealthArgs) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let url = args.url.unwrap_or_else(|| format!("http://{}", reachable(config.metrics.listen)));
    match Remote::new(&url, Secret::default()).get("/health/ready").await {
        Ok(answer) => {
            out::line(answer);
            Ok(Exit::Done)
        }
        Err(mut failure) => {
            if failure.code == "service_unreachable" {
                failure.actionable =
                    "start it with `sluice run`, or name the metrics port of another one with --url URL"
                        .to_owned();
            }
            failure.show(common.json);
            Ok(Exit::FoundWrong)
        }
    }
}

/// Who listens on every address is asked on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        false => address,
    }
}
