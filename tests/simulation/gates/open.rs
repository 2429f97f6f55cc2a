//! Hours in minutes after the start of the world, as a launch says them and as the judge is told.
//!
//! Worlds begin at 09:00 UTC on a Monday of January and end within the hour, so each zone has hours of its own.

use super::hours::{Hours, Open};
use crate::audience::SimAudience;
use sluice_schemas::{OpenHours, SendWindow, WindowClock};
use std::time::Duration;

/// Zones of recipients, in minutes east of UTC; nobody's hours overlap another zone's on their local clocks. Who names
/// none follows the campaign's clock, which is UTC.
pub(crate) const ZONES: [(Option<&str>, i64); 4] =
    [(None, 0), (Some("Africa/Lagos"), 60), (Some("Asia/Kolkata"), 330), (Some("America/Sao_Paulo"), -180)];

/// When all worlds have ended, in minutes: the hour of a zone is over before the next zone's begins on its clock.
const END: u64 = 59;

/// Half-open, in minutes after the start of the world.
type Minutes = Vec<(u64, u64)>;

/// When a campaign may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OpenTimes {
    /// Always.
    Always,
    /// Everybody at these times.
    Everybody(Minutes),
    /// Those of each of [`ZONES`] at other times.
    ByZone([Minutes; ZONES.len()]),
}

impl OpenTimes {
    /// Hours that close once at least from minute `from` on, if there is time for it; one of several for a choice.
    pub(crate) fn chosen(clock: WindowClock, choice: u64, from: u64) -> Self {
        let minutes = |choice: u64| match choice % 4 {
            0 => vec![(0, from + 1), (from + 2, from + 3), (from + 4, END)],
            1 => vec![(from + 1, from + 2), (from + 3, END)],
            2 => vec![(0, from + 1), (from + 3, END)],
            _ => vec![(from + 2, END)],
        };
        match clock {
            _ if from + 5 > END => Self::Always,
            WindowClock::Campaign => Self::Everybody(minutes(choice)),
            WindowClock::Recipient => Self::ByZone([0, 1, 2, 3].map(|zone| minutes(choice + zone))),
        }
    }

    /// Whose clock it means.
    pub(crate) fn clock(&self) -> WindowClock {
        match self {
            Self::Always | Self::Everybody(_) => WindowClock::Campaign,
            Self::ByZone(_) => WindowClock::Recipient,
        }
    }

    /// As a launch or a person says it.
    pub(crate) fn window(&self) -> Option<SendWindow> {
        let open = match self {
            Self::Always => return None,
            Self::Everybody(minutes) => hours(0, minutes),
            Self::ByZone(zones) => {
                let of_zones = ZONES.iter().zip(zones);
                of_zones.flat_map(|((_, east), minutes)| hours(*east, minutes)).collect()
            }
        };
        Some(SendWindow { open, clock: self.clock(), closed_on: Vec::new() })
    }

    /// As the judge is told of a campaign to so many rows.
    pub(crate) fn judged(&self, rows: u64) -> Hours {
        let minute = |minute: u64| Duration::from_secs(60 * minute);
        let times =
            |minutes: &Minutes| minutes.iter().map(|(from, to)| (minute(*from), minute(*to))).collect();
        Hours(match self {
            Self::Always => Vec::new(),
            Self::Everybody(minutes) => vec![Open { people: None, times: times(minutes) }],
            Self::ByZone(zones) => {
                let open = |(zone, minutes): (usize, &Minutes)| {
                    let rows = (0..rows).filter(|row| SimAudience::zone(*row) == zone);
                    Open { people: Some(rows.map(SimAudience::address).collect()), times: times(minutes) }
                };
                zones.iter().enumerate().map(open).collect()
            }
        })
    }
}

fn hours(east: i64, minutes: &[(u64, u64)]) -> Vec<OpenHours> {
    let clock = |minute: u64| {
        let of_day = 9 * 60 + east + minute as i64;
        format!("{:02}:{:02}", of_day / 60, of_day % 60)
    };
    let open = |(from, to): &(u64, u64)| OpenHours { days: Vec::new(), from: clock(*from), to: clock(*to) };
    minutes.iter().map(open).collect()
}
