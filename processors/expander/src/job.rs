//! One campaign's expansion: lease, resume, read, seal; again when the source can't be read for a while.

use crate::announce::{announce, is_untold, wake};
use crate::at_its_time::{AtItsTime, at_its_time};
use crate::emit::emit_again;
use crate::error::{ExpanderError, StepError};
use crate::expansion::Expansion;
use crate::jobs::Cause;
use crate::patience::{Waits, until_answered};
use crate::reading::{Read, Reading};
use crate::{ExpanderOptions, ExpanderPorts};
use sluice_core::{CampaignId, CampaignRow, CampaignState, Seal};
use sluice_runtime::Shutdown;
use sluice_runtime::ports::audience::AudienceProblem;
use sluice_runtime::ports::store::Transition;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What one job needs.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) ports: ExpanderPorts,
    pub(crate) options: ExpanderOptions,
    pub(crate) id: CampaignId,
    /// As many permits as campaigns may expand at a time.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) cause: Cause,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Sealed, failed, or over already.
    Done,
    /// It waits for another time now; another campaign may have been launched by it.
    Waits,
    /// It was asked to stop.
    Stopped,
    /// Another expander took the campaign over.
    Fenced,
    /// A row of the campaign can't be used: trying again soon does not help.
    Broken,
}

/// How one attempt ended, if nothing was wrong with the engines.
enum Attempt {
    /// Sealed, failed, or over already.
    Finished,
    /// It was asked to stop.
    Stopped,
    /// The source can't be read now, and giving the campaign up would lose people.
    TryAgain { campaign: String, problem: AudienceProblem },
}

/// What is left to be done once everything is told.
enum Told {
    Expand,
    Waits,
    Nothing,
}

/// What is there before the first row is read.
enum Prepared {
    Reading(Arc<Expansion>, Box<Reading>),
    Over(Attempt),
}

/// What is known when a source makes trouble.
struct Known {
    seal: Seal,
    cancelled: bool,
}

/// How much of the present source an attempt has read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Rows,
}

impl Job {
    /// Runs until the campaign is sealed or failed, another expander takes over, or it is asked to stop: `soon`
    /// lets it finish what is being written, `now` drops everything where it stands, which is nothing else than a
    /// crash, and as safe.
    pub(crate) async fn run(self, soon: Shutdown, mut now: Shutdown) -> Result<Ended, ExpanderError> {
        tokio::select! {
            biased;
            () = now.stopping() => Ok(Ended::Stopped),
            ended = self.work(soon) => ended,
        }
    }

    async fn work(&self, mut soon: Shutdown) -> Result<Ended, ExpanderError> {
        let told = tokio::select! {
            biased;
            () = soon.stopping() => return Ok(Ended::Stopped),
            told = self.tell() => told,
        };
        match told {
            Ok(Told::Expand) => self.expand(soon).await,
            Ok(Told::Waits) => Ok(Ended::Waits),
            Ok(Told::Nothing) => Ok(Ended::Done),
            Err(error) => self.ends_by(error),
        }
    }

    /// Starts it if its time has come, and says what may not have been said before.
    async fn tell(&self) -> Result<Told, StepError> {
        let store = &self.ports.store;
        let row = match &self.cause {
            Cause::Launched(row) => CampaignRow::clone(row),
            Cause::Found { .. } | Cause::Due => {
                match until_answered("campaign", || store.campaign(self.id)).await? {
                    Some(row) => row,
                    None => return Ok(Told::Nothing),
                }
            }
        };
        let waited = row.state == CampaignState::Scheduled;
        let row = match at_its_time(&self.ports, row).await? {
            AtItsTime::GoesOn(row) => *row,
            AtItsTime::Waits => return Ok(Told::Waits),
        };
        if is_untold(&row) {
            match announce(&self.ports, &row).await {
                Err(StepError::Campaign(error)) => {
                    tracing::error!(campaign = row.launch.campaign, %error, "its event can't be noted");
                }
                told => told?,
            }
        }
        let is_ended = row.state.is_ended();
        let is_over = is_ended || row.seal.is_some();
        // A former owner may have ended between the seal and the wake-up that follows it (hazard 21).
        let seal_untold = is_over && !is_ended && self.cause == (Cause::Found { wakes: true });
        // Whoever is woken tells of an end that came just now; without it their sweep does.
        if seal_untold || (waited && is_ended) {
            wake(&self.ports, row.id).await?;
        }
        Ok(if is_over { Told::Nothing } else { Told::Expand })
    }

    fn ends_by(&self, error: StepError) -> Result<Ended, ExpanderError> {
        match error {
            StepError::Fenced | StepError::OutOfTurn => {
                tracing::info!(campaign_id = %self.id, "another expander has taken the campaign over");
                Ok(Ended::Fenced)
            }
            StepError::Campaign(error) => {
                tracing::error!(campaign_id = %self.id, %error, "the expansion can't go on; it starts again with the process");
                Ok(Ended::Broken)
            }
            StepError::Fatal(error) => Err(error),
        }
    }

