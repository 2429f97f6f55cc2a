//! `sluice campaign pause`, `resume`, `cancel`, `unschedule`, `retry-failed`, `set-limits`, `reschedule`: what a person
//! does to a campaign of the running service.

use super::NameArgs;
use super::source::{read, service};
use crate::campaign::commanded::Commanded;
use crate::cli::Common;
use crate::cli::remote::escaped;
use crate::error::{Exit, Failure, Outcome};
use crate::node::commands::ReasonDetails;
use crate::view::hours;
use crate::view::{out, style};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use sluice_completion::{NewLimits, NewRun, NewTimes, NewWindow};
use sluice_core::rate::Rate;
use sluice_http::Action;
use sluice_schemas::Priority;

/// Takes a limit away.
const NONE: &str = "none";

/// Takes the hours away.
const ALWAYS: &str = "always";

/// Which campaign, of which service.
#[derive(Debug, Clone, Args)]
pub struct ActArgs {
    /// Which one.
    #[command(flatten)]
    pub name: NameArgs,
    /// The service [default: gateway.listen of the configuration]
    #[arg(long, value_name = "URL", env = "SLUICE_SERVER")]
    pub server: Option<String>,
}

/// Which campaign is paused, resumed or ended, and why.
#[derive(Debug, Clone, Args)]
pub struct ReasonArgs {
    /// Which one.
    #[command(flatten)]
    pub act: ActArgs,
    /// Why: `status` and `explain` say so, and downstream systems are told
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Whose failed recipients are tried again.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign retry-failed spring-sale
Unknown recipients may have got the message: they are tried again only with --include-unknown.")]
pub struct RetryArgs {
    /// Which one.
    #[command(flatten)]
    pub act: ActArgs,
    /// Also those of whom nobody can tell whether they got the message: some get it twice
    #[arg(long)]
    pub include_unknown: bool,
    /// Another end, where that of the campaign is over: 2026-12-24T18:00, or none
    #[arg(long, value_name = "TIME")]
    pub end_at: Option<String>,
}

/// New limits.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign set-limits spring-sale --rate 20/s --daily-limit none
What is not named stays. They hold when the command returns.")]
pub struct LimitArgs {
    /// Which one.
    #[command(flatten)]
    pub act: ActArgs,
    /// Of the campaign over all its pages: 80/s, 10/min, 100/h, 1000/day, or none
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Option<String>,
    /// Which campaigns of a page go first: urgent, normal, bulk
    #[arg(long, value_name = "WORD", value_parser = priority)]
    pub priority: Option<Priority>,
    /// Calls in any 24 hours, or none
    #[arg(long, value_name = "CALLS", value_parser = calls)]
    pub daily_limit: Option<Calls>,
    /// Of calls from one page to one person: 1/min, or none
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub pair_rate: Option<String>,
}

/// New times.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:  sluice campaign reschedule spring-sale --open \"mon-fri 09:00-18:00\" --end-at 2026-12-24T18:00
What is not named stays. Times without an offset are in the campaign's zone."
)]
pub struct TimeArgs {
    /// Which one.
    #[command(flatten)]
    pub act: ActArgs,
    /// Not before, for one that has not started: 2026-12-01T09:00, or now
    #[arg(long, value_name = "TIME")]
    pub start_at: Option<String>,
    /// No call starts at or after it, and who is left is cancelled: 2026-12-24T18:00, or none
    #[arg(long, value_name = "TIME")]
    pub end_at: Option<String>,
    /// Hours in which calls may start, instead of those so far: "mon-fri 09:00-12:00"; more than once; or always
    #[arg(long, value_name = "HOURS")]
    pub open: Vec<String>,
    /// A date on which it does not open, instead of those so far; more than once; or none
    #[arg(long, value_name = "DATE")]
    pub closed_on: Vec<String>,
}

/// A number of calls, or as many as one likes.
#[derive(Debug, Clone, Copy)]
pub struct Calls(Option<i64>);

fn rate(text: &str) -> Result<String, String> {
    match text == NONE {
        true => Ok(text.to_owned()),
        false => text.parse::<Rate>().map(|rate| rate.to_string()).map_err(|error| error.to_string()),
    }
}

fn priority(text: &str) -> Result<Priority, String> {
    let known = [Priority::Urgent, Priority::Normal, Priority::Bulk];
    let found = known.into_iter().find(|priority| priority.as_str() == text);
    found.ok_or_else(|| "write urgent, normal or bulk".to_owned())
}

fn calls(text: &str) -> Result<Calls, String> {
    match text == NONE {
        true => Ok(Calls(None)),
        false => {
            text.parse().map(|calls| Calls(Some(calls))).map_err(|_| format!("write a number, or {NONE}"))
        }
    }
}

/// A limit that was named: its new value, or that there is none.
fn named(text: Option<&String>) -> Option<Option<String>> {
    text.map(|text| (text != NONE).then(|| text.clone()))
}

