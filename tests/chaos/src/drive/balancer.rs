//! What stands before the gateways of several processes: takes connections of providers and gives each to a gateway
//! that is there.

use crate::{Error, Result};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Ports of gateways that are believed to be there.
#[derive(Debug, Clone, Default)]
pub struct Gateways(Arc<Mutex<Vec<u16>>>);

impl Gateways {
    /// This one takes connections from now on.
    pub fn add(&self, port: u16) {
        let mut ports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ports.contains(&port) {
            ports.push(port);
        }
    }

    /// This one takes no new connections.
    pub fn remove(&self, port: u16) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| *known != port);
    }

    /// All of them.
    pub fn ports(&self) -> Vec<u16> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A TCP load balancer; it ends when this is dropped.
#[derive(Debug)]
pub struct Balancer {
    url: String,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(gateways: Gateways) -> Result<Self> {
        let failed = || Error::io("listen for webhooks");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed())?;
        let url = format!("http://{}", listener.local_addr().map_err(failed())?);
        Ok(Self { url, task: tokio::spawn(accept(listener, gateways)) })
    }

    /// Where providers send webhooks.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, gateways: Gateways) {
    let turn = Arc::new(AtomicUsize::new(0));
    loop {
        // A failed accept is the client's business: it tries again.
        let Ok((client, _)) = listener.accept().await else { continue };
        let (gateways, turn) = (gateways.clone(), Arc::clone(&turn));
        tokio::spawn(async move { relay(client, &gateways, &turn).await });
    }
}

/// Tries each gateway once, beginning with another one each time.
async fn relay(mut client: TcpStream, gateways: &Gateways, turn: &AtomicUsize) {
    let ports = gateways.ports();
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for step in 0..ports.len() {
        let port = ports[(first + step) % ports.len()];
        if let Ok(mut gateway) = TcpStream::connect(("127.0.0.1", port)).await {
            // Either side may go away at any time.
            drop(copy_bidirectional(&mut client, &mut gateway).await);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_connection_goes_to_a_gateway_that_is_there() {
        let gateway = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let gateways = Gateways::default();
        // Nobody listens on port 1.
        gateways.add(1);
        gateways.add(gateway.local_addr().unwrap().port());
        let balancer = Balancer::start(gateways.clone()).await.unwrap();
        let address = balancer.url().strip_prefix("http://").unwrap().to_owned();
        for _ in 0..2 {
            let mut client = TcpStream::connect(&address).await.unwrap();
            client.write_all(b"word").await.unwrap();
            let (mut stream, _) = gateway.accept().await.unwrap();
            let mut got = [0; 4];
            stream.read_exact(&mut got).await.unwrap();
            assert_eq!(&got, b"word");
        }
        gateways.remove(1);
        assert_eq!(gateways.ports().len(), 1);
    }
}
