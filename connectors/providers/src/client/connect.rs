//! Making a connection: name, TCP, TLS, HTTP/1.1.

use super::gate::{Gate, GatedStream};
use super::prepared::Authority;
use super::thread::Shared;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// A connection of one slot.
pub(super) struct Connection {
    pub(super) requests: SendRequest<Full<Bytes>>,
    pub(super) gate: Rc<Gate>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whatever state the connection is in, its socket is closed at once.
        self.driver.abort();
    }
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
    match &authority.tls_name {
        None => handshake(stream, gate).await,
        Some(name) => {
            let stream = TlsConnector::from(Arc::clone(&shared.tls))
                .connect(name.clone(), stream)
                .await
                .map_err(|error| format!("no TLS with {host}:{port}: {error}"))?;
            handshake(stream, gate).await
        }
    }
}

async fn handshake<S>(stream: S, gate: Rc<Gate>) -> Result<Connection, String>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    // Head and body are copied together and written as one buffer: for bodies of a few hundred bytes that is less
    // work than writing from two places.
    let (requests, connection) = http1::Builder::new()
        .writev(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("can't set up HTTP on the connection: {error}"))?;
    let driver = tokio::task::spawn_local(async move {
        // How it ends is told to the call that was using it.
        let _ended = connection.await;
    });
    Ok(Connection { requests, gate, driver })
}
