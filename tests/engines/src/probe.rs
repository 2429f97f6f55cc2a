//! Asks an engine over its own protocol whether it answers: an open port is not yet an answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(5);
/// No answer that is asked for here is longer.
const ANSWER_MAX: usize = 4 << 20;

/// How many brokers a Kafka broker knows of as alive.
pub(crate) fn kafka_brokers(address: &str) -> io::Result<usize> {
    // Metadata, version 4 (KIP-4, KIP-204): header with correlation id 1 and no client id, then an
    // empty list of topics (none) and no automatic creation.
    let request = [
        0, 3, 0, 4, 0, 0, 0, 1, 0xff, 0xff, // header
        0, 0, 0, 0, // topics
        0, // allow_auto_topic_creation
    ];
    let mut stream = connect(address)?;
    stream.write_all(&length_of(&request)?.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if length > ANSWER_MAX {
        return Err(io::Error::other("an answer that is too long"));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    // Correlation id, throttle time, then the number of brokers.
    match answer.get(8..12) {
        Some(&[a, b, c, d]) => usize::try_from(i32::from_be_bytes([a, b, c, d])).map_err(io::Error::other),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whether a CQL server answers OPTIONS with SUPPORTED (native protocol, version 4).
pub(crate) fn cql_answers(address: &str) -> bool {
    const SUPPORTED: u8 = 0x06;
    let ask = || -> io::Result<u8> {
        let mut stream = connect(address)?;
        stream.write_all(&[0x04, 0, 0, 0, 0x05, 0, 0, 0, 0])?;
        let mut header = [0; 9];
        stream.read_exact(&mut header)?;
        Ok(header[4])
    };
    ask().is_ok_and(|opcode| opcode == SUPPORTED)
}

/// The status code and body of a GET.
pub(crate) fn http_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(u64::try_from(ANSWER_MAX).map_err(io::Error::other)?).read_to_string(&mut answer)?;
    let status = answer
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| io::Error::other("no status line"))?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok((status, body))
}

/// Whether a GET of this path gives 200.
pub(crate) fn http_answers(address: &str, path: &str) -> bool {
    http_get(address, path).is_ok_and(|(status, _)| status == 200)
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn length_of(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(io::Error::other)
}
