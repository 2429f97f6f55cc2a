//! How long pages are silent when their process is killed, when it stops, and when another one joins it.
//!
//! Two processes, a campaign over many pages at a low rate, and a sink for each of the two: who called a page when is
//! read from the sinks' logs. One `kill` and one `stop` a round, each over topics and tables of its own.

use super::super::child::Process;
use super::super::ground::{Ground, Place};
use super::super::report::{Report, Row};
use super::super::scratch::Scratch;
use super::super::{BenchArgs, failed, median};
use super::calls::{Gap, SinkLog, gaps, owned};
use super::service::Service;
use super::{launch_to, pages};
use crate::cli::Common;
use crate::cli::bench::ground;
use crate::error::Outcome;
use crate::node::engines::log_refused;
use crate::node::{Engines, launching};
use serde_json::json;
use sluice_log::kafka::raw;
use sluice_runtime::{Clock, SystemClock};
use std::path::PathBuf;
use std::time::Duration;

const PAGES: usize = 24;
/// Calls of a page a second: a gap is known to 20 ms.
const RATE: u64 = 50;
/// A campaign lasts so long, in seconds, if nobody stops it.
const LASTS: u64 = 180;
/// Everything that is waited for comes by then.
const PATIENCE: Duration = Duration::from_secs(90);
/// A page that was called so recently is at work, in µs.
const AT_WORK_US: u64 = 1_000_000;
/// Nothing changes hands for so long before something is done.
const SETTLED: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    Kill,
    Stop,
}

/// What the rounds gave.
#[derive(Debug, Default)]
struct Found {
    killed: Vec<Gap>,
    stopped: Vec<Gap>,
    joined: Vec<Gap>,
}

pub(in crate::cli::bench) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let scratch = Scratch::new()?;
    let audience = scratch.audience(args.recipients.unwrap_or(PAGES as u64 * RATE * LASTS)).await?;
    let mut found = Found::default();
    let mut session_s = f64::NAN;
    for round in 1..=args.rounds {
        for strike in [Strike::Kill, Strike::Stop] {
            let place = ground.fresh().await?;
            let config = place.cluster(scratch.data()?)?;
            let session = raw::session_timeout_ms(&config.kafka).await.map_err(log_refused)?;
            session_s = session.map_or(f64::NAN, |ms| ms as f64 / 1e3);
            let (joined, struck) =
                Pair::start(common, &place, &scratch).await?.run(&audience, strike).await?;
            report.say(format_args!(
                "round {round}: {strike:?}: {} pages, {}; {} pages went to a process that joined, {}",
                struck.len(),
                shown(&struck),
                joined.len(),
                shown(&joined),
            ));
            found.joined.extend(joined);
            match strike {
                Strike::Kill => found.killed.extend(struck),
                Strike::Stop => found.stopped.extend(struck),
            }
            ground.remove(place).await?;
        }
    }
    let since = |gap: &Gap| gap.since_ms;
    let silent = |gap: &Gap| gap.silent_ms;
    report.row(row("takeover_after_sigkill", "session timeout + 5 s", &found.killed, since, session_s));
    report.row(row("hand_over_at_stop", "1 s", &found.stopped, silent, session_s));
    report.row(row("hand_over_at_join", "1 s", &found.joined, silent, session_s));
    Ok(())
}

fn shown(gaps: &[Gap]) -> String {
    let longest = |of: fn(&Gap) -> f64| gaps.iter().map(of).fold(0.0, f64::max) / 1e3;
    format!(
        "silent for {:.2} s at most ({:.2} s after it was struck)",
        longest(|gap| gap.silent_ms),
        longest(|gap| gap.since_ms)
    )
}

fn row(name: &'static str, aim: &'static str, gaps: &[Gap], of: impl Fn(&Gap) -> f64, session_s: f64) -> Row {
    let seconds: Vec<f64> = gaps.iter().map(|gap| of(gap) / 1e3).collect();
    let details =
        json!({ "p50_s": median(seconds.clone()), "pages": seconds.len(), "session_timeout_s": session_s });
    Row {
        name,
        value: seconds.into_iter().fold(f64::NAN, f64::max),
        unit: "s at most",
        ratio: None,
        beside: None,
        aim,
        details: details.as_object().cloned().unwrap_or_default(),
    }
}

/// A process with a sink of its own.
struct One {
    log: SinkLog,
    variables: Vec<(String, String)>,
    data_dir: PathBuf,
    _sink: Process,
}

