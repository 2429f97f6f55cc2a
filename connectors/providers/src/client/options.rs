//! Sizes of the client.

use rustls::ClientConfig;
use std::sync::Arc;

/// How the client is built.
#[derive(Debug, Clone)]
pub struct HttpCallerOptions {
    /// Threads, each with its own connections. Default 2: one is the first thing to be saturated, more than
    /// two gain nothing on small machines.
    pub threads: usize,
    /// Connections to one origin (scheme, host, port) at most, per thread. Default 256. Calls beyond wait for
    /// a free one until their `start_by`. The sender's cap per page keeps a slow page from taking all.
    pub connections_max: usize,
    /// An unused connection is closed after this, in ms. Default 4,000: below the 5 s after which common
    /// servers close theirs, so that a call seldom meets a connection that is just being closed.
    pub idle_ms: u64,
    /// Name look-up, connection and TLS together may take this long, in ms. Default 5,000.
    pub connect_ms_max: u64,
    /// Other trust anchors or client certificates; `None` trusts Mozilla's roots.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Default for HttpCallerOptions {
    fn default() -> Self {
        Self { threads: 2, connections_max: 256, idle_ms: 4_000, connect_ms_max: 5_000, tls: None }
    }
}

/// The client can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No thread or no runtime.
    #[error("can't start a thread of the HTTP client: {0}")]
    Thread(#[from] std::io::Error),
    /// No TLS.
    #[error("can't set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}
