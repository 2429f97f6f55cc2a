//! Everything that runs: engines, processes, providers.

use super::balancer::{Balancer, Gateways};
use super::command::Commands;
use super::engines::Engines;
use super::node::{Node, Recipe, State};
use super::provider::{APP_SECRET, Providers};
use super::say;
use crate::judge::Violation;
use crate::quotas::quotas;
use crate::settings::{
    CORNER, CORNER_RATE, HTTP_PAGES, KIOSK, KIOSK_DAILY, KIOSK_RATE, PROCESSES, SLOTS, Settings,
    WHATSAPP_PAGES,
};
use crate::{Error, Result};
use sluice_log::KafkaOptions;
use sluice_runtime::{Clock, SystemClock};
use sluice_tests::free_port;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use tokio::task::block_in_place;

/// Partitions of `sends`, `chunks` and `receipts`: more than processes, so that all have some.
const PARTITIONS: u32 = 8;
/// An engine that is away refuses a start; it is tried again for so long.
const STARTS_WITHIN: Duration = Duration::from_secs(150);
/// How often processes are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
const KEYSPACE: &str = "chaos";
const PREFIX: &str = "chaos.";

/// All of it. Dropped, everything ends.
#[derive(Debug)]
pub struct World {
    /// What the run does.
    pub settings: Settings,
    /// Asks and launches.
    pub commands: Commands,
    /// Whose webhooks are taken.
    pub gateways: Gateways,
    /// What processes call. Before the engines: dropped first.
    pub providers: Providers,
    /// By process; none: it does not run now.
    pub nodes: Vec<Option<Node>>,
    /// Kafka and Cassandra.
    pub engines: Engines,
    /// What went wrong beside the campaigns.
    pub problems: Vec<Violation>,
    recipes: Vec<Recipe>,
    /// By process: since when it is being started.
    starting: Vec<Option<Duration>>,
    lives: u64,
    _balancer: Balancer,
}

impl World {
    /// Starts engines, makes topics and tables, starts the processes.
    ///
    /// # Errors
    /// Something does not come up.
    pub async fn start(settings: Settings) -> Result<Self> {
        let directory = settings.directory.clone();
        say("starting Kafka and Cassandra");
        let engines = block_in_place(Engines::start)?;
        let gateways = Gateways::default();
        let balancer = Balancer::start(gateways.clone()).await?;
        let providers = Providers::start(settings.seed, &directory, balancer.url()).await?;
        write_configuration(&settings, &engines, &directory)?;
        let commands = Commands { program: settings.program.clone(), directory: directory.clone() };
        block_in_place(|| commands.set_up())?;
        let recipes = (0..SLOTS).map(|slot| recipe(slot, &settings, &engines, &providers)).collect();
        let nodes = (0..SLOTS).map(|_| None).collect();
        let problems = Vec::new();
        let mut world = Self {
            settings,
            commands,
            gateways,
            providers,
            nodes,
            engines,
            problems,
            recipes,
            starting: vec![None; SLOTS],
            lives: 0,
            _balancer: balancer,
        };
        say(format_args!("starting {PROCESSES} processes"));
        (0..PROCESSES).for_each(|slot| world.start_node(slot));
        world.all_up().await?;
        Ok(world)
    }

    /// Starts a process, or starts it again; [`World::look_after`] notices when it is up.
    pub fn start_node(&mut self, slot: usize) {
        self.starting[slot].get_or_insert(SystemClock.monotonic());
        self.lives += 1;
        self.nodes[slot] = Some(Node::launch(&self.recipes[slot], self.lives));
    }

    /// Of the process's gateway.
    pub fn port(&self, slot: usize) -> u16 {
        self.recipes[slot].port
    }

    /// Supervises: webhooks go to processes that are up, one that was refused because an engine is away is started
    /// again, and so is one that ended though nobody asked for it, which is a problem.
    ///
    /// # Errors
    /// A process does not come up within two and a half minutes.
    pub fn look_after(&mut self) -> Result<()> {
        for slot in 0..SLOTS {
            let Some(node) = &mut self.nodes[slot] else { continue };
            match node.look() {
                State::Same => {}
                State::CameUp => {
                    self.starting[slot] = None;
                    self.gateways.add(self.port(slot));
                }
                State::TryAgain(said) => {
                    let since = self.starting[slot].unwrap_or_default();
                    if SystemClock.monotonic() > since + STARTS_WITHIN {
                        return Err(Error::Start { slot, said });
                    }
                    self.start_node(slot);
                }
                State::Ended(said) => {
                    self.gateways.remove(self.port(slot));
                    self.problem(format!("process {slot} ended by itself: {said}"));
                    if self.starting[slot].is_some() {
                        return Err(Error::Start { slot, said });
                    }
                    self.start_node(slot);
                }
            }
        }
        Ok(())
    }