pub(super) async fn unschedule(common: &Common, args: &ActArgs) -> Outcome {
    act(common, args, Action::Unschedule, &json!({})).await
}

pub(super) async fn with_reason(common: &Common, args: &ReasonArgs, action: Action) -> Outcome {
    act(common, &args.act, action, &ReasonDetails { reason: args.reason.clone() }).await
}

pub(super) async fn retry_failed(common: &Common, args: &RetryArgs) -> Outcome {
    if args.include_unknown {
        let twice = "whoever is unknown may have got the message, and then gets it a second time";
        out::note(format_args!("{} {twice}", style::warning("warning:")));
    }
    let new = NewRun { include_unknown: args.include_unknown, end_at: named(args.end_at.as_ref()) };
    act(common, &args.act, Action::RetryFailed, &new).await
}

pub(super) async fn set_limits(common: &Common, args: &LimitArgs) -> Outcome {
    let new = NewLimits {
        rate: named(args.rate.as_ref()),
        priority: args.priority,
        daily_send_limit: args.daily_limit.map(|Calls(calls)| calls),
        pair_rate: named(args.pair_rate.as_ref()),
    };
    if new == NewLimits::default() {
        return Err(nothing_named("--rate, --priority, --daily-limit or --pair-rate"));
    }
    act(common, &args.act, Action::Limits, &new).await
}

pub(super) async fn reschedule(common: &Common, args: &TimeArgs) -> Outcome {
    let new = NewTimes {
        start_at: args.start_at.clone().map(Some),
        end_at: named(args.end_at.as_ref()),
        window: window(args)?,
        recurring: None,
    };
    if new == NewTimes::default() {
        return Err(nothing_named("--start-at, --end-at, --open or --closed-on"));
    }
    act(common, &args.act, Action::Reschedule, &new).await
}

fn window(args: &TimeArgs) -> Outcome<Option<Option<NewWindow>>> {
    let closed_on = match args.closed_on.as_slice() {
        [] => None,
        [none] if none == NONE => Some(Vec::new()),
        dates => Some(dates.to_vec()),
    };
    let open = match args.open.as_slice() {
        [] => None,
        [always] if always == ALWAYS && closed_on.as_ref().is_none_or(Vec::is_empty) => {
            return Ok(Some(None));
        }
        hours => {
            let open = hours.iter().map(|text| hours::parse(text)).collect::<Result<_, _>>();
            Some(open.map_err(|problem| Failure::usage("hours_invalid", problem, "correct --open"))?)
        }
    };
    let new = NewWindow { open, clock: None, closed_on };
    Ok((new != NewWindow::default()).then_some(Some(new)))
}

fn nothing_named(what: &str) -> Failure {
    Failure::usage("nothing_named", "nothing is to be changed", format!("name at least one of {what}"))
}

async fn act(common: &Common, args: &ActArgs, action: Action, details: &impl Serialize) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let NameArgs { campaign, tenant } = &args.name;
    let (campaign, tenant) = (escaped(campaign), escaped(tenant));
    let path = format!("/v1/campaigns/{campaign}/{}?tenant={tenant}", action.as_str());
    let body = json!(details).to_string().into_bytes();
    let answer: Value = service(common, &config, args.server.as_deref())?.post(&path, body).await?;
    if common.json {
        out::line(answer);
        return Ok(Exit::Done);
    }
    out::line(read::<Commanded>(answer)?.sentence());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        times: TimeArgs,
    }

    #[test]
    fn g5_hours_and_holidays_are_named_each_for_itself() {
        let named = |options: &[&str]| {
            let given = Given::try_parse_from([&["reschedule", "spring"], options].concat()).unwrap();
            json!(window(&given.times).unwrap())
        };
        let open = json!([{"days": [], "from": "09:00", "to": "18:00"}]);
        assert_eq!(named(&["--end-at", "2026-12-24T18:00"]), json!(null));
        assert_eq!(named(&["--open", "09:00-18:00"]), json!({"open": open}), "the holidays stay");
        let dates = ["--closed-on", "2026-12-25", "--closed-on", "2027-01-01"];
        assert_eq!(named(&dates), json!({"closed_on": ["2026-12-25", "2027-01-01"]}), "the hours stay");
        assert_eq!(named(&["--closed-on", "none"]), json!({"closed_on": []}));
    }

    #[test]
    fn b1_hours_are_taken_away_with_their_holidays() {
        for options in [&["--open", "always"][..], &["--open", "always", "--closed-on", "none"]] {
            let given = Given::try_parse_from([&["reschedule", "spring"], options].concat()).unwrap();
            assert_eq!(window(&given.times).unwrap(), Some(None), "{options:?}");
        }
        let both = ["reschedule", "spring", "--open", "always", "--closed-on", "2026-12-25"];
        assert!(window(&Given::try_parse_from(both).unwrap().times).is_err());
    }
}
