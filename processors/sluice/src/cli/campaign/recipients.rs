//! `sluice campaign recipients`: who is where, since when, and why (D1, D2, D4).

use super::NameArgs;
use super::source::{Source, SourceArgs};
use crate::campaign::people::Person;
use crate::campaign::recipients::Wanted;
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::moment::at_second;
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;

/// Which recipients.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:  sluice campaign recipients spring-sale --status failed --limit 50 --data-dir ./mine"
)]
pub struct RecipientsArgs {
    /// Of which campaign.
    #[command(flatten)]
    pub name: NameArgs,
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Only these: pending, sent, delivered, read, responded, failed, opted_out, skipped, cancelled, unknown
    #[arg(long, value_name = "STATUS")]
    pub status: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Go on after this id of the last page
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

pub(super) async fn run(common: &Common, args: &RecipientsArgs) -> Outcome {
    // One more than asked for tells whether there are more.
    let wanted = Wanted::read(args.status.as_deref(), args.after.as_deref(), args.limit.saturating_add(1))?;
    let source = Source::open(common, &args.source).await?;
    let listing = source.listing(&args.name).await?;
    let (mut people, mut left) = (Vec::new(), Some(wanted));
    while let Some(wanted) = left {
        let part = listing.recipients(&wanted).await?;
        left = wanted.rest(&part)?;
        people.extend(part.recipients);
    }
    let more = people.len() > args.limit;
    people.truncate(args.limit);
    if common.json {
        people.iter().for_each(|person| out::line(json!(person)));
        return Ok(Exit::Done);
    }
    show(&people);
    if let Some(last) = people.last().filter(|_| more) {
        out::note(format_args!("more with --after {}", last.id));
    }
    Ok(Exit::Done)
}

fn show(people: &[Person]) {
    let mut table = Table::new(
        10,
        ["id", "line", "address", "status", "retries", "sent", "delivered", "read", "reason", "message"],
    );
    for person in people {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let time = |value: &Option<String>| value.as_deref().map_or_else(String::new, shown);
        table.row([
            person.id.clone(),
            person.line.to_string(),
            person.address.clone(),
            person.status.clone(),
            person.retry_count.to_string(),
            time(&person.sent_at),
            time(&person.delivered_at),
            time(&person.read_at),
            text(&person.reason),
            text(&person.message),
        ]);
    }
    table.lines().iter().for_each(out::line);
}

/// A time of a program, for people.
fn shown(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => at_second(time.as_millisecond(), None),
        Err(_) => time.to_owned(),
    }
}
