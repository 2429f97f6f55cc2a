//! `sluice campaign preview`: who would be called, from when to when (A7). Needs no service.

use super::check::{LINES_SHOWN, NOTHING_SENT, lines, reaches_somebody};
use super::source::{SourceArgs, read};
use crate::campaign::beside::preview_beside;
use crate::campaign::estimate::{Circumstances, PageNow, UNLIMITED_PER_SECOND};
use crate::campaign::preview::{Answered, Asked, ClassCount, Preview, planned, preview};
use crate::campaign::quotas::QuotaUse;
use crate::cli::Common;
use crate::cli::look::{Look, Place};
use crate::config::Config;
use crate::config::pages::unnamed;
use crate::error::{Exit, Failure, Outcome};
use crate::node::launching::{self, audience_failure};
use crate::page::facts::PageLimits;
use crate::view::moment::{at, when};
use crate::view::numbers::{counted, thousands};
use crate::view::out;
use clap::Args;
use serde_json::json;
use sluice_audience::{
    AudienceError, AudienceOptions, AudienceSource, CheckReport, FileAudiences, check_each,
};
use sluice_core::launch::ValidLaunch;
use sluice_core::quota::Quota;
use sluice_core::{PageId, QuotaBody};
use sluice_expander::ClassCounts;
use sluice_providers::ProviderMessages;
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::GateClass;
use std::path::{Path, PathBuf};

/// Which launch.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign preview launch.json
Where a service or its data is there, what its pages send already counts; failures and their retries never do.
Exit codes: 0 it can be sent, 1 nobody can receive or a page is not configured, 2 the launch is wrong, 3 the audience can't be read.")]
pub struct PreviewArgs {
    /// The launch (docs/launch.md)
    #[arg(value_name = "LAUNCH.json")]
    pub launch: PathBuf,
    /// Recipients from this file instead of the launch's
    #[arg(long, value_name = "FILE")]
    pub audience: Option<PathBuf>,
    /// Where the pages are looked at.
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(common: &Common, args: &PreviewArgs) -> Outcome {
    let valid = launching::read_file(&args.launch, args.audience.as_deref())?;
    let config = common.load(&valid.launch.pages, "warn")?.config;
    let (launch, options) = (valid.clone(), config.audience.clone());
    let found = match tokio::task::spawn_blocking(move || read_audience(&launch, options)).await {
        Ok(found) => found.map_err(|error| audience_failure(&error))?,
        Err(error) => return Err(Failure::new(Exit::TryAgain, "preview", error.to_string(), "run it again")),
    };
    let (report, counts) = found;
    let now_ms = SystemClock.wall_ms();
    let (Answered { preview: found, taken }, unseen) =
        match beside(&config, &args.source, &valid, &counts).await? {
            Seen::Beside(answered) => (answered, None),
            Seen::Nothing(why) => {
                (Answered { preview: alone(&config, &valid, &counts, now_ms), taken: None }, Some(why))
            }
        };
    let warnings = unnamed(&config, &valid.launch);
    let refused = launching::check_pages(&valid.launch, &config).err();
    let late = valid.rules.too_late(&valid.launch.rules, now_ms);
    let is_taken = taken.as_ref().is_some_and(|taken| taken.differs);
    let can_launch = refused.is_none() && late.is_empty() && !is_taken;
    let can_send = reaches_somebody(&report) && can_launch && found.earliest_start_ms.is_some();
    if common.json {
        let late = late.first().map(ToString::to_string);
        let refused = refused.map(|failure| failure.message).or(late);
        out::line(json!({"check": report, "preview": found, "can_send": can_send, "refused": refused,
                        "taken": taken, "beside_others": unseen.is_none(), "warnings": warnings}));
    } else {
        common.warn(&warnings);
        let source = AudienceSource::of(&valid.launch.audience, Path::new("")).shown();
        lines(&report, &source, false).iter().for_each(out::line);
        times(&found, valid.launch.time_zone.as_deref(), now_ms).iter().for_each(out::line);
        if let Some(why) = unseen {
            out::line(format_args!(
                "As if its pages sent nothing else: {why} (--server URL, --data-dir DIR)."
            ));
        }
        if let Some(taken) = taken {
            out::line(format_args!("Its name is taken: {}.", taken.says));
        }
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

/// What is known of the pages.
enum Seen {
    /// By a service that is there, or its data.
    Beside(Answered),
    /// There is neither; why.
    Nothing(String),
}

async fn beside(
    config: &Config,
    source: &SourceArgs,
    valid: &ValidLaunch,
    counts: &[ClassCount],
) -> Outcome<Seen> {
    let look = match Place::new(config.clone(), source).open().await {
        Ok(look) => look,
        Err(failure) => return Ok(Seen::Nothing(failure.message)),
    };
    let answered = match &look {
        Look::Service(remote) => {
            let asked = Asked { launch: json!(valid.launch), recipients: counts.to_vec() };
            read(remote.post("/v1/preview", json!(asked).to_string().into_bytes()).await?)?
        }
        Look::Engines(engines, sight) => Answered {
            preview: preview_beside(sight, valid, counts).await?,
            taken: launching::taken(engines, &valid.launch).await?,
        },
    };
    look.close().await;
    Ok(Seen::Beside(answered))
}

/// As if the pages sent nothing else.
fn alone(config: &Config, valid: &ValidLaunch, counts: &[ClassCount], now_ms: i64) -> Preview {
    let messages = ProviderMessages::new(config.provider_pages());
    let channel = valid.launch.channel;
    let now = |page: PageId| {
        let limits = PageLimits {
            rate: messages.page_rate(channel, &page),
            daily: messages.page_daily(channel, &page),
        };
        (page, PageNow { limits, ..PageNow::default() })
    };
    let unused = |(name, quota): (&String, &Quota)| QuotaUse {
        name: name.clone(),
        quota: quota.clone(),
        body: QuotaBody::new(),
    };
    let circumstances = Circumstances {
        others: Vec::new(),
        pages: valid.launch.pages.iter().map(|page| now(PageId::from(page.as_str()))).collect(),
        quotas: config.quotas.iter().map(unused).collect(),
        shares: config.sender.shares,
    };
    preview(valid, &planned(valid, counts, now_ms), &circumstances, now_ms)
}

/// Reads the audience once: who can receive, and in which classes.
fn read_audience(
    launch: &ValidLaunch,
    options: AudienceOptions,
) -> Result<(CheckReport, Vec<ClassCount>), AudienceError> {
    let audiences = FileAudiences::new("", std::env::temp_dir()).with_options(options);
    let rows = audiences.open_now(launch)?;
    let mut counts = ClassCounts::new(&launch.launch);
    let report = check_each(launch, rows, LINES_SHOWN, None, |_| {}, |row| counts.add(row))?;
    let class = |(page, class, count): (&PageId, &GateClass, u64)| ClassCount {
        page: page.to_string(),
        zone: class.zone.clone(),
        day: class.day.clone(),
        count,
    };
    Ok((report, counts.classes().map(class).collect()))
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
        let others = match page.others {
            0 => String::new(),
            others => format!(", {} of other campaigns wait there", thousands(others)),
        };
        let end = page.estimated_end_ms.map_or_else(|| "never".to_owned(), |ms| at(ms, zone));
        lines.push(format!(
            "  page {}: {people}, {rate}{others}, until {end} (limited by {})",
            page.page, page.says
        ));
    }
    lines
}
