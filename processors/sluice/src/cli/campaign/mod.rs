//! `sluice campaign`: check an audience, launch, look, hold and change.

mod act;
mod check;
mod errors;
mod events;
pub(super) mod explain;
mod export;
mod launch;
mod list;
mod preview;
mod recipients;
mod schedule;
pub(super) mod source;
mod status;
mod upcoming;
mod watch;

use super::Common;
use crate::error::Outcome;
use clap::{Args, Subcommand};
use sluice_http::Action;

/// What to do with campaigns.
#[derive(Debug, Subcommand)]
pub enum CampaignCommand {
    /// Say who can receive a launch and who can't, and why; sends nothing
    Check(check::CheckArgs),
    /// Say who would be called, from when to when; sends nothing
    Preview(preview::PreviewArgs),
    /// Hand a launch to the running service
    Launch(launch::LaunchArgs),
    /// Hand a launch to the running service, to start later
    Schedule(schedule::ScheduleArgs),
    /// What starts when: scheduled campaigns, and the next occurrences of recurring ones
    Upcoming(upcoming::UpcomingArgs),
    /// Take a scheduled campaign back; one that has started stays as it is
    #[command(after_help = "Example:  sluice campaign unschedule spring-sale")]
    Unschedule(act::ActArgs),
    /// Send nothing more for now
    #[command(
        after_help = "Example:  sluice campaign pause spring-sale --reason \"the shop is closed\"\nNothing is granted any more when it returns; what was granted before is called within 2 s or not at all."
    )]
    Pause(act::ReasonArgs),
    /// Go on with a paused campaign
    #[command(after_help = "Example:  sluice campaign resume spring-sale")]
    Resume(act::ReasonArgs),
    /// End a campaign before its time
    #[command(
        after_help = "Example:  sluice campaign cancel spring-sale --reason \"wrong price\"\nWho waits for a call, or for another attempt, is counted as cancelled; what is in flight may still arrive."
    )]
    Cancel(act::ReasonArgs),
    /// Try the failed recipients of a completed campaign again
    RetryFailed(act::RetryArgs),
    /// Change rate, priority, daily limit, pair rate
    SetLimits(act::LimitArgs),
    /// Change hours and end, and the start of a scheduled campaign
    Reschedule(act::TimeArgs),
    /// All campaigns with their counts
    #[command(after_help = "Example:  sluice campaign list --json")]
    List(source::SourceArgs),
    /// Where one campaign is, and what it waits for
    Status(OneArgs),
    /// Follow one campaign to its end
    Watch(OneArgs),
    /// Recipients with their states and times
    Recipients(recipients::RecipientsArgs),
    /// Failures by reason, with samples
    Errors(errors::ErrorsArgs),
    /// What downstream systems are told: started, paused, resumed, completed, cancelled, failed
    Events(events::EventsArgs),
    /// All recipients as CSV on stdout
    Export(export::ExportArgs),
}

/// One campaign.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign status spring-sale --data-dir ./mine")]
pub struct OneArgs {
    /// Which one.
    #[command(flatten)]
    pub name: NameArgs,
    /// Where to look.
    #[command(flatten)]
    pub source: source::SourceArgs,
}

/// The name of a campaign.
#[derive(Debug, Clone, Args)]
pub struct NameArgs {
    /// Its name
    pub campaign: String,
    /// Whose it is
    #[arg(long, default_value = "default")]
    pub tenant: String,
}

pub(super) async fn run(common: Common, command: CampaignCommand) -> Outcome {
    match command {
        CampaignCommand::Check(args) => check::run(&common, &args).await,
        CampaignCommand::Preview(args) => preview::run(&common, &args).await,
        CampaignCommand::Launch(args) => launch::run(&common, &args).await,
        CampaignCommand::Schedule(args) => schedule::run(&common, &args).await,
        CampaignCommand::Upcoming(args) => upcoming::run(&common, &args).await,
        CampaignCommand::Unschedule(args) => act::unschedule(&common, &args).await,
        CampaignCommand::Pause(args) => act::with_reason(&common, &args, Action::Pause).await,
        CampaignCommand::Resume(args) => act::with_reason(&common, &args, Action::Resume).await,
        CampaignCommand::Cancel(args) => act::with_reason(&common, &args, Action::Cancel).await,
        CampaignCommand::RetryFailed(args) => act::retry_failed(&common, &args).await,
        CampaignCommand::SetLimits(args) => act::set_limits(&common, &args).await,
        CampaignCommand::Reschedule(args) => act::reschedule(&common, &args).await,
        CampaignCommand::List(args) => list::run(&common, &args).await,
        CampaignCommand::Status(args) => status::run(&common, &args).await,
        CampaignCommand::Watch(args) => watch::run(&common, &args).await,
        CampaignCommand::Recipients(args) => recipients::run(&common, &args).await,
        CampaignCommand::Errors(args) => errors::run(&common, &args).await,
        CampaignCommand::Events(args) => events::run(&common, &args).await,
        CampaignCommand::Export(args) => export::run(&common, &args).await,
    }
}
