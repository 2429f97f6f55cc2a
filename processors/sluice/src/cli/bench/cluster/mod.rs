//! What only a cluster has: its own yardsticks, work that changes hands, several processes.
//!
//! - `expand`: an audience becomes chunks, beside bare librdkafka and bare rows.
//! - `merge`: receipts become chunk states, beside bare writes of such states.
//! - `takeover`: pages whose process is killed, stopped or joined by another one.
//! - `processes`: one, two and three processes: throughput, memory, processor time, lag.
//! - `service`, `calls`: a `sluice run`; what the sinks saw of it.

mod calls;
pub(super) mod expand;
pub(super) mod merge;
pub(super) mod processes;
mod service;
pub(super) mod takeover;

use super::scratch::http_launch_to;
use crate::error::{Failure, Outcome};
use crate::node::launching;
use sluice_core::launch::ValidLaunch;
use std::path::Path;

/// Ids of so many pages, which no configuration names.
fn pages(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("bench{number:04}")).collect()
}

fn launch_to(pages: &[String], audience: &Path) -> Outcome<ValidLaunch> {
    let shown = "the benchmark's launch";
    let launch = launching::parse(&http_launch_to("bench", audience, pages).to_string(), shown)?;
    launching::checked(&launch, shown)
}

/// What a benchmark that needs one says without a cluster.
pub(super) fn needed(which: &str) -> Failure {
    Failure::usage(
        "no_cluster",
        format!("`{which}` measures a cluster, and the engines are the embedded ones"),
        "add --log kafka --store cql",
    )
}
