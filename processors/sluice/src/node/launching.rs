//! From a file to a campaign: read, completed, checked, launched.

use super::{Engines, Work};
use crate::campaign::preview::Taken;
use crate::config::{Config, pages::how_to_configure};
use crate::error::{Exit, Failure, Outcome};
use crate::page::working::Working;
use crate::view::numbers::thousands;
use bytes::Bytes;
use sluice_audience::{AudienceError, FileAudiences};
use sluice_core::launch::{LaunchError, LaunchProblem, ValidLaunch, parse_json, validate, validate_at};
use sluice_core::partition::partition_of;
use sluice_core::{CampaignId, CampaignRow, CampaignState, PageId};
use sluice_providers::ProviderMessages;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::ports::messages::Messages;
use sluice_schemas::{CampaignLaunch, encode};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A launch whose campaign does not appear in this time is refused: the expander is gone or could not use it.
const APPEARS_WITHIN: Duration = Duration::from_secs(30);

/// A campaign that is not there by then is asked for its expander: processes come and go.
const NOBODY_READS_AFTER: Duration = Duration::from_secs(5);

/// The code of a launch whose name another one has.
const DIFFERENTLY: &str = "launched_differently";

/// Reads LAUNCH.json. `audience` replaces its audience's path. Paths become absolute, so that the same campaign
/// goes on from any directory: the launch's own counts from the launch file.
pub fn read_file(path: &Path, audience: Option<&Path>) -> Outcome<ValidLaunch> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(
            "launch_unreadable",
            format!("cannot read the launch {shown}"),
            "name a readable JSON file; docs/launch.md describes it",
        )
        .with(error.to_string())
    })?;
    let mut launch = parse(&text, &shown.to_string())?;
    if let Some(audience) = audience {
        launch.audience.path = Some(audience.to_string_lossy().into_owned());
        launch.audience.inline = None;
        absolute(&mut launch, Path::new(""))?;
    } else {
        absolute(&mut launch, path.parent().unwrap_or(Path::new("")))?;
    }
    checked(&launch, &shown.to_string())
}

/// Reads the text of a launch; `shown` names it in errors.
pub fn parse(text: &str, shown: &str) -> Outcome<CampaignLaunch> {
    parse_json(text).map_err(|error| match error {
        LaunchError::NotJson { line, column, message, hint } => {
            let at = format!("line {line}, column {column}: {message}");
            Failure::usage("launch_invalid", format!("{shown} is not a launch"), hint).with(at)
        }
        LaunchError::Wrong(problems) => mistakes(&problems, shown),
    })
}

/// Checks all that a launch alone decides; `shown` names it in errors.
pub fn checked(launch: &CampaignLaunch, shown: &str) -> Outcome<ValidLaunch> {
    validate(launch).map_err(|problems| mistakes(&problems, shown))
}

/// Checks a launch whose campaign is not there yet: also that it can call anybody from `now_ms` on. One that is there
/// goes on, however late its launch comes again.
pub fn checked_at(launch: &CampaignLaunch, shown: &str, now_ms: i64) -> Outcome<ValidLaunch> {
    validate_at(launch, now_ms).map_err(|problems| mistakes(&problems, shown))
}

fn mistakes(problems: &[LaunchProblem], shown: &str) -> Failure {
    let many = match problems.len() {
        1 => "a mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    let to_do = "correct it; docs/launch.md describes every field";
    let failure = Failure::usage("launch_invalid", format!("{shown} has {many}"), to_do);
    problems.iter().fold(failure, |failure, problem| failure.with(problem.to_string()))
}

fn absolute(launch: &mut CampaignLaunch, base: &Path) -> Outcome<()> {
    let Some(path) = &launch.audience.path else { return Ok(()) };
    let path = sluice_audience::absolute(path, base).map_err(|error| {
        Failure::usage(
            "audience_unreadable",
            format!("cannot name the audience {path}"),
            "write its whole path",
        )
        .with(error.to_string())
    })?;
    launch.audience.path = Some(path);
    Ok(())
}

/// An audience that can't be used, as a failure.
pub fn audience_failure(error: &AudienceError) -> Failure {
    let text = error.to_string();
    let mut lines = text.lines();
    let message = lines.next().unwrap_or("the audience can't be used").to_owned();
    let failure = Failure::refused(error.code(), message, error.actionable());
    lines.fold(failure, |failure, line| failure.with(line))
}

/// Refuses before anything is created what could never be sent: an audience that can't be read, a page that
/// can't be called. `known`: the campaign, where it is there already; its audience has to be the same as at its
/// launch until all of it is read. Reads the audience's bytes once.
pub async fn check_sendable(
    valid: &ValidLaunch,
    config: &Config,
    temporary: PathBuf,
    known: Option<&CampaignRow>,
) -> Outcome<()> {
    check_pages(&valid.launch, config)?;
    if known.is_some_and(|row| row.seal.is_some()) {
        return Ok(());
    }
    let (launch, options) = (valid.clone(), config.audience.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let audiences = FileAudiences::new("", temporary).with_options(options);
        audiences.open_now(&launch).map(|rows| rows.pin().to_string())
    });
    let pin = match opened.await {
        Ok(result) => result.map_err(|error| audience_failure(&error))?,
        Err(error) => return Err(crate::error::storage(error)),
    };
    match known.and_then(|row| row.source_pin.as_ref()) {
        Some(before) if *before != pin => Err(changed(&valid.launch, before, &pin)),
        _ => Ok(()),
    }
}

