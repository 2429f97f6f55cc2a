//! Persons who command a campaign at random moments of a bad day, from processes that may freeze and die.

use super::history::Change;
use super::judge::Held;
use super::open::OpenTimes;
use super::seeded::{is_capped_for_good, quota_name};
use crate::cluster::{Cluster, Scenario};
use sluice_completion::{
    Answer, CommandError, CompletionPorts, NewLimits, NewTimes, NewWindow, cancel, pause, reschedule, resume,
    set_limits,
};
use sluice_core::CampaignState;
use sluice_core::rate::Rate;
use sluice_simulation::ProcessId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whoever waits longer for an answer ends the command's process.
const PATIENCE: Duration = Duration::from_secs(20);

/// A campaign that calls nobody for so long, though nothing goes wrong any more, has used up what it may. Longer than
/// hours are closed.
const USED_UP: Duration = Duration::from_secs(140);

/// What became of commands, as the judge needs it.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Of each page, as configured.
    pub(crate) page_rates: Vec<Change<Option<u64>>>,
    /// Of limits above pages, by their places.
    pub(crate) quota_rates: BTreeMap<usize, Vec<Change<Option<u64>>>>,
    /// Of the campaign.
    pub(crate) rates: Vec<Change<Option<u64>>>,
    pub(crate) daily: Vec<Change<Option<u64>>>,
    /// Calls in a minute.
    pub(crate) pairs: Vec<Change<Option<u64>>>,
    pub(crate) open: Vec<Change<OpenTimes>>,
    pub(crate) held: Vec<Held>,
    /// Nobody heard whether it goes on: it may do so at any later time.
    may_go_on: bool,
}

#[derive(Debug, Clone)]
enum Order {
    Pause,
    Resume,
    Cancel,
    /// Calls of the campaign, in the window that its rate has.
    Rate(Option<u64>),
    /// Calls of the campaign in 24 hours.
    Daily(Option<u64>),
    /// Calls of a page to a person in a minute.
    Pair(Option<u64>),
    Hours(OpenTimes),
    /// Calls of each page, in the window that its configured rate has.
    PageRate(Option<u64>),
    /// The same of the quota of a place.
    QuotaRate(usize, u64),
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
        if configure(cluster, scenario, &order) {
            let now = cluster.world.now();
            given.note(order, now, Some(now));
            continue;
        }
        let process = cluster.world.start("person");
        give(cluster, scenario, Some(process), order, &mut given).await;
    }
    let mut calls = (0, Duration::ZERO);
    loop {
        let row = cluster.row().await.unwrap();
        let (now, made) = (cluster.world.now(), cluster.provider.truth().calls.len());
        if made > calls.0 || now < scenario.bad_time {
            calls = (made, now);
        }
        if row.state == CampaignState::Paused {
            give(cluster, scenario, None, Order::Resume, &mut given).await;
        } else if row.rules().daily_send_limit.is_some() && row.state == CampaignState::Running {
            // For as long as it takes to see that the limit holds.
            tokio::time::sleep(Duration::from_secs(60)).await;
            give(cluster, scenario, None, Order::Daily(None), &mut given).await;
        } else if is_capped_for_good(scenario) && now > calls.1 + USED_UP && !row.state.is_ended() {
            give(cluster, scenario, None, Order::Cancel, &mut given).await;
        } else if row.state.is_ended() {
            return given;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

fn order(cluster: &Cluster, scenario: &Scenario) -> Order {
    let Scenario { ruled, pages, .. } = scenario;
    let (kind, number) = cluster.world.draw(|random| (random.below(24), random.below(40)));
    let count = *pages as u64 + number;
    match kind {
        0 => Order::Cancel,
        1..4 if ruled.rate.is_some() => Order::Rate((number > 3).then_some(count)),
        4..6 if ruled.daily.is_some() => Order::Daily((number > 10).then_some(count)),
        6..8 => Order::Pair([None, Some(1), Some(3), Some(12)][number as usize % 4]),
        8..11 if number % 5 == 0 => Order::Hours(OpenTimes::Always),
        8..11 => {
            let minute = cluster.world.now().as_secs() / 60;
            Order::Hours(OpenTimes::chosen(ruled.open.clock(), number, minute))
        }
        11..15 => Order::Pause,
        20..22 if scenario.page_rate.is_some() => {
            Order::PageRate([None, Some(1), Some(4), Some(30), Some(200)][number as usize % 5])
        }
        22.. => {
            let mut places = ruled.quotas.iter().enumerate().filter(|(_, quota)| quota.rate.is_some());
            places.next().map_or(Order::Resume, |(place, _)| Order::QuotaRate(place, 1 + number % 20))
        }
        _ => Order::Resume,
    }
}

/// Changes the configuration of all processes, where the order is about that.
fn configure(cluster: &Cluster, scenario: &Scenario, order: &Order) -> bool {
    let in_unit_of = |rate: Option<&str>, count: u64| {
        let per = rate.unwrap().parse::<Rate>().unwrap().per;
        Rate { count: count.try_into().unwrap(), per }
    };
    match order {
        Order::PageRate(count) => {
            let rate = count.map(|count| in_unit_of(scenario.page_rate, count));
            cluster.limits.change_page_rate(rate);
        }
        Order::QuotaRate(place, count) => {
            let rate = in_unit_of(scenario.ruled.quotas[*place].rate, *count);
            cluster.limits.change_quota_rate(&quota_name(*place), rate);
        }
        _ => return false,
    }
    true
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
    let answer =
        tokio::time::timeout(PATIENCE, carry_out(&ports, cluster, scenario.ruled.rate, &order)).await;
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
    order: &Order,
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
        Order::Pair(count) => {
            let rate = count.map(|count| format!("{count}/min"));
            limits(NewLimits { pair_rate: Some(rate), ..NewLimits::default() }).await
        }
        Order::Hours(times) => {
            // On the clock that the launch chose.
            let window = times.window().map(|window| NewWindow {
                open: Some(window.open),
                clock: None,
                closed_on: Some(window.closed_on),
            });
            reschedule(ports, id, &NewTimes { window: Some(window), ..NewTimes::default() }).await
        }
        Order::PageRate(_) | Order::QuotaRate(..) => unreachable!("a matter of the configuration"),
    }
}

impl Given {
    fn note(&mut self, order: Order, asked: Duration, acknowledged: Option<Duration>) {
        match order {
            Order::PageRate(to) => self.page_rates.push(Change { asked, acknowledged, to }),
            Order::QuotaRate(place, to) => {
                let changes = self.quota_rates.entry(place).or_default();
                changes.push(Change { asked, acknowledged, to: Some(to) });
            }
            Order::Rate(to) => self.rates.push(Change { asked, acknowledged, to }),
            Order::Daily(to) => self.daily.push(Change { asked, acknowledged, to }),
            Order::Pair(to) => self.pairs.push(Change { asked, acknowledged, to }),
            Order::Hours(to) => self.open.push(Change { asked, acknowledged, to }),
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
