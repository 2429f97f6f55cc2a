//! Hours of a day, and whether a clock shows them: by whole minutes, day by day.

use sluice_schemas::{OpenHours, SendWindow, Weekday, WindowClock};

const DAY: i64 = 24 * 60;
const WEEK: [Weekday; 7] =
    [Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun, Weekday::Mon, Weekday::Tue, Weekday::Wed];

/// Hours in minutes after the midnight of the day that they start on.
pub(super) struct Hours {
    pub(super) name: &'static str,
    from: i64,
    /// May lie beyond the next midnight.
    to: i64,
    sundays: bool,
    /// Days of the year on which they don't start, as a launch names them, and counted from 0.
    closed_on: &'static [(&'static str, i64)],
    pub(super) clock: WindowClock,
}

/// They open and close on quarters of an hour, for the sender that looks at nothing else.
pub(super) static QUARTERLY: [Hours; 3] = [
    // Over the hours that clocks skip and repeat.
    Hours { name: "night", from: 90, to: 195, sundays: true, closed_on: &[], clock: WindowClock::Recipient },
    Hours {
        name: "midnight",
        from: DAY - 30,
        to: DAY + 15,
        sundays: true,
        closed_on: &[("2026-07-04", 184), ("2026-12-31", 364)],
        clock: WindowClock::Recipient,
    },
    Hours {
        name: "work",
        from: 540,
        to: 600,
        sundays: false,
        closed_on: &[("2026-05-01", 120), ("2026-12-25", 358)],
        clock: WindowClock::Campaign,
    },
];

/// They open and close in the middle of the time that clocks skip and repeat.
pub(super) static BY_THE_MINUTE: [Hours; 2] = [
    Hours { name: "gap", from: 113, to: 167, sundays: true, closed_on: &[], clock: WindowClock::Recipient },
    Hours {
        name: "over midnight",
        from: DAY - 23,
        to: DAY + 41,
        sundays: true,
        closed_on: &[],
        clock: WindowClock::Campaign,
    },
];

impl Hours {
    /// Whether a clock that shows this minute (since the year began for who reads it) shows these hours.
    pub(super) fn are_shown(&self, local: i64) -> bool {
        let day = local.div_euclid(DAY);
        [day - 1, day].into_iter().any(|day| {
            let is_open = self.sundays || WEEK[day.rem_euclid(7) as usize] != Weekday::Sun;
            let is_closed = self.closed_on.iter().any(|(_, closed)| *closed == day);
            is_open && !is_closed && (self.from..self.to).contains(&(local - day * DAY))
        })
    }

    /// As a launch says it.
    pub(super) fn window(&self) -> SendWindow {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
        let days = WEEK.into_iter().filter(|day| *day != Weekday::Sun);
        let days = if self.sundays { Vec::new() } else { days.collect() };
        SendWindow {
            open: vec![OpenHours { days, from: clock(self.from), to: clock(self.to) }],
            clock: self.clock,
            closed_on: self.closed_on.iter().map(|(date, _)| (*date).to_owned()).collect(),
        }
    }
}
