//! A client for single requests.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer that takes longer than this is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, as it came.
    pub body: String,
}

/// One request on a connection of its own. `url` is `http://host:port/path`.
///
/// # Errors
/// Nobody listens, or what is answered is not HTTP.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
    let rest = url.strip_prefix("http://").ok_or_else(|| io::Error::other(format!("{url} is not http")))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    head.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

/// `GET`, as JSON.
///
/// # Errors
/// As [`request`]; also an answer that is not JSON.
pub fn get(url: &str) -> io::Result<serde_json::Value> {
    let answer = request("GET", url, &[], b"")?;
    serde_json::from_str(&answer.body).map_err(io::Error::from)
}
