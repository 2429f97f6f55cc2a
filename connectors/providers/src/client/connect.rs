//! Making a connection: name, TCP, TLS.

use super::gate::{Gate, GatedStream};
use super::prepared::Authority;
use super::thread::Shared;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// TCP, or TLS over it.
pub(super) trait Duplex: AsyncRead + AsyncWrite {}

impl<S: AsyncRead + AsyncWrite> Duplex for S {}

/// A connection of one slot. Dropped, its socket is closed at once.
pub(super) struct Connection {
    pub(super) stream: Pin<Box<dyn Duplex>>,
    pub(super) gate: Rc<Gate>,
}

/// Connects; the text says why not. Nothing of any request is written.
pub(super) async fn connect(authority: &Authority, shared: &Shared) -> Result<Connection, String> {
    let (host, port) = (authority.host.as_str(), authority.port);
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| format!("can't connect to {host}:{port}: {error}"))?;
    // Requests are written whole: waiting for more to send would only add a delay.
    stream
        .set_nodelay(true)
        .map_err(|error| format!("can't set up the connection to {host}:{port}: {error}"))?;
    let gate = Gate::new(Arc::clone(&shared.clock));
    let stream = GatedStream::new(stream, Rc::clone(&gate));
    let stream: Pin<Box<dyn Duplex>> = match &authority.tls_name {
        None => Box::pin(stream),
        Some(name) => {
            let stream = TlsConnector::from(Arc::clone(&shared.tls))
                .connect(name.clone(), stream)
                .await
                .map_err(|error| format!("no TLS with {host}:{port}: {error}"))?;
            Box::pin(stream)
        }
    };
    Ok(Connection { stream, gate })
}
