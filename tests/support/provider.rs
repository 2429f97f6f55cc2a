//! The other side: the sink and the simulator as processes of their own, with their logs as the truth.

use crate::http;
use crate::place::Place;
use crate::process::{Process, Signal};
use serde_json::Value;
use sluice_simulator::{LogLine, SinkStats, Stats, Truth, read_log};
use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const STARTS_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A port on which nobody listens, outside the range from which the system takes ports by itself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A server that answers 200 to everything and notes each call before.
#[derive(Debug)]
pub struct Sink {
    process: Process,
    url: String,
    log: PathBuf,
}

impl Sink {
    /// On any free port.
    pub fn start(place: &Place) -> Self {
        Self::start_with(place, 0, &[])
    }

    /// On this port, with more arguments.
    pub fn start_with(place: &Place, port: u16, more: &[&str]) -> Self {
        let log = place.path(&format!("sink-{}.ndjson", place.number()));
        let (port, shown) = (port.to_string(), log.display().to_string());
        let arguments = ["simulator", "--sink", "--port", &port, "--record", &shown];
        let (process, url) = start(place, &[&arguments[..], more].concat());
        Self { process, url, log }
    }

    /// Where messages go.
    pub fn url(&self) -> String {
        format!("{}/messages", self.url)
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        let stats = http::get(&format!("{}/_sink/stats", self.url)).unwrap();
        serde_json::from_value::<SinkStats>(stats).unwrap().requests
    }

    /// When calls arrived so far, in microseconds since 1970, in order.
    pub fn times_us(&self) -> Vec<u64> {
        let mut times: Vec<u64> = read_log(&self.log).unwrap().iter().map(|line| line.t_us).collect();
        times.sort_unstable();
        times
    }

    /// Ends it; who was called how often, from its log.
    pub fn stop(self) -> HashMap<String, u32> {
        self.process.stop(Signal::TERM, ENDS_WITHIN).expect(0);
        let mut calls = HashMap::new();
        for line in read_log(&self.log).unwrap() {
            *calls.entry(line.to.to_string()).or_default() += 1;
        }
        calls
    }
}

/// The providers' simulator.
#[derive(Debug)]
pub struct Simulator {
    process: Process,
    url: String,
    log: PathBuf,
}

impl Simulator {
    /// With these arguments, such as `--fault` and `hang_percent=3`.
    pub fn start(place: &Place, more: &[&str]) -> Self {
        Self::start_at(place, 0, more)
    }

    /// On this port.
    pub fn start_at(place: &Place, port: u16, more: &[&str]) -> Self {
        let log = place.path(&format!("simulator-{}.ndjson", place.number()));
        let (port, shown) = (port.to_string(), log.display().to_string());
        let (process, url) = start(place, &[&["simulator", "--port", &port, "--log", &shown], more].concat());
        Self { process, url, log }
    }

    /// The base URL, as Meta's channels want it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The complete URL of a page of channel `http`.
    pub fn page_url(&self, page: &str) -> String {
        format!("{}/http/{page}", self.url)
    }

    /// What it counted so far.
    pub fn stats(&self) -> Stats {
        serde_json::from_value(http::get(&format!("{}/_sim/stats", self.url)).unwrap()).unwrap()
    }

    /// Changes faults while it runs; those that are not named stay.
    pub fn set(&self, faults: &Value) {
        let url = format!("{}/_sim/faults", self.url);
        let answer = http::request("POST", &url, &[], faults.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Every line of its log so far.
    pub fn lines(&self) -> Vec<LogLine> {
        read_log(&self.log).unwrap()
    }

    /// Ends it; every line of its log, and the fold of them.
    pub fn stop(self) -> (Vec<LogLine>, Truth) {
        self.process.stop(Signal::TERM, ENDS_WITHIN).expect(0);
        let lines = read_log(&self.log).unwrap();
        let truth = Truth::fold(&lines);
        (lines, truth)
    }
}

/// Starts a server and reads its address from its first line.
fn start(place: &Place, arguments: &[&str]) -> (Process, String) {
    let mut process = place.sluice(arguments);
    let url = process.until("its address", STARTS_WITHIN, |process| {
        Some(process.stdout().split_once('\n')?.0.strip_prefix("listening on ")?.to_owned())
    });
    let url = url.unwrap_or_else(|| panic!("it did not start: {}", process.stderr()));
    (process, url)
}
