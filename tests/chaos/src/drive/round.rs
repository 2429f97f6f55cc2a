//! One round: its campaigns, their schedule, their end, the judgement.

use super::campaign::{self, Planned};
use super::command::status;
use super::person::Persons;
use super::world::{LOOK_EVERY, World};
use super::{events, now_us, say, strike};
use crate::chance::Chance;
use crate::judge::given::Given;
use crate::judge::takeover::Struck;
use crate::judge::{Evidence, Judged, Line, Violation, judge};
use crate::plan;
use crate::schedule::Step;
use crate::{Error, Result};
use sluice_runtime::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, block_in_place};
use tokio::time::sleep;

/// A campaign has called somebody so long after its launch.
const BEGINS_WITHIN: Duration = Duration::from_secs(90);
/// A campaign has ended so long after the last fault was over: what is `unknown` takes 15 s, and everybody has to be
/// called.
const ENDS_WITHIN: Duration = Duration::from_secs(300);
/// Webhooks are tried for half a minute.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(60);
/// Counters that do not change for so many looks are at rest.
const QUIET_LOOKS: u32 = 8;
/// Looks at most until they are taken as they are.
const LOOKS_MAX: u32 = 240;

/// What came of a campaign.
#[derive(Debug)]
pub struct Ended {
    /// What it was.
    pub planned: Planned,
    /// What persons did to it.
    pub given: Vec<Given>,
    /// In ms from its launch to its end; `None`: it did not end.
    pub took_ms: Option<u64>,
    /// What the judge found.
    pub judged: Judged,
}

/// What came of a round.
#[derive(Debug)]
pub struct Played {
    /// Faults that were carried out.
    pub struck: Vec<Struck>,
    /// Its campaigns.
    pub campaigns: Vec<Ended>,
    /// Everything the providers noted.
    pub lines: Vec<Line>,
}

/// Carries a round out.
///
/// # Errors
/// The run can't go on: an engine or a process does not come up, or a command fails at the end.
pub async fn play(world: &mut World, chance: &mut Chance, number: u64, steps: &[Step]) -> Result<Played> {
    let length_ms = steps.iter().map(Step::ends_ms).max().unwrap_or(20_000);
    world.all_up().await?;
    let minute = now_us() / 60_000_000;
    let drafts = plan::draw(chance, &world.settings, length_ms, minute);
    let planned = campaign::write(drafts, &world.settings.directory, number)?;
    let calls = world.providers.calls();
    for campaign in &planned {
        let port = world.port(0);
        block_in_place(|| world.commands.launch(&campaign.launch, port))?;
    }
    let launched_us = now_us();
    let watch = Watch::start(world, &planned);
    wait_for_calls(world, calls).await?;
    let (over, faults_over) = watch::channel(false);
    let persons = Persons::start(&world.gateways, &planned, &faults_over);
    let mut struck = carry_out(world, steps, &watch).await?;
    over.send_replace(true);
    struck.sort_by_key(|struck| struck.at_us);
    wait_for_end(world, &watch, &planned).await?;
    say("  waiting for the last webhooks");
    world.providers.webhooks_settled(WEBHOOKS_WITHIN).await;
    wait_for_quiet(world, &planned).await?;
    let lines = world.providers.new_lines().await?;
    let ended = watch.ended();
    let clean = world.problems.is_empty() && struck.iter().all(|struck| struck.kind.is_clean());
    let mut campaigns = Vec::new();
    for planned in planned {
        let given = persons.given(&planned.name);
        let judged = judged(world, &planned, &given, &lines, clean).await?;
        let took_ms = ended.get(&planned.name).map(|ended| ended.saturating_sub(launched_us) / 1_000);
        campaigns.push(Ended { planned, given, took_ms, judged });
    }
    Ok(Played { struck, campaigns, lines })
}

