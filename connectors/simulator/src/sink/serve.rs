//! The sink's connections.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::http1::{Parsed, parse};
use super::record::Record;

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
const BUFFER_BYTES: usize = 16 << 10;

/// Hands connections to the workers in turn.
pub(super) async fn accept(
    listener: TcpListener,
    workers: Vec<mpsc::UnboundedSender<std::net::TcpStream>>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the sink cannot listen"),
    };
    let mut next = 0usize;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => {
                // A worker ends only when the sink does.
                drop(workers[next % workers.len()].send(stream));
                next = next.wrapping_add(1);
            }
            Err(error) => {
                tracing::warn!(%error, "the sink cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// One worker: serves its connections until the sink stops; they end with its runtime.
pub(super) async fn connections(
    mut inbox: mpsc::UnboundedReceiver<std::net::TcpStream>,
    record: Arc<Record>,
    latency: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let stream = tokio::select! {
            stream = inbox.recv() => stream,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        let Some(stream) = stream else { return };
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let record = Arc::clone(&record);
                // A client that goes away is no error of the sink.
                tokio::spawn(async move { drop(connection(stream, &record, latency).await) });
            }
            Err(error) => tracing::warn!(%error, "the sink cannot serve a connection"),
        }
    }
}

async fn connection(mut stream: TcpStream, record: &Record, latency: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(BUFFER_BYTES);
    loop {
        let request = match parse(&buffer) {
            Parsed::Partial => {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
                continue;
            }
            Parsed::Bad(status) => {
                let answer =
                    format!("HTTP/1.1 {status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                return stream.write_all(answer.as_bytes()).await;
            }
            Parsed::Complete(request) => request,
        };
        let path = std::str::from_utf8(&buffer[request.path.0..request.path.1]).unwrap_or("/");
        if request.is_get {
            let answer = read_only(path, record);
            stream.write_all(&answer).await?;
        } else {
            record.count(path, &buffer[request.body..request.end]);
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            stream.write_all(OK).await?;
        }
        buffer.advance(request.end);
        if request.close {
            return stream.shutdown().await;
        }
    }
}

fn read_only(path: &str, record: &Record) -> Vec<u8> {
    let (status, body) = match path {
        "/_sink/stats" => ("200 OK", serde_json::to_vec(&record.stats()).unwrap_or_default()),
        "/healthz" => ("200 OK", b"{\"ok\":true}".to_vec()),
        _ => ("404 Not Found", b"{\"error\":\"unknown path\"}".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}
