//! Persons who command campaigns through whatever process is there, until they are answered.

use super::balancer::Gateways;
use super::campaign::Planned;
use super::command::{Said, act, status};
use super::{now_us, say};
use crate::judge::given::Given;
use crate::order::Action;
use sluice_runtime::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::sleep;

/// Between two tries, and two looks.
const AGAIN: Duration = Duration::from_millis(200);
/// A command that nobody answers is given up then.
const PATIENCE: Duration = Duration::from_secs(240);

/// What became of the commands of each campaign.
type All = Arc<Mutex<BTreeMap<String, Vec<Given>>>>;

/// One person a campaign. Dropped, they go.
#[derive(Debug)]
pub struct Persons {
    given: All,
    tasks: Vec<JoinHandle<()>>,
}

impl Persons {
    /// From now on each campaign is commanded as planned. `faults_over` turns true once.
    pub fn start(gateways: &Gateways, planned: &[Planned], faults_over: &watch::Receiver<bool>) -> Self {
        let given = All::default();
        let tasks = planned.iter().map(|campaign| {
            let person = Person {
                gateways: gateways.clone(),
                campaign: campaign.clone(),
                faults_over: faults_over.clone(),
                given: given.clone(),
            };
            tokio::spawn(person.work())
        });
        Self { tasks: tasks.collect(), given }
    }

    /// What became of the commands of a campaign, so far.
    pub fn given(&self, campaign: &str) -> Vec<Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).get(campaign).cloned().unwrap_or_default()
    }
}

impl Drop for Persons {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

struct Person {
    gateways: Gateways,
    campaign: Planned,
    faults_over: watch::Receiver<bool>,
    given: All,
}

impl Person {
    async fn work(mut self) {
        let begun = SystemClock.monotonic();
        self.expanded().await;
        for order in &self.campaign.orders {
            let at = begun + Duration::from_millis(order.at_ms);
            sleep(at.saturating_sub(SystemClock.monotonic())).await;
            self.give(order.action).await;
        }
        if let Some(action) = self.campaign.at_end {
            if self.faults_over.wait_for(|over| *over).await.is_err() {
                // The round was given up.
                return;
            }
            self.give(action).await;
        }
        // A pause that was tried twice may come about after the resume that followed it.
        loop {
            sleep(10 * AGAIN).await;
            if self.state().is_some_and(|state| state == "paused") {
                self.give(Action::Resume).await;
            }
        }
    }

    fn state(&self) -> Option<String> {
        let status = block_in_place(|| status(&self.gateways.ports(), &self.campaign.name))?;
        Some(status["state"].as_str()?.to_owned())
    }

    /// Waits until everybody is known: who is cancelled before that has no row, and could not be judged.
    async fn expanded(&self) {
        let all = Some(self.campaign.audience.len() as u64);
        loop {
            let status = block_in_place(|| status(&self.gateways.ports(), &self.campaign.name));
            if status.is_some_and(|status| status["counters"]["total"].as_u64() == all) {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    /// Tries every process in turn until one answers.
    async fn give(&self, action: Action) {
        let asked_us = now_us();
        let deadline = SystemClock.monotonic() + PATIENCE;
        let mut given = Given { action, asked_us, acknowledged_us: None, lingers: false };
        // While it is given, it may already hold.
        let mut answered = false;
        while !answered && SystemClock.monotonic() < deadline {
            for port in self.gateways.ports() {
                match block_in_place(|| act(port, &self.campaign.name, action)) {
                    Said::Done => given.acknowledged_us = Some(now_us()),
                    Said::Refused => {}
                    Said::NotThere => continue,
                    Said::Nothing => {
                        given.lingers = true;
                        continue;
                    }
                }
                answered = true;
                break;
            }
            if !answered {
                sleep(AGAIN).await;
            }
        }
        let took_ms = now_us().saturating_sub(asked_us) / 1_000;
        let ended = match (answered, given.acknowledged_us) {
            (true, Some(_)) => "answered",
            (true, None) => "refused",
            (false, _) => "not answered",
        };
        say(format_args!("  {} {}: {ended} after {took_ms} ms", self.campaign.name, action));
        let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(self.campaign.name.clone()).or_default().push(given);
    }
}
