//! The providers from outside: requests, answers, error tables, webhooks, and calls over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod answers;
mod caller;
mod errors;
mod requests;
mod server;
mod tls;
mod webhooks;
