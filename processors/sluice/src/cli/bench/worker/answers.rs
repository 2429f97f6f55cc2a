//! A server that answers requests like the Cloud API, or as whoever listens to them wants it.

use super::say;
use crate::cli::bench::failed;
use crate::error::Outcome;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::bench) enum Reply {
    /// Taken.
    Accept,
    /// 429, to be asked again in a second.
    SlowDown,
    /// None at all.
    Silence,
}

/// Hears the head and the body of every request as soon as it is complete.
type Hears = Arc<dyn Fn(&[u8], &[u8]) -> Reply + Send + Sync>;

/// Until the process is ended.
pub(super) async fn run() -> Outcome<()> {
    let (listener, address) = bind().await?;
    say(&json!({ "listening": format!("http://{address}") }))?;
    // One thread, like the sink.
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed("the server could not start", error))?;
        runtime.block_on(serve(listener, Arc::new(|_, _| Reply::Accept)))
    });
    match tokio::task::spawn_blocking(move || serving.join()).await {
        Ok(Ok(served)) => served,
        _ => Err(failed("the server ended", "its thread is gone")),
    }
}

/// A free local port.
pub(in crate::cli::bench) async fn bind() -> Outcome<(std::net::TcpListener, SocketAddr)> {
    let bound = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let bound = bound.and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|error| failed("no local port is free", error))
}

/// Serves on the present runtime, for ever.
pub(in crate::cli::bench) async fn serve(listener: std::net::TcpListener, hears: Hears) -> Outcome<()> {
    let listener = TcpListener::from_std(listener).map_err(|error| failed("cannot listen", error))?;
    let number = Arc::new(AtomicU64::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (hears, number) = (hears.clone(), number.clone());
        // A client that goes away is no error.
        tokio::spawn(async move { drop(connection(stream, &hears, &number).await) });
    }
}

async fn connection(mut stream: TcpStream, hears: &Hears, number: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut held = vec![0; 64 << 10];
    let mut filled = 0;
    loop {
        let count = stream.read(&mut held[filled..]).await?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let Some((body, end)) = request(&held[..filled]) else { continue };
        let reply = hears(&held[..body], &held[body..end]);
        held.copy_within(end..filled, 0);
        filled -= end;
        match reply {
            Reply::Accept => {}
            Reply::SlowDown => {
                stream.write_all(SLOW_DOWN).await?;
                continue;
            }
            Reply::Silence => {
                // Until the client gives it up.
                while stream.read(&mut held).await? > 0 {}
                return Ok(());
            }
        }
        let number = number.fetch_add(1, Ordering::Relaxed);
        let answer = format!(
            r#"{{"messaging_product":"whatsapp","messages":[{{"id":"wamid.{number:020}","message_status":"accepted"}}]}}"#
        );
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
        );
        stream.write_all(head.as_bytes()).await?;
    }
}

const SLOW_DOWN: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Where the body of the first request begins and ends, once it is complete. Takes what our own client writes.
fn request(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = head + 4;
    let end = body + length.unwrap_or(0);
    (bytes.len() >= end).then_some((body, end))
}

#[cfg(test)]
mod tests {
    use super::request;

    #[test]
    fn a_request_is_known_once_its_body_is_complete() {
        let bytes = b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyPOST";
        let complete = bytes.len() - 4;
        assert_eq!(request(&bytes[..complete - 1]), None);
        assert_eq!(request(bytes), Some((complete - 4, complete)));
    }
}
