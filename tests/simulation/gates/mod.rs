//! Rules, what persons do to them in the middle of a run, and the judge of both.

pub(crate) mod judge;
mod judge_tests;
pub(crate) mod person;
pub(crate) mod seeded;
mod used;
