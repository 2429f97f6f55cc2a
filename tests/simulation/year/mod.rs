//! A year of windows, over every change of the clocks in zones of both hemispheres (B1, G5).
//!
//! The real sender lives through the year in steps: for a moment around each, with nothing between them, as if the machine
//! slept. It has to call in the steps in which the clocks of the zone show open hours, in all of them and in no others, by
//! the provider's list. The gate alone is asked for every minute.

mod bench;
mod case;
mod gate;
mod hours;
mod judge;
mod sender;
mod zones;