impl One {
    async fn new(scratch: &Scratch, number: usize) -> Outcome<Self> {
        let path = scratch.path().join(format!("calls-{number}.ndjson"));
        std::fs::write(&path, "").map_err(|error| failed("cannot write the sink's log", error))?;
        let (sink, url) = Process::recording_sink(&path).await?;
        let of_page = |page: &String| {
            let name = format!("SLUICE_PAGE_{}_URL", page.to_uppercase());
            (name, format!("{url}/http/{page}/messages"))
        };
        let mut variables: Vec<(String, String)> = pages(PAGES).iter().map(of_page).collect();
        variables.push(("SLUICE_HTTP_RATE".to_owned(), format!("{RATE}/s")));
        let data_dir = scratch.path().join(format!("process-{number}"));
        Ok(Self { log: SinkLog::new(path), variables, data_dir, _sink: sink })
    }
}

/// The process that is struck and the one that goes on.
struct Pair<'a> {
    common: &'a Common,
    place: &'a ground::Place,
    engines: Engines,
    first: One,
    second: One,
}

impl<'a> Pair<'a> {
    async fn start(common: &'a Common, place: &'a Place, scratch: &Scratch) -> Outcome<Self> {
        let engines = Engines::open(&place.cluster(scratch.data()?)?).await?;
        let (first, second) = (One::new(scratch, 1).await?, One::new(scratch, 2).await?);
        Ok(Self { common, place, engines, first, second })
    }

    fn service(&self, one: &One) -> Outcome<Service> {
        Service::start(self.common, self.place, &one.data_dir, &one.variables)
    }

    /// Gives the gaps of the pages that went to the process that joined, and of those whose process was struck.
    async fn run(mut self, audience: &std::path::Path, strike: Strike) -> Outcome<(Vec<Gap>, Vec<Gap>)> {
        let mut first = self.service(&self.first)?;
        first.listens().await?;
        launching::launch(&self.engines, &launch_to(&pages(PAGES), audience)?.launch).await?;
        self.until("every page to be called", |pair, now_us| {
            pair.first.log.calls.since(now_us - AT_WORK_US).len() == PAGES
        })
        .await?;
        let began_us = now_us();
        let mut second = self.service(&self.second)?;
        second.listens().await?;
        self.until_settled().await?;
        let at_us = now_us();
        let moved: Vec<String> = owned(&self.second.log.calls, &self.first.log.calls, at_us)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let joined = self.gaps(&moved, began_us);
        // The one that was there first is struck, as in a rolling upgrade.
        let struck: Vec<String> = owned(&self.first.log.calls, &self.second.log.calls, at_us)
            .into_iter()
            .map(str::to_owned)
            .collect();
        let at_us = now_us();
        match strike {
            Strike::Kill => first.kill()?,
            Strike::Stop => first.terminate()?,
        }
        self.until("every page to be taken over", |pair, _| pair.gaps(&struck, at_us).len() == struck.len())
            .await?;
        Ok((joined, self.gaps(&struck, at_us)))
    }

    /// Of pages that go from the first process to the second.
    fn gaps(&self, pages: &[String], at_us: u64) -> Vec<Gap> {
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        gaps(&pages, &self.first.log.calls, &self.second.log.calls, at_us)
    }

    /// Both have pages at work, all are, and it stays so.
    async fn until_settled(&mut self) -> Outcome<()> {
        let mut before = (Vec::new(), SystemClock.monotonic());
        self.until("both processes to work", move |pair, now_us| {
            let from_us = now_us - AT_WORK_US;
            let owned = |one: &One| -> Vec<String> {
                one.log.calls.since(from_us).into_iter().map(str::to_owned).collect()
            };
            let (first, second) = (owned(&pair.first), owned(&pair.second));
            let is_shared = !first.is_empty() && !second.is_empty() && first.len() + second.len() == PAGES;
            let now = SystemClock.monotonic();
            if !is_shared || before.0 != first {
                before = (first, now);
                return false;
            }
            now - before.1 >= SETTLED
        })
        .await
    }

    async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self, u64) -> bool) -> Outcome<()> {
        let deadline = SystemClock.monotonic() + PATIENCE;
        loop {
            self.first.log.read()?;
            self.second.log.read()?;
            if is_so(self, now_us()) {
                return Ok(());
            }
            if SystemClock.monotonic() > deadline {
                return Err(failed(&format!("waited too long for {what}"), format!("{PATIENCE:?}")));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn now_us() -> u64 {
    SystemClock.wall_ms().max(0).cast_unsigned() * 1_000
}
