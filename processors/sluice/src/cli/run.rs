//! `sluice run`: the service.

use super::Common;
use super::signals::Signals;
use crate::error::{Exit, Outcome};
use crate::node::{Assignment, Node, NodeOptions, service_file};
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
    /// Where metrics and health checks are answered [default: metrics.listen]
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// What this process does, separated by commas: expander, sender, receipts, gateway, completion; others do
    /// the rest [default: all]
    #[arg(long, value_name = "ROLES")]
    pub roles: Option<Assignment>,
}

pub(super) async fn run(common: Common, args: RunArgs) -> Outcome {
    let mut signals = Signals::new()?;
    let loaded = common.load(&[], "info")?;
    let config = loaded.config.clone();
    let listen = args.listen.unwrap_or(config.gateway.listen);
    let work = args.roles.unwrap_or_else(Assignment::all);
    let metrics = args.metrics_listen.or(config.metrics.enabled.then_some(config.metrics.listen));
    let data_dir = (!config.engines.is_cluster()).then(|| config.data_dir.clone());
    let options = NodeOptions {
        listen: Some(listen),
        metrics,
        work: work.clone(),
        reload: Some(loaded),
        ..NodeOptions::new(config)
    };
    let mut node = Node::start(options).await?;
    if let (Some(data_dir), Some(address)) = (&data_dir, node.address())
        && let Err(error) = service_file::tell(data_dir, address)
    {
        tracing::warn!(%error, "commands do not find this service by its data directory");
    }
    if !common.quiet {
        out::note(format_args!("sluice runs on {}", node.engines().describe()));
        if !work.is_all() {
            out::note(format_args!("this process: {work}"));
        }
    }
    if let Some(address) = node.address().filter(|_| !common.quiet) {
        out::note(format_args!("sluice listens on http://{address}"));
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
    data_dir.iter().for_each(|data_dir| service_file::forget(data_dir));
    if let Some(failure) = failure.or(stopped.failure) {
        return Err(failure);
    }
    match stopped.cut_calls {
        0 => out::note("stopped cleanly"),
        cut => out::note(format_args!("stopped; {} without an answer", counted(cut as u64, "call", "calls"))),
    }
    Ok(Exit::Done)
}
