//! `sluice campaign recipients`: who is where, since when, and why (D1, D2, D4).

use super::NameArgs;
use super::source::rows;
use crate::campaign::people::{Person, of_chunk};
use crate::campaign::{self};
use crate::cli::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;
use sluice_core::facts::{Recipient, Status};

/// Which recipients.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:  sluice campaign recipients spring-sale --status failed --limit 50 --data-dir ./mine"
)]
pub struct RecipientsArgs {
    /// Of which campaign.
    #[command(flatten)]
    pub name: NameArgs,
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

const STATUSES: [Status; 10] = [
    Status::Pending,
    Status::Sent,
    Status::Delivered,
    Status::Read,
    Status::Responded,
    Status::Failed,
    Status::OptedOut,
    Status::Skipped,
    Status::Cancelled,
    Status::Unknown,
];

pub(super) async fn run(common: &Common, args: &RecipientsArgs) -> Outcome {
    let wanted = args.status.as_deref().map(status_of).transpose()?;
    let after = args.after.as_deref().map(place_of).transpose()?;
    let stored = rows(common).await?;
    let store = stored.store();
    let row = campaign::find(store.as_ref(), &args.name.tenant, &args.name.campaign).await?;
    let mut people: Vec<Person> = Vec::new();
    // One more than asked for tells whether there are more.
    let enough = args.limit.saturating_add(1);
    for chunk in store.chunks(row.id).await? {
        let number = chunk.id.number();
        if after.is_some_and(|(last, _)| number < last) {
            continue;
        }
        let is_wanted = |index: u16, recipient: Recipient| {
            after.is_none_or(|place| (number, index) > place)
                && wanted.is_none_or(|status| recipient.status() == status)
        };
        people.extend(of_chunk(store.as_ref(), &chunk, is_wanted).await?);
        if people.len() >= enough {
            break;
        }
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
        9,
        ["id", "address", "status", "retries", "sent", "delivered", "read", "reason", "message"],
    );
    for person in people {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        table.row([
            person.id.clone(),
            person.address.clone(),
            person.status.to_owned(),
            person.retry_count.to_string(),
            text(&person.sent_at),
            text(&person.delivered_at),
            text(&person.read_at),
            text(&person.reason),
            text(&person.message),
        ]);
    }
    table.lines().iter().for_each(out::line);
}

fn status_of(word: &str) -> Outcome<Status> {
    STATUSES.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        let words: Vec<&str> = STATUSES.iter().map(|status| status.as_str()).collect();
        let to_do = match sluice_core::launch::nearest(word, words.iter().copied()) {
            Some(near) => format!("perhaps `{near}` is meant"),
            None => format!("use one of {}", words.join(", ")),
        };
        Failure::usage("status", format!("`{word}` is not a status"), to_do)
    })
}

fn place_of(id: &str) -> Outcome<(u32, u16)> {
    let parsed =
        id.split_once('.').and_then(|(chunk, index)| Some((chunk.parse().ok()?, index.parse().ok()?)));
    parsed.ok_or_else(|| {
        Failure::usage(
            "after",
            format!("`{id}` is not an id"),
            "use the id of the last recipient, for example 3.120",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_status_names_the_nearest() {
        assert_eq!(status_of("failed").unwrap(), Status::Failed);
        assert!(status_of("faild").unwrap_err().actionable.contains("`failed`"));
    }

    #[test]
    fn ids_are_places() {
        assert_eq!(place_of("3.120").unwrap(), (3, 120));
        assert!(place_of("three").is_err());
    }
}
