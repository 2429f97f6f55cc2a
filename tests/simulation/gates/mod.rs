//! Rules, what persons do to them in the middle of a run, and the judge of both.

pub(crate) mod history;
pub(crate) mod hours;
pub(crate) mod judge;
mod judge_tests;
pub(crate) mod kinds;
pub(crate) mod open;
pub(crate) mod person;
pub(crate) mod seeded;
mod used;
