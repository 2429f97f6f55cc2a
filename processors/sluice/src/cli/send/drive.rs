//! Watches campaigns of a node until they have ended, a signal comes, or only a person can help.

use super::Holds;
use crate::campaign::status;
use crate::cli::signals::Signals;
use crate::error::{Failure, Outcome};
use crate::node::Node;
use crate::view::numbers::{counted, thousands};
use crate::view::progress::Progress;
use sluice_core::{CampaignId, CampaignRow, PageId};
use sluice_runtime::shutdown;
use sluice_sender::PageStatus;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

/// How often campaigns are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A node that works for these campaigns alone.
pub(in crate::cli) struct Drive {
    pub(in crate::cli) node: Node,
    pub(in crate::cli) campaigns: Vec<CampaignRow>,
    pub(in crate::cli) signals: Signals,
    pub(in crate::cli) progress: Progress,
    pub(in crate::cli) holds: Holds,
}

/// How it ended.
pub(in crate::cli) enum Ended {
    /// Every campaign is at its end; their last rows.
    All(Vec<CampaignRow>),
    /// A signal came first; what to do is said.
    Interrupted,
}

/// Where all campaigns together are.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// Recipients that got a message or ended otherwise, skipped ones aside.
    done: u64,
    recipients: u64,
    ended: bool,
}

impl Drive {
    /// Until every campaign has ended and `late` is over, so that late webhooks still count. The node is stopped
    /// in any case.
    pub(in crate::cli) async fn run_to_the_end(mut self, late: impl Future<Output = ()>) -> Outcome<Ended> {
        let mut sum = Sum::default();
        let stuck = loop {
            tokio::select! {
                biased;
                () = self.signals.next() => return self.interrupted(sum).await,
                failure = self.node.failed() => {
                    self.progress.finish();
                    return Err(self.stopped_after(failure).await);
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            sum = self.look().await?;
            if sum.ended {
                break None;
            }
            if let Some(stuck) = self.observe_holds(sum.done) {
                break Some(stuck);
            }
        };
        if let Some(failure) = stuck {
            self.progress.finish();
            return Err(self.stopped_after(failure).await);
        }
        if self.linger(late).await?.is_break() {
            return self.interrupted(sum).await;
        }
        self.progress.finish();
        let Self { node, campaigns, .. } = self;
        let (_patience, never) = shutdown::channel();
        let stopped = node.stop(never).await;
        stopped.failure.map_or(Ok(Ended::All(campaigns)), Err)
    }

    /// Reads and shows every campaign.
    async fn look(&mut self) -> Outcome<Sum> {
        let (store, now) = (self.node.store(), self.node.monotonic());
        let mut sum = Sum { ended: true, ..Sum::default() };
        for campaign in &mut self.campaigns {
            if let Some(row) = store.campaign(campaign.id).await? {
                *campaign = row;
            }
            let status = status::of(store.as_ref(), campaign, self.node.wall_ms()).await?;
            self.progress.update(&status, now);
            sum.done += status.done() - status.counters.skipped.min(status.done());
            sum.recipients += status.recipients;
            sum.ended &= campaign.state.is_ended();
        }
        Ok(sum)
    }

    fn observe_holds(&mut self, done: u64) -> Option<Failure> {
        let pages = self.pages();
        let now = self.node.monotonic();
        self.holds.observe(&pages, done, now).iter().for_each(|line| self.progress.warn(line));
        let channel = self.campaigns.first()?.launch.channel;
        if pages.is_empty() { None } else { self.holds.stuck(&pages, channel, now) }
    }

    /// The pages of these campaigns that have work.
    fn pages(&self) -> BTreeMap<PageId, PageStatus> {
        let mut all = self.node.board().pages();
        let running = self.campaigns.iter().filter(|campaign| !campaign.state.is_ended());
        let pages: Vec<&String> = running.flat_map(|campaign| &campaign.launch.pages).collect();
        all.retain(|page, _| pages.iter().any(|known| known.as_str() == page.as_str()));
        // What another campaign of the same page lacks does not hold these up.
        let is_here = |id: &CampaignId| self.campaigns.iter().any(|campaign| campaign.id == *id);
        all.values_mut().for_each(|page| page.problems.retain(|id, _| is_here(id)));
        all
    }

    /// Goes on showing what comes until `late` is over; breaks at a signal.
    async fn linger(&mut self, late: impl Future<Output = ()>) -> Outcome<ControlFlow<()>> {
        tokio::pin!(late);
        loop {
            tokio::select! {
                biased;
                () = &mut late => return Ok(ControlFlow::Continue(())),
                () = self.signals.next() => return Ok(ControlFlow::Break(())),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look().await?;
        }
    }

    /// The first signal: nothing more is granted, calls in flight end. The second one: they are cut.
    async fn interrupted(self, before: Sum) -> Outcome<Ended> {
        let Self { node, campaigns, mut signals, progress, .. } = self;
        progress.finish();
        let in_flight = node.in_flight() as u64;
        let calls = counted(in_flight, "call", "calls");
        progress.warn(&format!("finishing {calls} in flight … (once more to hurry)"));
        let (hurry, hurried) = shutdown::channel();
        // Kept alive by the clone: counts are read after the node has stopped.
        let (store, wall_ms) = (node.store(), node.wall_ms());
        let stop = node.stop(hurried);
        tokio::pin!(stop);
        let stopped = tokio::select! {
            stopped = &mut stop => stopped,
            () = signals.next() => {
                progress.warn("not waiting for them any more");
                hurry.stop();
                stop.await
            }
        };
        if let Some(failure) = stopped.failure {
            return Err(failure);
        }
        let mut sum = Sum::default();
        for campaign in &campaigns {
            let status = status::of(store.as_ref(), campaign, wall_ms).await?;
            sum.done += status.done();
            sum.recipients += status.recipients;
        }
        let sum = if sum.recipients == 0 { before } else { sum };
        let counts = format!("{} of {}", thousands(sum.done), thousands(sum.recipients));
        let said = match stopped.cut_calls {
            0 => format!("stopped cleanly after {counts}. Run the same command to go on."),
            cut => format!(
                "stopped after {counts}; {} without an answer: they become `unknown` unless a webhook tells. Run the same command to go on.",
                counted(cut as u64, "call", "calls")
            ),
        };
        progress.warn(&said);
        Ok(Ended::Interrupted)
    }

    /// Stops the node because of a failure, which stays the thing to tell.
    async fn stopped_after(self, failure: Failure) -> Failure {
        let (_patience, never) = shutdown::channel();
        drop(self.node.stop(never).await);
        failure
    }
}
