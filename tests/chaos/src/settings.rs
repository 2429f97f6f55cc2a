//! What a run does.

use crate::fault::Kind;
use std::path::PathBuf;

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// All schedules follow from it.
    pub seed: u64,
    /// A new round begins until so many minutes are over; 0: there is one round.
    pub minutes: u64,
    /// People of the two large campaigns of a round at most. Rates are chosen so that they last for about 100 seconds.
    pub recipients: u64,
    /// Which faults.
    pub kinds: Vec<Kind>,
    /// Faults of a round.
    pub steps: usize,
    /// Between two faults at least, in ms.
    pub gap_ms: u64,
    /// One in so many faults begins while the one before lasts; 0: none.
    pub overlap_one_in: u64,
    /// Logs and schedules of the run; it is made, and has to be empty or absent.
    pub directory: PathBuf,
    /// Keeps the directory although everything was right.
    pub keep: bool,
    /// The program.
    pub program: PathBuf,
}

/// `sluice run` processes that always run.
pub const PROCESSES: usize = 3;
/// With the one that [`Kind::Add`] adds.
pub const SLOTS: usize = PROCESSES + 1;
/// Pages of channel `http`, which tells nothing by webhooks.
pub const HTTP_PAGES: [&str; 6] = ["shop-1", "shop-2", "shop-3", "shop-4", "shop-5", "shop-6"];
/// Pages of channel `whatsapp`, whose webhooks settle what an answer did not.
pub const WHATSAPP_PAGES: [&str; 4] =
    ["106540352242901", "106540352242902", "106540352242903", "106540352242904"];
/// A page of channel `http` with limits of its own.
pub const KIOSK: &str = "kiosk";
/// What it may call in a second.
pub const KIOSK_RATE: u64 = 3;
/// What it may call in any 24 hours, over all rounds.
pub const KIOSK_DAILY: u64 = 60;
/// Another page of channel `http`, slower, which shares a limit of the day with [`KIOSK`].
pub const CORNER: &str = "corner";
/// What it may call in a second.
pub const CORNER_RATE: u64 = 1;
/// A member of a group that is not heard of for so long loses its partitions (`group.consumer.session.timeout.ms` of
/// the test broker).
pub const SESSION_MS: u64 = 6_000;
/// A page sends again so long after the session of its killed owner has ended, at the latest.
pub const TAKEOVER_AFTER_SESSION_MS: u64 = 5_000;
/// Seconds for which the people of a full round last.
const LASTS_S: u64 = 100;

impl Settings {
    /// What each page may call in a second.
    pub fn rate(&self) -> u64 {
        (self.recipients / (pages() * LASTS_S)).max(1)
    }

    /// People of each page, so that a round of `length_ms` still has work at its end.
    pub fn people_per_page(&self, length_ms: u64) -> u64 {
        // Faults stop some pages for a part of the time, engines all of them.
        let wanted = self.rate() * length_ms / 1_000 * 3 / 5;
        wanted.clamp(1, (self.recipients / pages()).max(1))
    }
}

fn pages() -> u64 {
    (HTTP_PAGES.len() + WHATSAPP_PAGES.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_lasts_through_its_faults_and_never_has_more_people_than_asked_for() {
        let settings = Settings {
            seed: 1,
            minutes: 0,
            recipients: 20_000,
            kinds: Vec::new(),
            steps: 0,
            gap_ms: 0,
            overlap_one_in: 0,
            directory: PathBuf::new(),
            keep: false,
            program: PathBuf::new(),
        };
        assert_eq!(settings.rate(), 20);
        assert_eq!(settings.people_per_page(50_000), 600);
        assert_eq!(settings.people_per_page(900_000), 2_000);
    }
}
