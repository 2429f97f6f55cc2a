//! The API of Prometheus.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// `GET`, with HTTP 1.0 so that the answer comes in one piece; gives the body.
pub(crate) fn get(base: &str, path: &str) -> String {
    let host = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

/// The values that an expression has now.
///
/// # Errors
/// Prometheus says that the expression is wrong.
pub(crate) fn query(base: &str, expression: &str) -> Result<Vec<f64>, String> {
    let answer = get(base, &format!("/api/v1/query?query={}", encoded(expression)));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    let series = answer["data"]["result"].as_array().unwrap();
    Ok(series.iter().map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect())
}

/// Every rule that Prometheus has loaded.
pub(crate) fn rules(base: &str) -> Vec<Value> {
    let answer: Value = serde_json::from_str(&get(base, "/api/v1/rules")).unwrap();
    let groups = answer["data"]["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
