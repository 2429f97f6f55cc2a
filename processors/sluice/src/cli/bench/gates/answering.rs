//! The side that answers: on a thread of its own, it notes when it saw each call of each campaign.

use crate::cli::bench::failed;
use crate::cli::bench::scratch::CAMPAIGN_HEADER;
use crate::cli::bench::worker::answers::{Reply, bind, serve};
use crate::error::Outcome;
use sluice_runtime::{Clock, SystemClock};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A campaign of this name is asked to slow down, every time.
pub(super) const REFUSED: &str = "refused";
/// A campaign of this name gets no answers.
pub(super) const HANGING: &str = "hanging";

/// How often this side looks whether it is late itself.
const TICK: Duration = Duration::from_millis(5);

/// When each campaign was seen. Calls without a name are under the empty one.
type Seen = Mutex<HashMap<String, Vec<Duration>>>;

/// Answers until the process ends.
#[derive(Debug)]
pub(super) struct Answering {
    /// Where calls go.
    pub(super) url: String,
    seen: Arc<Seen>,
    /// µs.
    late_max: Arc<AtomicU64>,
}

impl Answering {
    pub(super) async fn start() -> Outcome<Self> {
        let (listener, address) = bind().await?;
        let seen: Arc<Seen> = Arc::default();
        let noted = seen.clone();
        let late_max: Arc<AtomicU64> = Arc::default();
        let late = late_max.clone();
        let hears = Arc::new(move |head: &[u8], _: &[u8]| {
            let now = SystemClock.monotonic();
            let campaign = campaign(head);
            note(&noted, campaign, now);
            reply(campaign)
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| failed("the server could not start", error))?;
            runtime.spawn(watch_itself(late));
            runtime.block_on(serve(listener, hears))
        });
        Ok(Self { url: format!("http://{address}/messages"), seen, late_max })
    }

    /// Forgets what it saw. Whoever called has ended.
    pub(super) fn forget(&self) {
        lock(&self.seen).clear();
        self.late_max.store(0, Ordering::Relaxed);
    }

    /// How much later than they came calls may be noted here, in ms: a busy machine makes this side wait, too, and
    /// calls that it then finds together did not start together.
    pub(super) fn late_max_ms(&self) -> f64 {
        self.late_max.load(Ordering::Relaxed) as f64 / 1e3
    }

    /// Calls of a campaign so far.
    pub(super) fn count(&self, campaign: &str) -> usize {
        lock(&self.seen).get(campaign).map_or(0, Vec::len)
    }

    /// When they came, in order.
    pub(super) fn calls(&self, campaign: &str) -> Vec<Duration> {
        lock(&self.seen).get(campaign).cloned().unwrap_or_default()
    }

    /// When the last one came.
    pub(super) fn last(&self, campaign: &str) -> Option<Duration> {
        lock(&self.seen).get(campaign)?.last().copied()
    }

    /// Waits until a campaign has made so many calls; fails where none comes for `patience`.
    pub(super) async fn until(&self, campaign: &str, calls: usize, patience: Duration) -> Outcome<()> {
        let (mut seen, mut since) = (0, SystemClock.monotonic());
        loop {
            let (count, now) = (self.count(campaign), SystemClock.monotonic());
            if count >= calls {
                return Ok(());
            }
            if count > seen {
                (seen, since) = (count, now);
            } else if now > since + patience {
                let what = format!("{count} of {calls} of the campaign {campaign}");
                return Err(failed("no more calls came", what));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Notes by how much its wake-ups are late.
async fn watch_itself(late_max: Arc<AtomicU64>) {
    loop {
        let due = SystemClock.monotonic() + TICK;
        tokio::time::sleep(TICK).await;
        let late = SystemClock.monotonic().saturating_sub(due);
        late_max.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
    }
}

fn note(seen: &Seen, campaign: &str, now: Duration) {
    let mut seen = lock(seen);
    match seen.get_mut(campaign) {
        Some(calls) => calls.push(now),
        None => drop(seen.insert(campaign.to_owned(), vec![now])),
    }
}

fn lock(seen: &Seen) -> MutexGuard<'_, HashMap<String, Vec<Duration>>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reply(campaign: &str) -> Reply {
    match campaign {
        REFUSED => Reply::SlowDown,
        HANGING => Reply::Silence,
        _ => Reply::Accept,
    }
}

/// As a call names it.
fn campaign(head: &[u8]) -> &str {
    let lines = std::str::from_utf8(head).unwrap_or_default().lines();
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(CAMPAIGN_HEADER)).map_or("", |(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_answered_as_its_campaign_wants_it() {
        let head = b"POST /messages HTTP/1.1\r\nhost: a:1\r\nX-Campaign: hanging\r\n\r\n";
        assert_eq!(campaign(head), HANGING);
        assert_eq!(campaign(b"POST / HTTP/1.1\r\n\r\n"), "");
        assert_eq!([HANGING, REFUSED, "any"].map(reply), [Reply::Silence, Reply::SlowDown, Reply::Accept]);
    }
}
