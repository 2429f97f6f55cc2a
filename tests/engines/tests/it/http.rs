//! One HTTP request, and its answer as text.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Calls `method` on a URL of 127.0.0.1 and returns status line, headers and body.
pub(crate) fn call(method: &str, url: &str, body: &str) -> std::io::Result<String> {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{method} /{path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
