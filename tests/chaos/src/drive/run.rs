//! One round after the other, and what came of it.

use super::round::{Played, play};
use super::say;
use super::world::World;
use crate::chance::Chance;
use crate::fault::{Kind, Thing};
use crate::judge::Violation;
use crate::judge::rates::{Busiest, busiest};
use crate::judge::takeover::{AFTER_US, Struck, by_page, silences};
use crate::report::{table, thousands};
use crate::schedule::{Deck, Pace, Step, draw};
use crate::settings::{
    HTTP_PAGES, PROCESSES, SESSION_MS, Settings, TAKEOVER_AFTER_SESSION_MS, WHATSAPP_PAGES,
};
use crate::tally::Tally;
use crate::{Error, Result};
use sluice_runtime::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Sums by kind of fault.
    pub tally: Tally,
    /// Guarantees that were broken.
    pub violations: Vec<Violation>,
    /// Rounds that were played.
    pub rounds: u64,
    /// One line a campaign: its people, how long it took.
    pub campaigns: Vec<String>,
    /// The busiest windows of each page, over all rounds.
    pub busiest: BTreeMap<String, Busiest>,
    /// Takeovers that took longer than they should.
    pub slow: Vec<String>,
    /// Where everything was kept, if it was.
    pub kept: Option<PathBuf>,
}

/// Runs until the time is over, a guarantee is broken, or somebody interrupts it.
///
/// # Errors
/// Something does not come up, or can't be read.
pub async fn run(settings: Settings) -> Result<Outcome> {
    std::fs::create_dir_all(&settings.directory)
        .map_err(Error::io(format!("make {}", settings.directory.display())))?;
    say(format_args!("seed {}, everything is in {}", settings.seed, settings.directory.display()));
    let (directory, keep) = (settings.directory.clone(), settings.keep);
    let mut outcome = Outcome::default();
    let ended = rounds(settings, &mut outcome).await;
    match ended {
        Ok(()) | Err(Error::Interrupted) if outcome.violations.is_empty() && !keep => {
            // What is left over is nobody's loss.
            drop(std::fs::remove_dir_all(&directory));
        }
        _ => outcome.kept = Some(directory),
    }
    match ended {
        Ok(()) | Err(Error::Interrupted) => Ok(outcome),
        Err(error) => {
            say(format_args!("everything is kept in {}", outcome.kept.unwrap_or_default().display()));
            Err(error)
        }
    }
}

/// The same on a runtime of its own.
///
/// # Errors
/// As [`run`]; also when the system gives no threads.
pub fn on_runtime(settings: Settings) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .map_err(Error::io("start threads"))?;
    runtime.block_on(run(settings))
}

async fn rounds(settings: Settings, outcome: &mut Outcome) -> Result<()> {
    let mut world = World::start(settings.clone()).await?;
    let until = SystemClock.monotonic() + Duration::from_secs(settings.minutes * 60);
    let mut chance = Chance::new(settings.seed);
    let mut deck = Deck::new(&settings.kinds);
    let pace = Pace {
        first_ms: 3_000,
        gap_ms: settings.gap_ms,
        session_ms: SESSION_MS,
        processes: PROCESSES,
        overlap_one_in: settings.overlap_one_in,
    };
    loop {
        outcome.rounds += 1;
        let number = outcome.rounds;
        let steps = draw(&mut chance, &mut deck, settings.steps, &pace);
        say(format_args!("round {number}"));
        save_schedule(&settings, number, &steps)?;
        let played = tokio::select! {
            biased;
            () = interrupted() => Err(Error::Interrupted),
            played = play(&mut world, number, &steps) => played,
        };
        world.engines.save_logs(&settings.directory)?;
        outcome.violations.append(&mut world.problems);
        count(&played?, &settings, outcome);
        for line in table(&outcome.tally).lines() {
            say(line);
        }
        if !outcome.violations.is_empty() || SystemClock.monotonic() >= until {
            return Ok(());
        }
    }
}

async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

fn save_schedule(settings: &Settings, number: u64, steps: &[Step]) -> Result<()> {
    let mut text = format!("seed {}, round {number}\n", settings.seed);
    for step in steps {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{step}");
    }
    let path = settings.directory.join(format!("round-{number}.txt"));
    std::fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))
}

fn count(played: &Played, settings: &Settings, outcome: &mut Outcome) {
    let calls = by_page(&played.lines);
    for struck in &played.struck {
        let silences = if is_alone(struck, &played.struck) { silences(struck, &calls) } else { Vec::new() };
        outcome.tally.add_fault(struck.kind, &silences);
        outcome.slow.extend(slow(struck, &silences));
    }
    for (name, people, took_ms, judged) in &played.campaigns {
        outcome.tally.add_judged(judged, &played.struck);
        outcome.violations.extend(judged.violations.iter().cloned());
        let took = took_ms.map_or("did not end".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1_000.0));
        let line = format!(
            "{name}: {} people, {took}, {} accepted, {} unknown by the provider, {} by faults ({} never called), {} violations",
            thousands(*people as u64),
            thousands(judged.sent.len() as u64),
            judged.unknown_by_provider.len(),
            judged.unknown_by_fault.len(),
            judged.never_called,
            judged.violations.len() as u64 + judged.left_out,
        );
        say(format_args!("  {line}"));
        judged.violations.iter().for_each(|violation| say(format_args!("  BROKEN {violation}")));
        outcome.campaigns.push(line);
    }
    let limits =
        HTTP_PAGES.iter().chain(&WHATSAPP_PAGES).map(|page| ((*page).to_owned(), settings.rate())).collect();
    for page in busiest(&played.lines, &limits) {
        for violation in page.violations() {
            say(format_args!("  BROKEN {violation}"));
            outcome.violations.push(violation);
        }
        let most = outcome.busiest.entry(page.page.clone()).or_insert_with(|| page.clone());
        most.calls = [most.calls[0].max(page.calls[0]), most.calls[1].max(page.calls[1])];
    }
}

/// Whether nothing else was wrong while pages came back: only then the time is the fault's.
fn is_alone(struck: &Struck, all: &[Struck]) -> bool {
    let until_us = match struck.kind {
        Kind::Kill | Kind::Freeze => struck.at_us + (SESSION_MS + TAKEOVER_AFTER_SESSION_MS) * 1_000,
        _ => struck.over_us + AFTER_US,
    };
    all.iter()
        .filter(|other| other.at_us != struck.at_us && other.kind.thing() != Thing::Provider)
        .all(|other| other.over_us < struck.at_us || other.at_us > until_us)
}

/// Takeovers that take longer than the session and five seconds, hand-overs longer than a second.
fn slow(struck: &Struck, silences_us: &[u64]) -> Option<String> {
    let longest_ms = silences_us.iter().max()? / 1_000;
    let allowed_ms = match struck.kind {
        Kind::Kill | Kind::Freeze => SESSION_MS + TAKEOVER_AFTER_SESSION_MS,
        Kind::Terminate | Kind::Add => 1_000,
        _ => return None,
    };
    (longest_ms > allowed_ms)
        .then(|| format!("{}: a page was silent for {longest_ms} ms, {allowed_ms} are enough", struck.note))
}
