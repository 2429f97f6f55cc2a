//! `sluice campaign check`: who can receive, and who can't and why (A6), and whether it is too late already.

use crate::cli::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::node::launching::{self, audience_failure};
use crate::view::numbers::{counted, thousands};
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;
use sluice_audience::{
    AudienceError, AudienceSource, CheckReport, FileAudiences, Finding, RejectedWriter, check,
};
use sluice_core::launch::ValidLaunch;
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::Channel;
use std::path::{Path, PathBuf};

/// Lines that a finding names unless all are asked for.
pub(super) const LINES_SHOWN: usize = 5;

/// Ends what only looks.
pub(super) const NOTHING_SENT: &str = "Nothing was sent.";

/// Which launch.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign check launch.json --audience contacts.csv
Exit codes: 0 somebody can receive, 1 nobody can or it is too late to launch it, 2 the launch is wrong, 3 the audience can't be read.")]
pub struct CheckArgs {
    /// The launch (docs/launch.md)
    #[arg(value_name = "LAUNCH.json")]
    pub launch: PathBuf,
    /// Recipients from this file instead of the launch's
    #[arg(long, value_name = "FILE")]
    pub audience: Option<PathBuf>,
    /// Name every line
    #[arg(long)]
    pub all: bool,
    /// Write the rows that can't receive here, with their reasons
    #[arg(long, value_name = "FILE")]
    pub rejected: Option<PathBuf>,
}

pub(super) async fn run(common: &Common, args: &CheckArgs) -> Outcome {
    let valid = launching::read_file(&args.launch, args.audience.as_deref())?;
    let options = common.load(&valid.launch.pages, "warn")?.config.audience;
    let lines_shown = if args.all { usize::MAX } else { LINES_SHOWN };
    let (launch, rejected) = (valid.clone(), args.rejected.clone());
    let checked = tokio::task::spawn_blocking(move || {
        let audiences = FileAudiences::new("", std::env::temp_dir()).with_options(options);
        checked(&audiences, &launch, lines_shown, rejected.as_deref())
    });
    let report = match checked.await {
        Ok(result) => result.map_err(|error| audience_failure(&error))?,
        Err(error) => return Err(Failure::new(Exit::TryAgain, "check", error.to_string(), "run it again")),
    };
    let late = valid.rules.too_late(&valid.launch.rules, SystemClock.wall_ms());
    if common.json {
        let mut answer = json!(report);
        answer["refused"] = json!(late.first().map(ToString::to_string));
        out::line(answer);
    } else {
        let source = AudienceSource::of(&valid.launch.audience, Path::new("")).shown();
        lines(&report, &source, args.all).iter().for_each(out::line);
        for problem in &late {
            out::line(format_args!("It can't be launched: {problem}."));
        }
        out::line(NOTHING_SENT);
    }
    Ok(if reaches_somebody(&report) && late.is_empty() { Exit::Done } else { Exit::FoundWrong })
}

/// Whether somebody would get a message: not where the template misspells a variable of everybody.
pub(super) fn reaches_somebody(report: &CheckReport) -> bool {
    report.valid > report.valid_without_variables
}

fn checked(
    audiences: &FileAudiences,
    launch: &ValidLaunch,
    lines_shown: usize,
    rejected: Option<&Path>,
) -> Result<CheckReport, AudienceError> {
    let rows = audiences.open_now(launch)?;
    let failed = |source| AudienceError::Rejected { source };
    let mut writer =
        rejected.map(|path| RejectedWriter::create(path, rows.columns())).transpose().map_err(failed)?;
    let report = check(launch, rows, lines_shown, writer.as_mut(), |_| {})?;
    if let Some(writer) = writer {
        writer.finish().map_err(failed)?;
    }
    Ok(report)
}

pub(super) fn lines(report: &CheckReport, source: &str, all: bool) -> Vec<String> {
    let skipped = report.skipped_rows();
    let mut lines = vec![format!(
        "{source}: {}. {}: {} can receive, {} can't.",
        counted(report.rows, "row", "rows"),
        channel_name(report.channel),
        thousands(report.valid),
        thousands(skipped),
    )];
    lines.extend(findings(&report.findings, all));
    if report.findings.iter().any(|finding| finding.what == "no_opt_in") {
        lines.push(
            "An opt-in column says yes with: true, yes, 1, t, y, on. Every other word is a no.".to_owned(),
        );
    }
    if report.valid_without_variables > 0 {
        let people = counted(report.valid_without_variables, "recipient", "recipients");
        lines.push(format!(
            "{people} can receive and will fail, because a variable of the message has no value:"
        ));
        lines.extend(findings(&report.missing_variables, all));
    }
    if !report.warnings.is_empty() {
        lines.push("Not as it was meant, and sent all the same:".to_owned());
        lines.extend(findings(&report.warnings, all));
    }
    lines
}

fn findings(list: &[Finding], all: bool) -> Vec<String> {
    let mut table = Table::plain(4);
    for finding in list {
        let mut lines = finding.lines.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        if (finding.lines.len() as u64) < finding.rows {
            lines.push_str(if all { " …" } else { " … (all with --all)" });
        }
        let word = if finding.rows == 1 { "line" } else { "lines" };
        let (count, lines) = (format!("  {:>6}", thousands(finding.rows)), format!("{word} {lines}"));
        table.row([count, finding.what.clone(), finding.detail.clone(), lines]);
    }
    table.lines()
}

fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "WhatsApp",
        Channel::Messenger => "Messenger",
        Channel::Instagram => "Instagram",
        Channel::Sms => "SMS",
        Channel::Http => "HTTP",
    }
}