async fn wait_for_calls(world: &mut World, before: u64) -> Result<()> {
    let deadline = SystemClock.monotonic() + BEGINS_WITHIN;
    while world.providers.calls() == before {
        if SystemClock.monotonic() > deadline {
            world.problem(format!("nobody was called within {BEGINS_WITHIN:?} after the launch"));
            break;
        }
        world.look_after()?;
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Begins and ends the steps at their times; none is begun after the campaigns have ended. What takes long, such as an
/// engine's start, moves everything after it, so that later faults and the gaps between them last as drawn.
async fn carry_out(world: &mut World, steps: &[Step], watch: &Watch) -> Result<Vec<Struck>> {
    let mut moments: Vec<(u64, usize, bool)> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        moments.push((step.at_ms, number, true));
        moments.push((step.ends_ms(), number, false));
    }
    moments.sort_unstable();
    let mut begun = SystemClock.monotonic();
    let mut struck: BTreeMap<usize, Struck> = BTreeMap::new();
    for (at_ms, number, begins) in moments {
        let step = &steps[number];
        let at = begun + Duration::from_millis(at_ms);
        while SystemClock.monotonic() < at && !(begins && watch.all_ended()) {
            world.look_after()?;
            sleep(LOOK_EVERY.min(at.saturating_sub(SystemClock.monotonic()))).await;
        }
        if begins && watch.all_ended() {
            continue;
        }
        let acts_at = SystemClock.monotonic();
        if begins {
            say(format_args!("  {step}"));
            struck.extend(strike::begin(world, step).await?.map(|struck| (number, struck)));
        } else if let Some(struck) = struck.get_mut(&number) {
            strike::end(world, step, struck).await?;
            say(format_args!("  {} is over", step.kind));
        }
        begun += SystemClock.monotonic() - acts_at;
    }
    Ok(struck.into_values().collect())
}

async fn wait_for_end(world: &mut World, watch: &Watch, planned: &[Planned]) -> Result<()> {
    say("  waiting for the end of the campaigns");
    let deadline = SystemClock.monotonic() + ENDS_WITHIN;
    while !watch.all_ended() {
        if SystemClock.monotonic() > deadline {
            for campaign in planned {
                let status = block_in_place(|| status(&world.gateways.ports(), &campaign.name));
                let what = format!(
                    "{} has not ended {ENDS_WITHIN:?} after the last fault: {status:?}",
                    campaign.name
                );
                say(format_args!("  PROBLEM {what}"));
                world.problems.push(Violation { guarantee: "G8", what });
            }
            break;
        }
        world.look_after()?;
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Webhooks that were taken are on their way to the counters.
async fn wait_for_quiet(world: &mut World, planned: &[Planned]) -> Result<()> {
    let mut before = Vec::new();
    let mut quiet = 0;
    for _ in 0..LOOKS_MAX {
        world.look_after()?;
        let ports = world.gateways.ports();
        let counters: Vec<_> = planned
            .iter()
            .map(|campaign| {
                block_in_place(|| status(&ports, &campaign.name)).map(|status| status["counters"].clone())
            })
            .collect();
        quiet = if counters == before && counters.iter().all(Option::is_some) { quiet + 1 } else { 0 };
        if quiet >= QUIET_LOOKS {
            break;
        }
        before = counters;
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Guarantees hold at any quiet moment; what a webhook changed while it was read is read again.
async fn judged(
    world: &World,
    campaign: &Planned,
    given: &[Given],
    lines: &[Line],
    clean: bool,
) -> Result<Judged> {
    let mut tries = 0;
    loop {
        tries += 1;
        let (people, verified) = block_in_place(|| {
            Ok::<_, Error>((world.commands.export(&campaign.name)?, world.commands.verify(&campaign.name)?))
        })?;
        let events = events::read(world.kafka_options()).await?;
        let judged = judge(&Evidence {
            campaign: &campaign.name,
            channel: campaign.channel,
            audience: &campaign.audience,
            rules: &campaign.rules,
            given,
            lines,
            people: &people,
            verified: &verified,
            events: &events,
            clean,
        });
        if judged.violations.is_empty() || tries == 3 {
            return Ok(judged);
        }
        sleep(Duration::from_secs(3)).await;
    }
}

/// Asks the gateways all the time whether campaigns have ended.
struct Watch {
    ended: Arc<Mutex<BTreeMap<String, u64>>>,
    campaigns: usize,
    task: JoinHandle<()>,
}

impl Watch {
    fn start(world: &World, planned: &[Planned]) -> Self {
        let ended: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let names: Vec<String> = planned.iter().map(|campaign| campaign.name.clone()).collect();
        let (gateways, seen, campaigns) = (world.gateways.clone(), Arc::clone(&ended), names.len());
        let task = tokio::spawn(async move {
            loop {
                for name in &names {
                    let known = seen.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name);
                    if known {
                        continue;
                    }
                    let status = block_in_place(|| status(&gateways.ports(), name));
                    let state = status.as_ref().and_then(|status| status["state"].as_str());
                    if state.is_some_and(|state| ["completed", "cancelled", "failed"].contains(&state)) {
                        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), now_us());
                    }
                }
                sleep(LOOK_EVERY).await;
            }
        });
        Self { ended, campaigns, task }
    }

    fn ended(&self) -> BTreeMap<String, u64> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn all_ended(&self) -> bool {
        self.ended().len() == self.campaigns
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
