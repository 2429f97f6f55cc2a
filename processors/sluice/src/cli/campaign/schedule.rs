//! `sluice campaign schedule`: hands a launch to the running service, to start later.

use super::launch::{LaunchArgs, hand_over};
use crate::cli::Common;
use crate::error::{Failure, Outcome};
use crate::node::launching;
use clap::Args;
use sluice_runtime::{Clock, SystemClock};

/// Which launch, and when.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign schedule examples/http.json --at 2026-12-01T09:00
The same as rules.start_at in the launch. The audience is read at the start; `reschedule --start-at` moves it,
`unschedule` takes it back.")]
pub struct ScheduleArgs {
    /// What is launched.
    #[command(flatten)]
    pub launch: LaunchArgs,
    /// When: in the launch's time zone, or with an offset
    #[arg(long, value_name = "TIME")]
    pub at: String,
}

pub(super) async fn run(common: &Common, args: &ScheduleArgs) -> Outcome {
    let mut launch = launching::read_file(&args.launch.launch, args.launch.audience.as_deref())?.launch;
    launch.rules.start_at = Some(args.at.clone());
    let valid = launching::checked(&launch, &args.launch.launch.display().to_string())?;
    if valid.rules.start_at_ms.is_some_and(|at_ms| at_ms <= SystemClock.wall_ms()) {
        let to_do = "name a later moment, or start it now:  sluice campaign launch";
        return Err(Failure::usage("start_is_over", format!("{} is over", args.at), to_do));
    }
    hand_over(common, &args.launch, &valid).await
}
