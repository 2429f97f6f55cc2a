//! Compares what is stored with what the simulator saw: two sides that share no code.

use crate::campaign::{people, status};
use crate::error::{Failure, Outcome};
use crate::node::Engines;
use crate::verify::gather;
use sluice_core::facts::Status;
use sluice_core::{CampaignRow, Counters};
use sluice_runtime::{Clock, SystemClock};
use sluice_simulator::stats::Stats;
use sluice_simulator::{Truth, read_log};
use std::path::Path;

/// What does not agree, a line each.
pub(super) async fn compare(
    engines: &Engines,
    campaigns: &[CampaignRow],
    stats: &Stats,
    log: &Path,
) -> Outcome<Vec<String>> {
    let truth = read_truth(log).await?;
    let mut differences = Vec::new();
    let mut expect = |name: &str, what: &str, ours: u64, theirs: u64| {
        if ours != theirs {
            differences.push(format!("{name}: {what}: stored {ours}, simulator {theirs}"));
        }
    };
    expect("all", "people accepted twice", 0, stats.accepted_twice);
    expect("all", "accepted calls in the log and in its counts", truth.accepted, stats.accepted);
    let store = engines.store();
    let mut recounts = Vec::new();
    for campaign in campaigns {
        let (name, channel) = (&campaign.launch.campaign, campaign.launch.channel.as_str());
        let counters = status::of(store.as_ref(), campaign, SystemClock.wall_ms()).await?.counters;
        let failed_later = failed_after_accepted(engines, campaign).await?;
        let seen = Seen::of(&truth, channel, &campaign.launch.pages);
        expect(name, "people whose message was accepted", counters.sent + failed_later, seen.accepted);
        expect(name, "delivered", counters.delivered, seen.delivered);
        expect(name, "read", counters.read, seen.read);
        expect(name, "failed after they were accepted", failed_later, seen.failed);
        recounts.push((
            name,
            counters,
            gather::recount(store.as_ref(), campaign, &engines.temporary(), |_| {}).await?,
        ));
    }
    for (name, counters, recount) in recounts {
        differences.extend(recount.differences.iter().map(|difference| format!("{name}: {difference}")));
        differences.extend(unequal(name, &counters, &recount.counters));
    }
    Ok(differences)
}

/// Recipients as the simulator saw them.
#[derive(Debug, Default)]
struct Seen {
    accepted: u64,
    delivered: u64,
    read: u64,
    failed: u64,
}

impl Seen {
    fn of(truth: &Truth, channel: &str, pages: &[String]) -> Self {
        let mut seen = Self::default();
        for (recipient, tally) in &truth.recipients {
            if recipient.channel.as_str() != channel || !pages.iter().any(|page| **page == *recipient.page) {
                continue;
            }
            let told = |event: &str| tally.events.contains_key(event);
            // A later fact fills the earlier ones.
            seen.accepted += u64::from(tally.accepted > 0);
            seen.delivered += u64::from(told("delivered") || told("read"));
            seen.read += u64::from(told("read"));
            seen.failed += u64::from(told("failed") && !told("delivered") && !told("read"));
        }
        seen
    }
}

/// Recipients whose message was accepted, and that a webhook said failed.
async fn failed_after_accepted(engines: &Engines, campaign: &CampaignRow) -> Outcome<u64> {
    let store = engines.store();
    let mut count = 0;
    for chunk in store.chunks(campaign.id).await? {
        let failed = people::of_chunk(
            store.as_ref(),
            &chunk,
            |_, recipient| recipient.status() == Status::Failed,
            usize::MAX,
        )
        .await?;
        count += failed.iter().filter(|person| person.sent_at.is_some()).count() as u64;
    }
    Ok(count)
}

fn unequal(name: &str, counters: &Counters, recount: &Counters) -> Vec<String> {
    let pairs = counters.named().into_iter().zip(recount.named());
    pairs
        .filter(|((_, shown), (_, recounted))| shown != recounted)
        .map(|((word, shown), (_, recounted))| {
            format!("{name}: {word}: counter {shown}, recount {recounted}")
        })
        .collect()
}

async fn read_truth(log: &Path) -> Outcome<Truth> {
    let log = log.to_owned();
    let read = tokio::task::spawn_blocking(move || read_log(&log).map(|lines| Truth::fold(&lines))).await;
    match read {
        Ok(Ok(truth)) => Ok(truth),
        Ok(Err(error)) => {
            Err(Failure::refused("simulator_log", error.to_string(), "free space there and run it again"))
        }
        Err(error) => Err(crate::error::storage(error)),
    }
}
