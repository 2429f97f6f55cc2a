//! Persons who command a campaign at random moments of a bad day, from processes that may freeze and die.

use super::judge::{Change, Held};
use crate::cluster::{Cluster, Scenario};
use sluice_completion::{
    Answer, CommandError, CompletionPorts, NewLimits, cancel, pause, resume, set_limits,
};
use sluice_core::CampaignState;
use sluice_core::rate::Rate;
use sluice_simulation::ProcessId;
use std::time::Duration;

/// Whoever waits longer for an answer ends the command's process.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of commands, as the judge needs it.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) rates: Vec<Change>,
    pub(crate) daily: Vec<Change>,
    pub(crate) held: Vec<Held>,
    /// Nobody heard whether it goes on: it may do so at any later time.
    may_go_on: bool,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Pause,
    Resume,
    Cancel,
    /// Calls of the campaign, in the window that its rate has.
    Rate(Option<u64>),
    /// Calls of the campaign in 24 hours.
    Daily(Option<u64>),
}

/// Gives the scenario's commands, then sees to it that the campaign can end; returns when it has.
pub(crate) async fn commands(cluster: &Cluster, scenario: &Scenario) -> Given {
    let mut given = Given::default();
    while cluster.row().await.is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for _ in 0..scenario.ruled.commands {
        let wait = cluster.world.draw(|random| random.between(0, 20_000));
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let order = order(cluster, scenario);
        let process = cluster.world.start("person");
        give(cluster, scenario, Some(process), order, &mut given).await;
    }
    loop {
        let row = cluster.row().await.unwrap();
        if row.state == CampaignState::Paused {
            give(cluster, scenario, None, Order::Resume, &mut given).await;
        } else if row.rules().daily_send_limit.is_some() && row.state == CampaignState::Running {
            // For as long as it takes to see that the limit holds.
            tokio::time::sleep(Duration::from_secs(30)).await;
            give(cluster, scenario, None, Order::Daily(None), &mut given).await;
        } else if row.state.is_ended() {
            return given;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

fn order(cluster: &Cluster, scenario: &Scenario) -> Order {
    let Scenario { ruled, pages, .. } = scenario;
    let (kind, number) = cluster.world.draw(|random| (random.below(16), random.below(40)));
    let count = *pages as u64 + number;
    match kind {
        0 => Order::Cancel,
        1..4 if ruled.rate.is_some() => Order::Rate((number > 3).then_some(count)),
        4..6 if ruled.daily.is_some() => Order::Daily((number > 10).then_some(count)),
        6..11 => Order::Pause,
        _ => Order::Resume,
    }
}

/// `process`: without one by the test's own hands, which no fault touches.
async fn give(
    cluster: &Cluster,
    scenario: &Scenario,
    process: Option<ProcessId>,
    order: Order,
    given: &mut Given,
) {
    let asked = cluster.world.now();
    let ports = match process {
        Some(process) => cluster.ports(process),
        None => cluster.hand_ports(),
    };
    let answer = tokio::time::timeout(PATIENCE, carry_out(&ports, cluster, scenario.ruled.rate, order)).await;
    if let Some(process) = process {
        cluster.world.kill(process);
    }
    let acknowledged = match answer {
        Ok(Ok(_)) => Some(cluster.world.now()),
        Ok(Err(CommandError::WrongState { .. })) => return,
        Ok(Err(error @ (CommandError::Terms { .. } | CommandError::NoCampaign(_)))) => panic!("{error:?}"),
        Ok(Err(_)) | Err(_) => None,
    };
    given.note(order, asked, acknowledged);
}

async fn carry_out(
    ports: &CompletionPorts,
    cluster: &Cluster,
    rate: Option<&str>,
    order: Order,
) -> Result<Answer, CommandError> {
    let id = cluster.id();
    let limits = |new: NewLimits| async move { set_limits(ports, id, &new).await };
    match order {
        Order::Pause => pause(ports, id, None).await,
        Order::Resume => resume(ports, id, None).await,
        Order::Cancel => cancel(ports, id, None).await,
        Order::Rate(count) => {
            let per = rate.and_then(|rate| rate.parse::<Rate>().ok()).unwrap().per;
            let rate = count.map(|count| Rate { count: count.try_into().unwrap(), per }.to_string());
            limits(NewLimits { rate: Some(rate), ..NewLimits::default() }).await
        }
        Order::Daily(count) => {
            let limit = count.map(|count| count as i64);
            limits(NewLimits { daily_send_limit: Some(limit), ..NewLimits::default() }).await
        }
    }
}

impl Given {
    fn note(&mut self, order: Order, asked: Duration, acknowledged: Option<Duration>) {
        match order {
            Order::Rate(count) => self.rates.push(Change { asked, acknowledged, count }),
            Order::Daily(count) => self.daily.push(Change { asked, acknowledged, count }),
            Order::Pause | Order::Cancel => {
                let is_held = self.held.last().is_some_and(|held| held.until.is_none());
                let for_good = matches!(order, Order::Cancel);
                if let Some(acknowledged) = acknowledged.filter(|_| !is_held && (for_good || !self.may_go_on))
                {
                    self.held.push(Held { acknowledged, until: None });
                }
            }
            Order::Resume => {
                self.may_go_on |= acknowledged.is_none();
                if let Some(held) = self.held.last_mut().filter(|held| held.until.is_none()) {
                    held.until = Some(asked);
                }
            }
        }
    }
}
