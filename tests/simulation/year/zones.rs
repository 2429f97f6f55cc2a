//! The clocks of some zones in 2026, written down: the judge does not ask the library that the sender asks.

/// 2026-01-01T00:00Z, a Thursday, in ms since 1970.
pub(super) const YEAR_MS: i64 = 1_767_225_600_000;
/// Minutes of the year.
pub(super) const YEAR_MIN: i64 = 365 * 24 * 60;
pub(super) const MINUTE_MS: i64 = 60_000;

/// A zone, in minutes east of UTC.
pub(super) struct Zone {
    pub(super) name: &'static str,
    /// On 1 January.
    first: i64,
    /// From these minutes of the year (UTC) on.
    changes: &'static [(i64, i64)],
}

/// The minute of 2026 at a time in UTC.
const fn at(month: usize, day: i64, hour: i64, minute: i64) -> i64 {
    const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    ((DAYS_BEFORE[month - 1] + day - 1) * 24 + hour) * 60 + minute
}

pub(super) static ZONES: [Zone; 9] = [
    Zone {
        name: "America/New_York",
        first: -300,
        changes: &[(at(3, 8, 7, 0), -240), (at(11, 1, 6, 0), -300)],
    },
    Zone { name: "America/Sao_Paulo", first: -180, changes: &[] },
    Zone { name: "Europe/Berlin", first: 60, changes: &[(at(3, 29, 1, 0), 120), (at(10, 25, 1, 0), 60)] },
    // Half an hour.
    Zone {
        name: "Australia/Lord_Howe",
        first: 660,
        changes: &[(at(4, 4, 15, 0), 630), (at(10, 3, 15, 30), 660)],
    },
    Zone {
        name: "Pacific/Auckland",
        first: 780,
        changes: &[(at(4, 4, 14, 0), 720), (at(9, 26, 14, 0), 780)],
    },
    // Back for Ramadan, and for good in September.
    Zone {
        name: "Africa/Casablanca",
        first: 60,
        changes: &[(at(2, 15, 2, 0), 0), (at(3, 22, 2, 0), 60), (at(9, 20, 1, 0), 0)],
    },
    Zone { name: "Asia/Kolkata", first: 330, changes: &[] },
    // At midnight: from 24:00 back to 23:00, and from 00:00 on to 01:00.
    Zone {
        name: "America/Santiago",
        first: -180,
        changes: &[(at(4, 5, 3, 0), -240), (at(9, 6, 4, 0), -180)],
    },
    // A day ahead of those who are an hour away.
    Zone { name: "Pacific/Apia", first: 780, changes: &[] },
];

impl Zone {
    /// What its clocks show at a minute of the year (UTC), as minutes since the year began for those who read them.
    pub(super) fn local(&self, minute: i64) -> i64 {
        let offset = self.changes.iter().rfind(|(from, _)| *from <= minute);
        minute + offset.map_or(self.first, |(_, offset)| *offset)
    }

    /// Minutes of the year at which its clocks change.
    pub(super) fn changes(&self) -> impl Iterator<Item = i64> {
        self.changes.iter().map(|(minute, _)| *minute)
    }
}

/// Does `work` for all zones, as many groups of them at a time as there are cores.
pub(super) fn for_each_zone(work: impl Fn(&'static [Zone]) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let groups = ZONES.chunks(ZONES.len().div_ceil(threads));
        let workers: Vec<_> = groups.map(|zones| scope.spawn(|| work(zones))).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}
