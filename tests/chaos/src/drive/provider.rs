//! The simulated providers: a WhatsApp and an HTTP endpoint for each process, so that every call has a caller.

use crate::judge::Line;
use crate::settings::SLOTS;
use crate::{Error, Result};
use sluice_simulator::{Faults, LogLine, Simulator, SimulatorConfig, SimulatorHandle};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Signs webhooks.
pub const APP_SECRET: &str = "chaos-app-secret";

/// All of them.
#[derive(Debug)]
pub struct Providers {
    /// By process.
    whatsapp: Vec<Provider>,
    /// By process. They send no webhooks: what an answer did not tell stays unknown.
    http: Vec<Provider>,
}

#[derive(Debug)]
struct Provider {
    simulator: SimulatorHandle,
    log: Tail,
}

/// How far a log is read.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    read: u64,
}

/// What always goes wrong a little.
pub fn usual() -> Faults {
    Faults {
        latency_ms: 5,
        latency_jitter_ms: 30,
        error_500_percent: 2.0,
        transient_percent: 2.0,
        permanent_percent: 0.5,
        hang_accepted_percent: 0.1,
        closed_before_percent: 0.1,
        closed_after_percent: 0.1,
        delivered_percent: 90.0,
        read_percent: 40.0,
        reply_percent: 3.0,
        webhook_failed_percent: 1.0,
        webhook_duplicated_percent: 10.0,
        webhook_missing_percent: 2.0,
        webhook_early_percent: 5.0,
        webhook_late_percent: 5.0,
        webhook_late_ms: 2_000,
        webhook_reordered_percent: 10.0,
        ..Faults::default()
    }
}

/// [`crate::Kind::Webhooks`].
pub fn stormy() -> Faults {
    Faults {
        webhook_duplicated_percent: 70.0,
        webhook_early_percent: 30.0,
        webhook_late_percent: 40.0,
        webhook_late_ms: 6_000,
        webhook_reordered_percent: 60.0,
        ..usual()
    }
}

impl Providers {
    /// Starts two for each process; they log to `directory` and send WhatsApp's webhooks to `target`.
    ///
    /// # Errors
    /// No port is free, or a log can't be written.
    pub async fn start(seed: u64, directory: &Path, target: &str) -> Result<Self> {
        let (mut whatsapp, mut http) = (Vec::new(), Vec::new());
        for slot in 0..SLOTS {
            // Message ids follow from the seed: no two providers give the same.
            let seed = seed.wrapping_add(slot as u64);
            let log = |channel: &str| directory.join(format!("provider-{slot}-{channel}.ndjson"));
            whatsapp.push(Provider::start(seed, log("whatsapp"), Some(target.to_owned())).await?);
            http.push(Provider::start(seed, log("http"), None).await?);
        }
        Ok(Self { whatsapp, http })
    }

    /// The WhatsApp that a process calls.
    pub fn whatsapp_url(&self, slot: usize) -> String {
        self.whatsapp[slot].simulator.url()
    }

    /// What a process calls for a page of channel `http`.
    pub fn http_url(&self, slot: usize, page: &str) -> String {
        format!("{}/http/{page}", self.http[slot].simulator.url())
    }

    /// Calls so far, by all processes.
    pub fn calls(&self) -> u64 {
        self.whatsapp.iter().chain(&self.http).map(|provider| provider.simulator.stats().calls).sum()
    }

    /// Sets what goes wrong.
    ///
    /// # Errors
    /// A percentage that is none.
    pub async fn set(&self, faults: &Faults) -> Result<()> {
        for provider in self.whatsapp.iter().chain(&self.http) {
            provider.simulator.set_faults(faults.clone()).await?;
        }
        Ok(())
    }

    /// Waits until every webhook was taken or given up; false: some were left after `limit`.
    pub async fn webhooks_settled(&self, limit: Duration) -> bool {
        let mut settled = true;
        for provider in &self.whatsapp {
            settled &= provider.simulator.webhooks_settled(limit).await;
        }
        settled
    }

    /// What was logged since this was asked last, in order of time.
    ///
    /// # Errors
    /// A log can't be read.
    pub async fn new_lines(&mut self) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for providers in [&mut self.whatsapp, &mut self.http] {
            for (slot, provider) in providers.iter_mut().enumerate() {
                provider.simulator.flush_log().await;
                lines.extend(provider.log.new_lines()?.into_iter().map(|line| Line { slot, line }));
            }
        }
        lines.sort_by_key(|line| line.line.t_us);
        Ok(lines)
    }
}

impl Provider {
    async fn start(seed: u64, path: PathBuf, webhook_target: Option<String>) -> Result<Self> {
        let config = SimulatorConfig {
            seed,
            log: Some(path.clone()),
            webhook_target,
            app_secret: APP_SECRET.to_owned(),
            // For more than half a minute: longer than any fault lasts.
            webhook_tries: 9,
            webhook_backoff_ms: 150,
            faults: usual(),
            ..SimulatorConfig::default()
        };
        Ok(Self { simulator: Simulator::start(config).await?, log: Tail { path, read: 0 } })
    }
}

impl Tail {
    fn new_lines(&mut self) -> Result<Vec<LogLine>> {
        let failed = |source| Error::Io { what: format!("read {}", self.path.display()), source };
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        // The last line may still be on its way to the file.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut lines = Vec::new();
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            lines.push(serde_json::from_slice(line).map_err(|error| failed(error.into()))?);
        }
        self.read += whole as u64;
        Ok(lines)
    }
}