    /// Waits until everything that was started is up.
    ///
    /// # Errors
    /// As [`World::look_after`].
    pub async fn all_up(&mut self) -> Result<()> {
        while self.starting.iter().any(Option::is_some) {
            self.look_after()?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Notes something that must not happen.
    pub fn problem(&mut self, what: String) {
        say(format_args!("  PROBLEM {what}"));
        self.problems.push(Violation { guarantee: "process", what });
    }

    /// How the events are read.
    pub fn kafka_options(&self) -> KafkaOptions {
        KafkaOptions {
            brokers: self.engines.kafka.bootstrap(),
            prefix: PREFIX.to_owned(),
            replication: 1,
            min_insync: 1,
            partitions_sends: PARTITIONS,
            partitions_receipts: PARTITIONS,
            partitions_webhooks: PARTITIONS,
            partitions_other: 2,
            ..KafkaOptions::default()
        }
    }
}

fn recipe(slot: usize, settings: &Settings, engines: &Engines, providers: &Providers) -> Recipe {
    let data = settings.directory.join(format!("data-{slot}"));
    let mut variables = vec![
        ("SLUICE_DATA_DIR".to_owned(), data.display().to_string()),
        ("SLUICE_CQL_CONTACT_POINTS".to_owned(), engines.store_proxies[slot].address().to_owned()),
        ("SLUICE_WHATSAPP_URL".to_owned(), providers.whatsapp_url(slot)),
        ("SLUICE_METRICS_LISTEN".to_owned(), format!("127.0.0.1:{}", free_port())),
    ];
    variables.extend(HTTP_PAGES.iter().chain(&[KIOSK, CORNER]).map(|page| {
        let name = format!("SLUICE_PAGE_{}_URL", page.to_uppercase().replace('-', "_"));
        (name, providers.http_url(slot, page))
    }));
    Recipe {
        program: settings.program.clone(),
        directory: settings.directory.clone(),
        slot,
        port: free_port(),
        variables,
    }
}

/// What all processes and commands share.
fn write_configuration(settings: &Settings, engines: &Engines, directory: &Path) -> Result<()> {
    let rate = settings.rate();
    let mut text = format!(
        r#"data_dir = "{data}"

[log]
level = "info,sluice=debug"

[engines]
log = "kafka"
store = "cql"

[kafka]
brokers = "{brokers}"
prefix = "{PREFIX}"
replication = 1
min_insync = 1
partitions_sends = {PARTITIONS}
partitions_receipts = {PARTITIONS}
partitions_webhooks = {PARTITIONS}
partitions_other = 2

[cql]
contact_points = ["{cql}"]
keyspace = "{KEYSPACE}"
replication = {{ datacenter1 = 1 }}

[channels.whatsapp]
token = "any"
app_secret = "{APP_SECRET}"
rate = "{rate}/s"
timeout_ms = 3000

[channels.http]
rate = "{rate}/s"
timeout_ms = 3000

# A call without an answer is unknown after 15 s, so that a round ends.
[sender]
unresolved_after_ms = 15000
"#,
        data = directory.join("data").display(),
        brokers = engines.kafka.bootstrap(),
        cql = engines.cassandra.contact_point(),
    );
    // Writing to a String cannot fail.
    for page in HTTP_PAGES {
        let _infallible = writeln!(text, "\n[pages.{page}]\nchannel = \"http\"");
    }
    let limits = format!("rate = \"{KIOSK_RATE}/s\"\ndaily = \"{KIOSK_DAILY}/day\"");
    let _infallible = writeln!(text, "\n[pages.{KIOSK}]\nchannel = \"http\"\n{limits}");
    let _infallible = writeln!(text, "\n[pages.{CORNER}]\nchannel = \"http\"\nrate = \"{CORNER_RATE}/s\"");
    for quota in quotas(settings) {
        let _infallible = writeln!(text, "\n{}", quota.toml());
    }
    debug_assert!(
        WHATSAPP_PAGES.iter().all(|page| !text.contains(&format!("[pages.{page}"))),
        "they need no section of their own"
    );
    let path = directory.join("sluice.toml");
    std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))
}
