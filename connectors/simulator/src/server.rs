//! Connections: the port that opens and closes, and one request from bytes to answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::log::Outcome;
use crate::state::State;
use crate::{admin, generic, graph};

/// The largest request body; Meta's own limit is below it.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// How long calls in flight may take to end at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Whether the port is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Up,
    /// Refuse connections; calls in flight end, then their connections close.
    Down,
    Stop,
}

/// The call ends without an answer: hyper closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("the simulator closes this connection without an answer")]
pub(crate) struct NoAnswer;

/// Waits for the gate to be as wanted. That its owner is gone counts as such: there is nothing to wait for.
pub(crate) async fn until(gate: &mut watch::Receiver<Gate>, wanted: impl Fn(Gate) -> bool) {
    drop(gate.wait_for(|gate| wanted(*gate)).await);
}

/// Binds without listening: connections are refused and nobody else gets the port.
pub(crate) fn reserve(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

pub(crate) fn listen(socket: TcpSocket) -> std::io::Result<TcpListener> {
    socket.listen(BACKLOG)
}

/// Accepts until the gate says stop.
pub(crate) async fn accept_loop(
    state: Arc<State>,
    listener: TcpListener,
    address: SocketAddr,
    mut gate: watch::Receiver<Gate>,
    listening: watch::Sender<bool>,
) {
    let mut connections = JoinSet::new();
    let mut listener = listener;
    loop {
        accept_while_up(&state, &listener, &mut connections, &mut gate).await;
        drop(listener);
        if *gate.borrow() == Gate::Stop {
            break;
        }
        let mut reserved = Some(retry(|| reserve(address)).await);
        listening.send_replace(false);
        until(&mut gate, |gate| gate != Gate::Down).await;
        if *gate.borrow() == Gate::Stop {
            break;
        }
        listener = retry(|| reserved.take().map_or_else(|| reserve(address), Ok).and_then(listen)).await;
        listening.send_replace(true);
    }
    listening.send_replace(false);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What still hangs is aborted with the set.
    drop(tokio::time::timeout(SHUTDOWN_GRACE, ended).await);
}

/// The port is ours; that it cannot be taken is a matter of moments.
async fn retry<T>(mut f: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match f() {
            Ok(value) => return value,
            Err(error) => {
                tracing::warn!(%error, "the simulator's port is not free yet");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn accept_while_up(
    state: &Arc<State>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    gate: &mut watch::Receiver<Gate>,
) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(state), stream, gate.clone()));
                }
                Err(error) => {
                    // Too many open files, most likely: give connections time to end.
                    tracing::warn!(%error, "the simulator cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            () = until(gate, |gate| gate != Gate::Up) => return,
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(state: Arc<State>, stream: TcpStream, mut gate: watch::Receiver<Gate>) {
    // Without it small answers wait for acknowledgements; a socket that refuses is only slower.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| handle(Arc::clone(&state), request));
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    // Ends of connections, wanted and unwanted, are no news here: the log has the calls.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = until(&mut gate, |gate| gate != Gate::Up) => {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }
}

async fn handle(state: Arc<State>, request: Request<Incoming>) -> Result<Answer, NoAnswer> {
    let (head, body) = request.into_parts();
    let body: Bytes = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(answer::plain_error(413, "the request body is too long or was cut off")),
    };
    let path = head.uri.path();
    if let Some(answer) = admin::answer(&state, &head.method, path, &body).await {
        return Ok(answer);
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let call = match (&head.method, graph::page_of(path), generic::page_of(path)) {
        (&Method::POST, Some(page), _) => graph::read(&state.config, page, &body),
        (&Method::POST | &Method::PUT, _, Some(page)) => {
            generic::read(&state.config, path, page, header("idempotency-key"), &body)
        }
        (_, None, None) => return Ok(answer::plain_error(404, "unknown path")),
        _ => return Ok(answer::plain_error(405, "use POST")),
    };
    let bearer = header(AUTHORIZATION.as_str()).map(|value| value.strip_prefix("Bearer ").unwrap_or(value));
    let token = bearer.or_else(|| query_token(head.uri.query()?));
    respond(&state, &call, token).await
}

/// `access_token` of a query; tokens need no percent encoding.
fn query_token(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("access_token="))
}

async fn respond(state: &Arc<State>, call: &Call, token: Option<&str>) -> Result<Answer, NoAnswer> {
    let faults = state.faults();
    let ruling = state.judge(call, token, &faults);
    if let (Some(id), Some(webhooks)) = (&ruling.message_id, &state.webhooks) {
        webhooks.announce(state.config.seed, call, &ruling, id, &faults).await;
    }
    let jitter = if faults.latency_jitter_ms == 0 {
        0
    } else {
        crate::dice::Dice::new(state.config.seed, &call.to, ruling.attempt)
            .up_to("latency", faults.latency_jitter_ms)
    };
    let latency = faults.latency_ms.saturating_add(jitter);
    if latency > 0 {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }
    match ruling.outcome {
        Outcome::Hang | Outcome::HangAccepted => {
            tokio::time::sleep(Duration::from_millis(faults.hang_ms)).await;
            Err(NoAnswer)
        }
        Outcome::ClosedBefore | Outcome::ClosedAfter => Err(NoAnswer),
        _ => Ok(answer::to_call(call, &ruling, &faults, state.next_id.fetch_add(1, Ordering::Relaxed))),
    }
}
