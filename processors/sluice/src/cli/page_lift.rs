//! `sluice page lift`: what a page of the running service waits for is over.

use super::Common;
use super::campaign::source::{read, service};
use super::remote::escaped;
use crate::error::{Exit, Outcome};
use crate::page::lift::Lifted;
use crate::view::out;
use clap::Args;
use serde_json::json;

/// Which page, of which service.
#[derive(Debug, Args)]
#[command(after_help = "Example:  sluice page lift 106540352242922
One call finds out whether the provider takes messages again; refused, the page goes on waiting.")]
pub(super) struct LiftArgs {
    /// Its id
    page: String,
    /// The service [default: gateway.listen of the configuration]
    #[arg(long, value_name = "URL", env = "SLUICE_SERVER")]
    server: Option<String>,
}

pub(super) async fn run(common: &Common, args: &LiftArgs) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let remote = service(common, &config, args.server.as_deref())?;
    let path = format!("/v1/pages/{}/lift", escaped(&args.page));
    let lifted: Lifted = read(remote.post(&path, b"{}".to_vec()).await?)?;
    match common.json {
        true => out::line(json!(lifted)),
        false => out::line(lifted.sentence()),
    }
    Ok(Exit::Done)
}