    async fn expand(&self, mut soon: Shutdown) -> Result<Ended, ExpanderError> {
        let (first, max) = self.options.source_retry_ms;
        let mut waits = Waits::new(Duration::from_millis(first), Duration::from_millis(max));
        let mut tries = 1;
        loop {
            let attempt = {
                // Not held while waiting for a source: others expand meanwhile (G6).
                let _place = tokio::select! {
                    biased;
                    () = soon.stopping() => return Ok(Ended::Stopped),
                    place = self.places.acquire() => place,
                };
                self.attempt(tries, &mut soon).await
            };
            match attempt {
                Ok(Attempt::Finished) => return Ok(Ended::Done),
                Ok(Attempt::Stopped) => return Ok(Ended::Stopped),
                Ok(Attempt::TryAgain { campaign, problem }) => {
                    let wait = waits.pass();
                    tries += 1;
                    let (code, to_do, wait_ms) = (problem.code, &problem.actionable, wait.as_millis() as u64);
                    tracing::error!(campaign, code, %problem, to_do, wait_ms, "the audience can't be read, trying again");
                    tokio::select! {
                        biased;
                        () = soon.stopping() => return Ok(Ended::Stopped),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Err(error) => return self.ends_by(error),
            }
        }
    }

    async fn attempt(&self, tries: u32, soon: &mut Shutdown) -> Result<Attempt, StepError> {
        let prepared = tokio::select! {
            biased;
            () = soon.stopping() => return Ok(Attempt::Stopped),
            prepared = self.prepare(tries) => prepared?,
        };
        let (expansion, reading) = match prepared {
            Prepared::Reading(expansion, reading) => (expansion, reading),
            Prepared::Over(attempt) => return Ok(attempt),
        };
        match reading.run(soon.clone()).await? {
            Read::All(seal) => self.seal(&expansion.row, seal).await,
            Read::Ended => Ok(Attempt::Finished),
            Read::Stopped => Ok(Attempt::Stopped),
            Read::Trouble { problem, known, cancelled } => {
                self.trouble(&expansion, problem, Known { seal: known, cancelled }, Seen::Rows, tries).await
            }
        }
    }

    /// Takes the lease, repeats what earlier expansions may not have said, opens the source.
    async fn prepare(&self, tries: u32) -> Result<Prepared, StepError> {
        let (ports, store) = (&self.ports, &self.ports.store);
        let lease = until_answered("lease_expansion", || store.lease_expansion(self.id)).await?;
        if lease.row.seal.is_some() || lease.row.state.is_ended() {
            return Ok(Prepared::Over(Attempt::Finished));
        }
        let row = lease.row.clone();
        if row.awaits_start {
            // Cancelled before its start: nobody was to be called yet, and its audience may not even be there.
            let nobody = Seal { chunks: 0, total: 0, not_expanded: 0 };
            return self.seal(&row, nobody).await.map(Prepared::Over);
        }
        let Some(expansion) = Expansion::new(ports.clone(), lease.row) else {
            return self.fail(&row, "the launch names no page").await.map(Prepared::Over);
        };
        let expansion = Arc::new(expansion);
        let known = || {
            let rows = lease.chunks.iter().map(|chunk| u64::from(chunk.size)).sum();
            let seal = Seal { chunks: lease.chunks.len() as u32, total: rows, not_expanded: 0 };
            Known { seal, cancelled: row.state == CampaignState::Cancelling }
        };
        tracing::info!(
            campaign = expansion.name(),
            epoch = row.exp_epoch,
            committed = lease.chunks.len(),
            "expanding"
        );
        // First of all: people in committed chunks are waiting, whatever has become of the source.
        emit_again(&expansion, &lease.chunks).await?;

        let problem = match ports.audiences.open(&row.launch).await {
            Ok(opened) => {
                let pin =
                    until_answered("pin_source", || store.pin_source(self.id, row.exp_epoch, &opened.pin));
                let pin = pin.await?;
                if pin == opened.pin {
                    let reading = Reading::new(expansion.clone(), opened.rows, &lease.chunks, &self.options);
                    return Ok(Prepared::Reading(expansion, Box::new(reading)));
                }
                changed(row.launch.audience.path.as_deref(), &pin, &opened.pin)
            }
            Err(problem) => problem,
        };
        self.trouble(&expansion, problem, known(), Seen::Nothing, tries).await.map(Prepared::Over)
    }

    /// The end of an expansion. Whether all recipients are done already is looked at by those who are woken.
    async fn seal(&self, row: &CampaignRow, seal: Seal) -> Result<Attempt, StepError> {
        let store = &self.ports.store;
        until_answered("seal", || store.seal(self.id, row.exp_epoch, seal)).await?;
        let Seal { chunks, total, not_expanded } = seal;
        tracing::info!(campaign = row.launch.campaign, chunks, total, not_expanded, "sealed");
        wake(&self.ports, self.id).await?;
        Ok(Attempt::Finished)
    }

    /// What becomes of a campaign whose source can't be read.
    ///
    /// - Nothing is committed, or the source is another one than before: it fails, with the reason.
    /// - Something is committed: it goes on when the source can be read again; failing would lose the rest (G2).
    /// - It changed while it was read: rows of both versions may be committed, so nobody can tell any more who
    ///   would be sent to twice. It is cancelled: whoever was not called ends `cancelled` (G1 before all).
    /// - It was cancelled: the source is only needed for a count, so that it ends without it (G8).
    async fn trouble(
        &self,
        expansion: &Expansion,
        problem: AudienceProblem,
        known: Known,
        read: Seen,
        tries: u32,
    ) -> Result<Attempt, StepError> {
        let campaign = expansion.name().to_owned();
        let is_changed = problem.code == "audience_changed";
        if known.cancelled {
            if is_changed || tries >= self.options.cancelled_source_tries_max {
                tracing::warn!(campaign, %problem, "cancelled, and the rest of the audience can't be counted");
                return self.seal(&expansion.row, known.seal).await;
            }
        } else if is_changed && known.seal.chunks > 0 && read == Seen::Rows {
            let reason = format!("{}: {}", headline(&problem), problem.message);
            return self.give_up(&expansion.row, reason, problem).await;
        } else if known.seal.chunks == 0 {
            let reason = format!("{}: {}; {}", headline(&problem), problem.message, problem.actionable);
            return self.fail(&expansion.row, &reason).await;
        }
        Ok(Attempt::TryAgain { campaign, problem })
    }

    /// Cancels; the next attempt seals what there is.
    async fn give_up(
        &self,
        row: &CampaignRow,
        reason: String,
        problem: AudienceProblem,
    ) -> Result<Attempt, StepError> {
        let store = &self.ports.store;
        let step = Transition::of(row, CampaignState::Cancelling, Some(reason), self.ports.clock.wall_ms());
        until_answered("transition", || store.transition(self.id, step.clone())).await?;
        let pages = row.page_ids();
        until_answered("bump control", || store.bump_controls(&pages)).await?;
        wake(&self.ports, self.id).await?;
        Ok(Attempt::TryAgain { campaign: row.launch.campaign.clone(), problem })
    }

    async fn fail(&self, row: &CampaignRow, reason: &str) -> Result<Attempt, StepError> {
        let store = &self.ports.store;
        let step =
            Transition::of(row, CampaignState::Failed, Some(reason.to_owned()), self.ports.clock.wall_ms());
        let campaign = row.launch.campaign.clone();
        let Some(failed) = until_answered("transition", || store.transition(self.id, step.clone())).await?
        else {
            // Cancelled in this moment, or failed by us before an answer was lost: the next attempt sees which.
            let problem = AudienceProblem {
                code: "campaign_moved",
                message: reason.to_owned(),
                actionable: "nothing: the campaign's new state is looked at".to_owned(),
            };
            return Ok(Attempt::TryAgain { campaign, problem });
        };
        tracing::error!(campaign, reason, "refused");
        announce(&self.ports, &failed).await?;
        wake(&self.ports, self.id).await?;
        Ok(Attempt::Finished)
    }
}

fn headline(problem: &AudienceProblem) -> &'static str {
    match problem.code {
        "audience_changed" => "the audience changed while the campaign was expanding",
        _ => "the audience can't be read",
    }
}

/// Pins name the size first; a person looks at that.
fn changed(path: Option<&str>, before: &str, now: &str) -> AudienceProblem {
    let what = path.unwrap_or("it");
    let size = |pin: &str| pin.split('-').next().unwrap_or(pin).to_owned();
    let message = match (size(before), size(now)) {
        (before, now) if before != now => format!("{what} was {before} bytes at launch and is {now} now"),
        (size, _) => format!("{what} has its {size} bytes, but not the same ones as at launch"),
    };
    AudienceProblem {
        code: "audience_changed",
        message,
        actionable: "it is read again to go on after a restart, so it must stay as it was; \
                     launch a new campaign for those who were not reached"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_audience_is_told_by_its_size() {
        let problem = changed(Some("contacts.csv"), "1204331-aa", "1204390-bb");
        assert_eq!(problem.message, "contacts.csv was 1204331 bytes at launch and is 1204390 now");
        let problem = changed(None, "5-aa", "5-bb");
        assert_eq!(problem.message, "it has its 5 bytes, but not the same ones as at launch");
    }
}
