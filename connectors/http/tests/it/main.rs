//! The gateway from outside.

#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod control;
mod fake_log;
mod metrics;
mod webhooks;
