//! A TCP proxy whose connections can be cut, delayed and hung.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::EngineError;
use crate::ports::Port;

/// How much is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How many chunks may be on their way in one direction; then the sender has to wait, as on a network.
const CHUNKS_MAX: usize = 256;

/// What the proxy does to its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Every byte arrives this much later.
    Pass(Duration),
    /// Connections are accepted and kept, and no byte arrives.
    Hang,
    /// No connection is kept, and new ones are refused.
    Cut,
    /// The proxy ends.
    End,
}

/// A TCP proxy on 127.0.0.1 in front of one address; it ends when this is dropped.
///
/// It runs in a thread of its own, so it works with any runtime and with none.
#[derive(Debug)]
pub struct Proxy {
    mode: watch::Sender<Mode>,
    /// How many listeners and connections there are: what `cut` waits for.
    open: watch::Receiver<usize>,
    address: String,
    thread: Option<JoinHandle<()>>,
    _port: Port,
}

impl Proxy {
    /// Starts a proxy in front of `target` (`ip:port`), which need not listen yet.
    ///
    /// # Errors
    /// `target` is not an address, or no port is free.
    pub fn start(target: impl AsRef<str>) -> Result<Self, EngineError> {
        let target: SocketAddr = target
            .as_ref()
            .parse()
            .map_err(io::Error::other)
            .map_err(EngineError::io(format!("proxy to {}", target.as_ref())))?;
        let port = Port::reserve()?;
        let here = SocketAddr::from(([127, 0, 0, 1], port.number()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(EngineError::io("start a proxy"))?;
        // Bound before `start` returns: whoever has the address can connect.
        let listener = runtime
            .block_on(TcpListener::bind(here))
            .map_err(EngineError::io(format!("listen on {here}")))?;
        let (mode, changes) = watch::channel(Mode::Pass(Duration::ZERO));
        let (count, open) = watch::channel(1);
        let relay = Relay { here, target, changes, count };
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || runtime.block_on(relay.run(listener)))
            .map_err(EngineError::io("start a proxy"))?;
        Ok(Self { mode, open, address: port.address(), thread: Some(thread), _port: port })
    }

    /// What clients connect to, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Closes all connections and refuses new ones; returns when that is done.
    pub fn cut(&self) {
        self.set(Mode::Cut);
        crate::wait::until(Duration::from_secs(10), || (*self.open.borrow() == 0).then_some(()));
    }

    /// Lets every byte arrive this much later, in both directions. Connections live on.
    pub fn delay(&self, later: Duration) {
        self.set(Mode::Pass(later));
        self.await_listener();
    }

    /// Keeps connections and accepts new ones, and lets no byte arrive until [`Proxy::heal`]
    /// or [`Proxy::delay`]; what was sent meanwhile arrives then.
    pub fn hang(&self) {
        self.set(Mode::Hang);
        self.await_listener();
    }

    /// Lets everything pass again; returns when new connections are accepted.
    pub fn heal(&self) {
        self.delay(Duration::ZERO);
    }

    fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    fn await_listener(&self) {
        crate::wait::until(Duration::from_secs(10), || (*self.open.borrow() > 0).then_some(()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::End);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed; there is nothing to add.
            let _ended = thread.join();
        }
    }
}

/// The part of the proxy that runs in its thread.
struct Relay {
    here: SocketAddr,
    target: SocketAddr,
    changes: watch::Receiver<Mode>,
    count: watch::Sender<usize>,
}

impl Relay {
    async fn run(mut self, listener: TcpListener) {
        let mut listening = Some((listener, Open::already(&self.count)));
        loop {
            let mode = *self.changes.borrow_and_update();
            match (mode, &listening) {
                (Mode::End, _) => return,
                (Mode::Cut, _) => {
                    listening = None;
                    if self.changes.changed().await.is_err() {
                        return;
                    }
                }
                (_, None) => match TcpListener::bind(self.here).await {
                    Ok(listener) => listening = Some((listener, Open::new(&self.count))),
                    // Only a client's connection can be in the way, and it will go.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
                (_, Some((listener, _))) => {
                    tokio::select! {
                        biased;
                        changed = self.changes.changed() => if changed.is_err() { return },
                        accepted = listener.accept() => if let Ok((client, _)) = accepted {
                            let open = Open::new(&self.count);
                            let relay = connection(client, self.target, self.changes.clone());
                            tokio::spawn(async move {
                                // A connection that breaks is what a proxy is for.
                                let _broken = relay.await;
                                drop(open);
                            });
                        },
                    }
                }
            }
        }
    }
}

/// Relays one connection until one side closes it or the proxy cuts it.
async fn connection(client: TcpStream, target: SocketAddr, changes: watch::Receiver<Mode>) -> io::Result<()> {
    let mut cut = changes.clone();
    tokio::select! {
        biased;
        // An error means that the proxy is gone, which is the same.
        _ = cut.wait_for(|mode| matches!(mode, Mode::Cut | Mode::End)) => Ok(()),
        relayed = relay(client, target, changes) => relayed,
    }
}

async fn relay(client: TcpStream, target: SocketAddr, mut changes: watch::Receiver<Mode>) -> io::Result<()> {
    passing(&mut changes).await?;
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        direction(from_client, to_server, changes.clone()),
        direction(from_server, to_client, changes),
    )?;
    Ok(())
}

/// Relays one direction until its end, which is passed on too. An error ends both directions.
async fn direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut changes: watch::Receiver<Mode>,
) -> io::Result<()> {
    let (sender, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let modes = changes.clone();
    let read = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            let later = match *modes.borrow() {
                Mode::Pass(later) => later,
                Mode::Hang | Mode::Cut | Mode::End => Duration::ZERO,
            };
            let chunk = (Instant::now() + later, buffer[..length].to_vec());
            if sender.send(chunk).await.is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = arriving.recv().await {
            sleep_until(due).await;
            passing(&mut changes).await?;
            to.write_all(&chunk).await?;
        }
        passing(&mut changes).await?;
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}

/// Waits as long as the proxy hangs.
async fn passing(changes: &mut watch::Receiver<Mode>) -> io::Result<()> {
    changes.wait_for(|mode| *mode != Mode::Hang).await.map_err(io::Error::other)?;
    Ok(())
}

/// Counts an open listener or connection while it lives.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|open| *open += 1);
        Self::already(count)
    }

    /// One that has been counted.
    fn already(count: &watch::Sender<usize>) -> Self {
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}
