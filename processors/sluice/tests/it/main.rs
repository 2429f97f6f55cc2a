//! The binary as people use it: its output, its exit codes, what it leaves behind.

mod check;
mod config;
mod refusals;
mod send;
mod service;
mod support;
mod usage;
