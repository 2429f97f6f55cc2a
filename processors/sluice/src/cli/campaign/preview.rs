//! `sluice campaign preview`: who would be called, from when to when (A7). Needs no service.

use super::check::{LINES_SHOWN, NOTHING_SENT, lines};
use crate::campaign::preview::{Preview, UNLIMITED_PER_SECOND, preview};
use crate::campaign::quotas::rate_above;
use crate::cli::Common;
use crate::config::pages::unnamed;
use crate::error::{Exit, Failure, Outcome};
use crate::node::launching::{self, audience_failure};
use crate::view::moment::{at, when};
use crate::view::numbers::counted;
use crate::view::out;
use clap::Args;
use serde_json::json;
use sluice_audience::{
    AudienceError, AudienceOptions, AudienceSource, CheckReport, FileAudiences, check_each,
};
use sluice_core::PageId;
use sluice_core::launch::ValidLaunch;
use sluice_expander::ClassCounts;
use sluice_providers::ProviderMessages;
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::{Clock, SystemClock};
use std::path::{Path, PathBuf};

/// Which launch.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign preview launch.json
The estimate is for pages that send nothing else, without failures and their retries.
Exit codes: 0 it can be sent, 1 nobody can receive or a page is not configured, 2 the launch is wrong, 3 the audience can't be read.")]
pub struct PreviewArgs {
    /// The launch (docs/launch.md)
    #[arg(value_name = "LAUNCH.json")]
    pub launch: PathBuf,
    /// Recipients from this file instead of the launch's
    #[arg(long, value_name = "FILE")]
    pub audience: Option<PathBuf>,
}

pub(super) async fn run(common: &Common, args: &PreviewArgs) -> Outcome {
    let valid = launching::read_file(&args.launch, args.audience.as_deref())?;
    let config = common.load(&valid.launch.pages, "warn")?.config;
    let (launch, options) = (valid.clone(), config.audience.clone());
    let read = match tokio::task::spawn_blocking(move || read(&launch, options)).await {
        Ok(read) => read.map_err(|error| audience_failure(&error))?,
        Err(error) => return Err(Failure::new(Exit::TryAgain, "preview", error.to_string(), "run it again")),
    };
    let (report, counts) = read;
    let messages = ProviderMessages::new(config.provider_pages());
    let channel = valid.launch.channel;
    let now_ms = SystemClock.wall_ms();
    let above = |page: &PageId| rate_above(&config.quotas, &valid.launch, page);
    let found = preview(&valid, &counts, |page| messages.page_rate(channel, page), above, now_ms);
    let warnings = unnamed(&config, &valid.launch);
    let refused = launching::check_pages(&valid.launch, &config).err();
    let late = valid.rules.too_late(&valid.launch.rules, now_ms);
    let can_launch = refused.is_none() && late.is_empty();
    let can_send = report.valid > 0 && can_launch && found.earliest_start_ms.is_some();
    if common.json {
        let late = late.first().map(ToString::to_string);
        let refused = refused.map(|failure| failure.message).or(late);
        out::line(json!({"check": report, "preview": found, "can_send": can_send, "refused": refused,
                        "warnings": warnings}));
    } else {
        common.warn(&warnings);
        let source = AudienceSource::of(&valid.launch.audience, Path::new("")).shown();
        lines(&report, &source, false).iter().for_each(out::line);
        times(&found, valid.launch.time_zone.as_deref(), now_ms).iter().for_each(out::line);
        for problem in late {
            out::line(format_args!("It can't be launched: {problem}."));
        }
        if let Some(failure) = refused {
            out::line(format_args!("It can't be sent yet: {}; {}.", failure.message, failure.actionable));
        }
        out::line(NOTHING_SENT);
    }
    Ok(if can_send { Exit::Done } else { Exit::FoundWrong })
}

/// Reads the audience once: who can receive, and in which classes.
fn read(launch: &ValidLaunch, options: AudienceOptions) -> Result<(CheckReport, ClassCounts), AudienceError> {
    let audiences = FileAudiences::new("", std::env::temp_dir()).with_options(options);
    let rows = audiences.open_now(launch)?;
    let mut counts = ClassCounts::new(&launch.launch);
    let report = check_each(launch, rows, LINES_SHOWN, None, |_| {}, |row| counts.add(row))?;
    Ok((report, counts))
}

fn times(preview: &Preview, zone: Option<&str>, now_ms: i64) -> Vec<String> {
    let moment = |ms: i64| match ms - now_ms {
        1_000.. => when(ms, zone, now_ms),
        _ => "now".to_owned(),
    };
    let Some(start_ms) = preview.earliest_start_ms else {
        return vec![format!("It never starts: limited by {}.", preview.says)];
    };
    let end = match preview.estimated_end_ms {
        Some(end_ms) => format!("Estimated end: {}, limited by {}.", moment(end_ms), preview.says),
        None => format!("It does not end within ten years: limited by {}.", preview.says),
    };
    let mut lines = vec![format!("Earliest start: {}. {end}", moment(start_ms))];
    for page in &preview.pages {
        let rate = page.rate.clone().unwrap_or_else(|| format!("no limit, {UNLIMITED_PER_SECOND}/s assumed"));
        let people = counted(page.recipients, "recipient", "recipients");
        let end = page.estimated_end_ms.map_or_else(|| "never".to_owned(), |ms| at(ms, zone));
        lines.push(format!("  page {}: {people}, {rate}, until {end} (limited by {})", page.page, page.says));
    }
    lines
}
