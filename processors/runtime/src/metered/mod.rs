//! The ports with a meter around them: every processor is measured and none knows of it.
//!
//! Guarantee: what goes through is not changed: the same answers in the same order, the same errors; whatever could
//! not be measured goes through unmeasured. A call costs two looks at the clock and a few atomic additions; an append
//! costs a task a batch.
//!
//! What this module does not do: it decides nothing and retries nothing.
//!
//! - [`MeteredLog`], [`MeteredStore`], [`MeteredCaller`], [`MeteredMessages`]: one for each port.
//! - [`PageChannels`]: the channel of each page, learnt where messages are compiled.
//! - [`Sampler`]: looks at what has to be asked for, every few seconds; [`LagSampler`]: counts what waits in the log.

mod caller;
mod channels;
mod deliveries;
mod lag;
mod log;
mod messages;
mod oldest;
mod sampling;
mod store;
mod watched;

pub use caller::MeteredCaller;
pub use channels::PageChannels;
pub use lag::LagSampler;
pub use log::MeteredLog;
pub use messages::MeteredMessages;
pub use sampling::{SAMPLE_EVERY, Sampler, sample_every};
pub use store::MeteredStore;

use crate::Clock;
use std::time::Duration;

/// Seconds since `start`.
fn seconds_since(clock: &dyn Clock, start: Duration) -> f64 {
    clock.monotonic().saturating_sub(start).as_secs_f64()
}
