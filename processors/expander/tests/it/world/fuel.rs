//! How many effects may still happen before everything stops.

use std::sync::Mutex;

/// What becomes of the next effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It happens and is answered.
    Done,
    /// It happens, the answer never comes.
    Unanswered,
    /// It never happens.
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Tank {
    left: u64,
    last_happens: bool,
}

/// Without a limit at first.
#[derive(Debug)]
pub(crate) struct Fuel(Mutex<Tank>);

impl Default for Fuel {
    fn default() -> Self {
        Self(Mutex::new(Tank { left: u64::MAX, last_happens: false }))
    }
}

impl Fuel {
    /// `effects` more happen and are answered; the one after that happens too if `last_happens`.
    pub(crate) fn limit(&self, effects: u64, last_happens: bool) {
        *self.0.lock().unwrap() = Tank { left: effects, last_happens };
    }

    pub(crate) fn no_limit(&self) {
        self.limit(u64::MAX, false);
    }

    pub(crate) fn burn(&self) -> Fate {
        let mut tank = self.0.lock().unwrap();
        if tank.left == u64::MAX {
            return Fate::Done;
        }
        if tank.left > 0 {
            tank.left -= 1;
            return Fate::Done;
        }
        if std::mem::take(&mut tank.last_happens) { Fate::Unanswered } else { Fate::Lost }
    }
}
