//! Webhooks that are refused for a setting: said once, then counted. A provider that sends each of them again would fill
//! the logs with one line.

use sluice_schemas::Channel;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two lines about one channel at least.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What the logs are told of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// It is counted, and told with a later one.
    Nothing,
    /// The first of its channel: why, and what to do.
    Why,
    /// So many since the last line, with this one.
    Count(u64),
}

/// What was refused, by channel.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<Channel, Since>>);

/// When a channel was spoken of, and how many were refused since.
#[derive(Debug, Clone, Copy)]
struct Since {
    said: Duration,
    untold: u64,
}

impl Refusals {
    /// One more is refused at `now`, of a clock that does not go back.
    pub(crate) fn refuse(&self, channel: Channel, now: Duration) -> Say {
        let mut channels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = channels.get_mut(&channel) else {
            channels.insert(channel, Since { said: now, untold: 0 });
            return Say::Why;
        };
        since.untold += 1;
        if now.saturating_sub(since.said) < SAID_EVERY {
            return Say::Nothing;
        }
        let count = since.untold;
        *since = Since { said: now, untold: 0 };
        Say::Count(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g3_what_is_refused_for_a_setting_is_said_once_and_then_counted_each_minute() {
        let refused = Refusals::default();
        let at = |ms: u64| refused.refuse(Channel::Http, Duration::from_millis(ms));
        assert_eq!(at(1_000), Say::Why);
        assert!((1..=99).all(|more| at(1_000 + more * 100) == Say::Nothing));
        assert_eq!(
            refused.refuse(Channel::Whatsapp, Duration::from_secs(5)),
            Say::Why,
            "each channel by itself"
        );
        assert_eq!(at(60_999), Say::Nothing);
        assert_eq!(at(61_000), Say::Count(101), "none is lost");
        assert_eq!((at(61_001), at(200_000)), (Say::Nothing, Say::Count(2)));
    }
}
