//! `sluice campaign events`: what downstream systems are told.

use super::source::{SourceArgs, read};
use crate::cli::Common;
use crate::cli::look::{Look, Place};
use crate::cli::remote::escaped;
use crate::cli::watch::passes;
use crate::error::{Exit, Outcome};
use crate::events::{self, Part};
use crate::view::moment::at_second;
use crate::view::numbers::thousands;
use crate::view::out;
use clap::Args;
use serde_json::json;
use sluice_schemas::CampaignEvent;
use std::time::Duration;

/// How often it is looked for new ones.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The same where everything has to be opened for it.
const OPEN_EVERY: Duration = Duration::from_secs(2);

/// Which events.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign events --follow --json
An event that was told twice after a crash has the same id: downstream systems count ids.")]
pub struct EventsArgs {
    /// Only those of this campaign
    #[arg(long, value_name = "NAME")]
    pub campaign: Option<String>,
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Wait for more, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
}

pub(super) async fn run(common: &Common, args: &EventsArgs) -> Outcome {
    let place = Place::of(common, &args.source)?;
    let (mut kept, mut from) = (None, None);
    loop {
        let look = match kept.take() {
            Some(look) => Ok(look),
            None => place.open().await,
        };
        let found = match look {
            Ok(look) => {
                let found = listed(common, args, &look, &mut from).await;
                match found.is_ok() && look.is_shared() {
                    true => kept = Some(look),
                    // A directory is open in one process at a time: somebody has to be able to do more.
                    false => look.close().await,
                }
                found
            }
            Err(failure) => Err(failure),
        };
        match found {
            // The service is started again: it is waited for.
            Err(failure) if args.follow && from.is_some() && passes(&failure) => {}
            found => found?,
        }
        if !args.follow {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(if kept.is_some() { LOOK_EVERY } else { OPEN_EVERY }).await;
    }
}

/// Shows all that there is after `from`.
async fn listed(common: &Common, args: &EventsArgs, look: &Look, from: &mut Option<String>) -> Outcome<()> {
    loop {
        let campaign = args.campaign.as_deref();
        let part: Part = match look {
            Look::Service(remote) => {
                let campaign = campaign.map(|name| format!("campaign={}", escaped(name)));
                let after = from.as_ref().map(|from| format!("after={from}"));
                let query: Vec<String> = campaign.into_iter().chain(after).collect();
                read(remote.get(&format!("/v1/events?{}", query.join("&"))).await?)?
            }
            Look::Engines(engines, _) => {
                events::part(engines.log().as_ref(), from.as_deref(), campaign).await?
            }
        };
        part.events.iter().for_each(|event| show(common, event));
        part.unreadable.iter().for_each(out::note);
        *from = Some(part.next);
        if !part.more {
            return Ok(());
        }
    }
}

fn show(common: &Common, event: &CampaignEvent) {
    match common.json {
        true => out::line(json!(event)),
        false => out::line(line(event)),
    }
}

/// `2026-11-22 02:31:07 UTC  spring-sale  cancelled: wrong price  cancelled 900, sent 100, total 1,000`; of a later run
/// `completed (run 2)`.
fn line(event: &CampaignEvent) -> String {
    let counts: Vec<String> = event
        .counters
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name} {}", thousands(u64::try_from(*count).unwrap_or(0))))
        .collect();
    let kind = json!(event.kind);
    let kind = kind.as_str().unwrap_or_default();
    let run = if event.run > 1 { format!(" (run {})", event.run) } else { String::new() };
    let reason = event.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let line = format!(
        "{}  {}  {kind}{run}{reason}  {}",
        at_second(event.at_ms, None),
        event.campaign,
        counts.join(", ")
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_schemas::CampaignEventKind;

    #[test]
    fn c6_d9_an_event_of_a_later_run_names_the_run() {
        let event = |run, reason: Option<&str>| CampaignEvent {
            id: String::new(),
            campaign: "spring".to_owned(),
            tenant: "default".to_owned(),
            kind: CampaignEventKind::Paused,
            run,
            at_ms: 0,
            counters: [("sent".to_owned(), 7)].into(),
            reason: reason.map(str::to_owned),
        };
        assert_eq!(line(&event(1, None)), "1970-01-01 00:00:00 UTC  spring  paused  sent 7");
        assert_eq!(
            line(&event(2, Some("wrong price"))),
            "1970-01-01 00:00:00 UTC  spring  paused (run 2): wrong price  sent 7"
        );
    }
}
