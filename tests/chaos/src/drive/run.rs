//! One round after the other, and what came of it.

use super::round::{Ended, Played, play};
use super::say;
use super::world::World;
use crate::chance::Chance;
use crate::fault::{Kind, Thing};
use crate::judge::Violation;
use crate::judge::quotas::Used;
use crate::judge::rates::{Busiest, busiest, in_window};
use crate::judge::takeover::{AFTER_US, Calls, Struck, by_page, silences};
use crate::order::Action;
use crate::quotas::quotas;
use crate::report::{table, thousands};
use crate::schedule::{Deck, Pace, Step, draw};
use crate::settings::{
    CORNER, CORNER_RATE, HTTP_PAGES, KIOSK, KIOSK_DAILY, KIOSK_RATE, PROCESSES, SESSION_MS, Settings,
    TAKEOVER_AFTER_SESSION_MS, WHATSAPP_PAGES,
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
    /// What persons did: how often, and how long the slowest answer took in ms.
    pub orders: BTreeMap<&'static str, (u64, u64)>,
    /// Calls of [`KIOSK`], which has a limit of the day; microseconds since 1970.
    pub kiosk: Vec<u64>,
    /// Use of the quotas.
    pub quotas: Vec<Used>,
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
    let quotas = quotas(&settings).into_iter().map(Used::new).collect();
    let mut outcome = Outcome { quotas, ..Outcome::default() };
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
            played = play(&mut world, &mut chance, number, &steps) => played,
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
    let mut calls = by_page(&played.lines);
    for used in &mut outcome.quotas {
        used.add(calls.iter().flat_map(|(page, calls)| calls.iter().map(|(t_us, _)| (*page, *t_us))));
        for violation in used.violations() {
            say(format_args!("  BROKEN {violation}"));
            outcome.violations.push(violation);
        }
    }
    // Pages at their limit of the day are silent for no fault's sake.
    let of_kiosk = calls.remove(KIOSK).unwrap_or_default();
    calls.remove(CORNER);
    let pauses = pauses(played);
    for struck in &played.struck {
        let until_us = measured_until(struck);
        let is_held = |page: &str| pauses.iter().any(|pause| pause.holds(page, struck.at_us, until_us));
        let free: Calls<'_> =
            calls.iter().filter(|(page, _)| !is_held(page)).map(|(p, c)| (*p, c.clone())).collect();
        let is_alone = is_alone(struck, &played.struck);
        let silences = if is_alone { silences(struck, &free) } else { Vec::new() };
        outcome.tally.add_fault(struck.kind, &silences);
        outcome.slow.extend(slow(struck, &silences));
    }
    for ended in &played.campaigns {
        outcome.tally.add_judged(&ended.judged, &played.struck);
        outcome.violations.extend(ended.judged.violations.iter().cloned());
        for given in &ended.given {
            let (times, longest_ms) = outcome.orders.entry(given.action.path()).or_default();
            *times += 1;
            let took_us = given.acknowledged_us.map_or(0, |at| at.saturating_sub(given.asked_us));
            *longest_ms = (*longest_ms).max(took_us / 1_000);
        }
        let line = line(ended);
        say(format_args!("  {line}"));
        ended.judged.violations.iter().for_each(|violation| say(format_args!("  BROKEN {violation}")));
        outcome.campaigns.push(line);
    }
    let limits = HTTP_PAGES.iter().chain(&WHATSAPP_PAGES).map(|page| ((*page).to_owned(), settings.rate()));
    let limits = limits.chain([(KIOSK.to_owned(), KIOSK_RATE), (CORNER.to_owned(), CORNER_RATE)]).collect();
    for page in busiest(&played.lines, &limits) {
        for violation in page.violations() {
            say(format_args!("  BROKEN {violation}"));
            outcome.violations.push(violation);
        }
        let most = outcome.busiest.entry(page.page.clone()).or_insert_with(|| page.clone());
        most.calls = [most.calls[0].max(page.calls[0]), most.calls[1].max(page.calls[1])];
    }
    outcome.kiosk.extend(of_kiosk.iter().map(|(t_us, _)| t_us));
    let of_day = in_window(&outcome.kiosk, 24 * 60 * 60 * 1_000_000);
    if of_day > KIOSK_DAILY {
        let what = format!("page {KIOSK} may call {KIOSK_DAILY} times in 24 h, and called {of_day} times");
        say(format_args!("  BROKEN G4: {what}"));
        outcome.violations.push(Violation { guarantee: "G4", what });
    }
}

/// What came of a campaign.
fn line(ended: &Ended) -> String {
    let Ended { planned, given, took_ms, judged } = ended;
    let took = took_ms.map_or("did not end".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1_000.0));
    let mut line = format!(
        "{}: {} people, {}, {took}, {} accepted, {} unknown by the provider, {} by faults ({} never called), {} violations",
        planned.name,
        thousands(planned.audience.len() as u64),
        planned.rules,
        thousands(judged.sent.len() as u64),
        judged.unknown_by_provider.len(),
        judged.unknown_by_fault.len(),
        judged.never_called,
        judged.violations.len() as u64 + judged.left_out,
    );
    let actions: Vec<String> = given.iter().map(|given| given.action.to_string()).collect();
    let kept = judged.kept.to_string();
    for part in [actions.join(", "), kept].iter().filter(|part| !part.is_empty()) {
        line.push_str("; ");
        line.push_str(part);
    }
    line
}

/// A time in which a campaign was held, and a moment more: its pages are silent by command.
struct Pause<'a> {
    pages: &'a [&'static str],
    from_us: u64,
    until_us: u64,
}

impl Pause<'_> {
    fn holds(&self, page: &str, from_us: u64, until_us: u64) -> bool {
        self.pages.contains(&page) && self.from_us <= until_us && self.until_us >= from_us
    }
}

fn pauses(played: &Played) -> Vec<Pause<'_>> {
    const GOES_ON_US: u64 = 2_000_000;
    let mut pauses = Vec::new();
    for Ended { planned, given, .. } in &played.campaigns {
        for (place, pause) in given.iter().enumerate().filter(|(_, given)| given.action == Action::Pause) {
            let resume = given[place..].iter().find(|given| given.action == Action::Resume);
            let resumed_us = resume.and_then(|resume| resume.acknowledged_us);
            pauses.push(Pause {
                pages: &planned.pages,
                from_us: pause.asked_us,
                until_us: resumed_us.map_or(u64::MAX, |at_us| at_us + GOES_ON_US),
            });
        }
    }
    pauses
}

/// Until when it is measured how long pages take to come back.
fn measured_until(struck: &Struck) -> u64 {
    match struck.kind {
        Kind::Kill | Kind::Freeze => struck.at_us + (SESSION_MS + TAKEOVER_AFTER_SESSION_MS) * 1_000,
        _ => struck.over_us + AFTER_US,
    }
}

/// Whether nothing else was wrong while pages came back: only then the time is the fault's.
fn is_alone(struck: &Struck, all: &[Struck]) -> bool {
    let until_us = measured_until(struck);
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
