//! `sluice campaign launch`: hands a launch to the running service.

use super::source::{read, service};
use crate::campaign::launched::Launched;
use crate::cli::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::node::launching;
use crate::view::out;
use clap::Args;
use serde_json::Value;
use sluice_core::launch::ValidLaunch;
use std::path::PathBuf;

/// Which launch, and to whom.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign launch examples/http.json --server http://127.0.0.1:7400
The same launch twice starts it once. Without a service, `sluice send` runs one campaign by itself.")]
pub struct LaunchArgs {
    /// The launch (docs/launch.md)
    #[arg(value_name = "LAUNCH.json")]
    pub launch: PathBuf,
    /// Recipients from this file instead of the launch's; the service has to be able to read it
    #[arg(long, value_name = "FILE")]
    pub audience: Option<PathBuf>,
    /// The service [default: gateway.listen of the configuration]
    #[arg(long, value_name = "URL", env = "SLUICE_SERVER")]
    pub server: Option<String>,
}

pub(super) async fn run(common: &Common, args: &LaunchArgs) -> Outcome {
    let valid = launching::read_file(&args.launch, args.audience.as_deref())?;
    hand_over(common, args, &valid).await
}

/// Gives a launch to the service and says where its campaign is.
pub(super) async fn hand_over(common: &Common, args: &LaunchArgs, valid: &ValidLaunch) -> Outcome {
    let config = common.load(&valid.launch.pages, "warn")?.config;
    let body = serde_json::to_vec(&valid.launch)
        .map_err(|error| Failure::usage("launch_invalid", error.to_string(), "correct the launch"))?;
    let answer = service(common, &config, args.server.as_deref())?.post("/v1/campaigns", body).await?;
    if common.json {
        out::line(answer);
        return Ok(Exit::Done);
    }
    common.warn(&warnings_of(&answer));
    read::<Launched>(answer)?.lines().iter().for_each(out::line);
    Ok(Exit::Done)
}

/// What the service warns of.
fn warnings_of(answer: &Value) -> Vec<String> {
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    warnings.filter_map(|warning| warning.as_str().map(str::to_owned)).collect()
}
