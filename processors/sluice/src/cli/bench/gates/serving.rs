//! A service that sends what another process expanded before, so that its memory and time are those of sending.

use super::Bench;
use crate::cli::bench::child::Process;
use crate::cli::bench::failed;
use crate::cli::bench::ground::{Ground, Place};
use crate::cli::bench::worker::Job;
use crate::cli::remote::Remote;
use crate::error::Outcome;
use serde_json::Value;
use sluice_providers::Secret;
use std::collections::BTreeMap;
use std::time::Duration;

/// The last calls of a process that was killed are seen by then.
const SETTLES: Duration = Duration::from_millis(100);

/// What is there when the service starts.
#[derive(Debug, Default)]
pub(super) struct Start<'a> {
    /// Campaigns that are expanded.
    pub(super) launches: Vec<Value>,
    /// Those of them that are paused.
    pub(super) paused: &'a [&'a str],
    /// The limit of every page.
    pub(super) rate: Option<&'a str>,
    /// Limits of single pages.
    pub(super) rates: &'a [(&'a str, &'a str)],
}

/// It sends.
#[derive(Debug)]
pub(super) struct Serving {
    place: Place,
    pub(super) process: Process,
    /// Its API.
    pub(super) remote: Remote,
}

impl Bench<'_> {
    /// On a fresh place; the answering side has forgotten everything before.
    pub(super) async fn serve(&self, start: Start<'_>) -> Outcome<Serving> {
        let (data_dir, place) = (self.scratch.data()?, self.ground.fresh().await?);
        let launches = self.scratch.path().join("launches.json");
        let written = serde_json::to_vec(&start.launches).map_err(std::io::Error::from);
        written
            .and_then(|text| std::fs::write(&launches, text))
            .map_err(|error| failed("cannot write the launches", error))?;
        let paused = start.paused.iter().map(|&name| name.to_owned()).collect();
        let backlog = Job::Backlog { data_dir: data_dir.clone(), launches, paused };
        Process::worker(self.common, &place, &backlog)?.finish().await?;
        self.answering.forget();
        let named = |(page, rate): &(&str, &str)| ((*page).to_owned(), (*rate).to_owned());
        let job = Job::Serve {
            data_dir,
            url: self.answering.url.clone(),
            in_flight: self.args.in_flight,
            rate: start.rate.map(str::to_owned),
            rates: start.rates.iter().map(named).collect::<BTreeMap<_, _>>(),
        };
        let mut process = Process::worker(self.common, &place, &job)?;
        let line = process.next().await?;
        let base = line["listening"].as_str().ok_or_else(|| failed("the service did not start", &line))?;
        let remote = Remote::new(base, Secret::default());
        Ok(Serving { place, process, remote })
    }
}

impl Serving {
    /// Kills it.
    pub(super) async fn end(self, ground: &Ground) -> Outcome<()> {
        drop(self.process);
        tokio::time::sleep(SETTLES).await;
        ground.remove(self.place).await
    }
}