/// A pin names the size first: a person looks at that.
fn changed(launch: &CampaignLaunch, before: &str, now: &str) -> Failure {
    let size = |pin: &str| {
        pin.split('-').next().and_then(|bytes| bytes.parse().ok()).map_or_else(String::new, thousands)
    };
    let (before, now) = (size(before), size(now));
    let path = launch.audience.path.as_deref().unwrap_or("the inline audience");
    let detail = match before == now {
        true => format!("{path} has its {now} bytes, but not the same ones as at launch"),
        false => format!("{path} was {before} bytes at launch and is {now} now"),
    };
    Failure::refused(
        "audience_changed",
        "the audience changed while the campaign was expanding",
        "restore the file and run the same command, or send the new one under another campaign name",
    )
    .with(detail)
    .with("Sluice reads it again to go on after a restart, so it must stay as it was.")
}

/// Refuses a launch whose pages can't be called.
pub fn check_pages(launch: &CampaignLaunch, config: &Config) -> Outcome<()> {
    let messages = ProviderMessages::new(config.provider_pages());
    for page in &launch.pages {
        let Err(problem) = messages.plan(launch, &PageId::from(page.as_str())) else { continue };
        let configuration = problem.actionable.contains("configuration");
        let actionable = if configuration { how_to_configure(launch) } else { problem.actionable };
        return Err(Failure::refused("page_not_configured", problem.message, actionable)
            .with("Nothing was sent. Credentials and URLs come from sluice.toml or the environment, never from a launch."));
    }
    Ok(())
}

/// The campaign of a launch, where there is one already. One that was launched with other words is refused.
pub async fn existing(engines: &Engines, launch: &CampaignLaunch) -> Outcome<Option<CampaignRow>> {
    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    match engines.store().campaign(id).await? {
        Some(row) if row.launch != *launch => Err(launched_differently(&row, launch)),
        found => Ok(found),
    }
}

/// What a launch would find under its name.
pub async fn taken(engines: &Engines, launch: &CampaignLaunch) -> Outcome<Option<Taken>> {
    match existing(engines, launch).await {
        Ok(None) => Ok(None),
        Ok(Some(row)) => {
            let says = format!("{} was launched before and is {}", launch.campaign, row.state.as_str());
            Ok(Some(Taken { says, differs: false }))
        }
        Err(failure) if failure.code == DIFFERENTLY => {
            Ok(Some(Taken { says: format!("{}; {}", failure.message, failure.actionable), differs: true }))
        }
        Err(failure) => Err(failure),
    }
}

fn launched_differently(row: &CampaignRow, launch: &CampaignLaunch) -> Failure {
    let differ = differences(&row.launch, launch);
    let (is, to_do) = match row.state {
        // Nothing brings it back: neither the former launch nor new terms.
        state if state.is_ended() || state == CampaignState::Cancelling => {
            let ended = match (state, row.awaits_start) {
                (CampaignState::Completed, _) => "is completed",
                (CampaignState::Failed, _) => "failed",
                (_, true) => "was cancelled before its start",
                (_, false) => "was cancelled",
            };
            (ended.to_owned(), "launch this one under another campaign name")
        }
        state if differ.iter().all(|part| matches!(*part, "rate" | "rules")) => (
            format!("is {}", state.as_str()),
            "change it with `sluice campaign reschedule` and `set-limits`, or launch this one under another campaign name",
        ),
        state => (
            format!("is {}", state.as_str()),
            "restore the launch to go on, or launch this one under another campaign name",
        ),
    };
    let message = format!("the campaign {} was launched differently before and {is}", launch.campaign);
    let failure = Failure::refused(DIFFERENTLY, message, to_do);
    failure.with(format!("these differ: {}", differ.join(", ")))
}

fn differences(a: &CampaignLaunch, b: &CampaignLaunch) -> Vec<&'static str> {
    let parts = [
        ("channel", a.channel != b.channel),
        ("pages", a.pages != b.pages),
        ("audience", a.audience != b.audience),
        ("message", a.message != b.message),
        ("variables", a.variables != b.variables),
        ("rate", a.rate != b.rate),
        ("max_retries", a.max_retries != b.max_retries),
        ("on_unknown", a.on_unknown != b.on_unknown),
        ("time_zone", a.time_zone != b.time_zone),
        ("rules", a.rules != b.rules),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Creates the campaign, or finds it. Resolves when its row is durable.
pub async fn launch(engines: &Engines, launch: &CampaignLaunch) -> Outcome<CampaignRow> {
    if let Some(row) = existing(engines, launch).await? {
        return Ok(row);
    }
    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    let (log, store) = (engines.log(), engines.store());
    let key = Bytes::copy_from_slice(&id.0);
    let partition = Partition(partition_of(&key, log.partitions(Topic::Launches)));
    let value = Bytes::from(encode(launch));
    log.append(Topic::Launches, partition, vec![NewRecord { key, value }]).await?;
    let appears = async {
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(row) = store.campaign(id).await? {
                return Ok(row);
            }
            tokio::time::sleep(pause).await;
            // A shared store is not asked five hundred times a second.
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    };
    let nobody_reads = async {
        tokio::time::sleep(NOBODY_READS_AFTER).await;
        while Working::ask(log.as_ref()).await.is_none_or(|working| working.does(Work::Expander)) {
            tokio::time::sleep(NOBODY_READS_AFTER).await;
        }
    };
    let to_do = tokio::select! {
        biased;
        row = appears => return row,
        () = nobody_reads => {
            "no process has the role expander: sluice run --roles expander. Its launch is stored and is read then"
        }
        () = tokio::time::sleep(APPEARS_WITHIN) => "run the same command again; the log says more with -v",
    };
    let message = format!("the campaign {} did not start", launch.campaign);
    Err(Failure::new(Exit::TryAgain, "not_started", message, to_do))
}
