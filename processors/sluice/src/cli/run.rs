//! `sluice run`: the service.

use super::Common;
use super::signals::Signals;
use crate::error::{Exit, Outcome};
use crate::node::{Node, NodeOptions};
use crate::view::numbers::counted;
use crate::view::out;
use clap::Args;
use sluice_runtime::shutdown;
use std::net::SocketAddr;

/// How the service runs; everything else is in the configuration.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice run --config sluice.toml
SIGTERM and Ctrl-C end it cleanly: calls in flight end, nothing becomes unknown. Twice is faster.")]
pub struct RunArgs {
    /// Where webhooks and the API come in [default: gateway.listen]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

pub(super) async fn run(common: Common, args: RunArgs) -> Outcome {
    let mut signals = Signals::new()?;
    let config = common.load(&[], "info")?.config;
    let listen = args.listen.unwrap_or(config.gateway.listen);
    let data_dir = config.data_dir.clone();
    let options = NodeOptions { listen: Some(listen), ..NodeOptions::new(config) };
    let mut node = Node::start(options).await?;
    if let Some(address) = node.address().filter(|_| !common.quiet) {
        out::note(format_args!(
            "sluice listens on http://{address}, embedded log and store in {}",
            data_dir.display()
        ));
        out::note(format_args!(
            "webhooks: /webhooks/<channel>   launch: sluice campaign launch LAUNCH.json --server http://{address}"
        ));
    }
    let failure = tokio::select! {
        () = signals.next() => None,
        failure = node.failed() => Some(failure),
    };
    let calls = counted(node.in_flight() as u64, "call", "calls");
    out::note(format_args!("stopping: finishing {calls} in flight … (once more to hurry)"));
    let (hurry, hurried) = shutdown::channel();
    let stop = node.stop(hurried);
    tokio::pin!(stop);
    let stopped = tokio::select! {
        stopped = &mut stop => stopped,
        () = signals.next() => {
            hurry.stop();
            stop.await
        }
    };
    if let Some(failure) = failure.or(stopped.failure) {
        return Err(failure);
    }
    match stopped.cut_calls {
        0 => out::note("stopped cleanly"),
        cut => out::note(format_args!("stopped; {} without an answer", counted(cut as u64, "call", "calls"))),
    }
    Ok(Exit::Done)
}
