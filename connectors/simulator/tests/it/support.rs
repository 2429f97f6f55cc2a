//! A raw HTTP client and bodies of calls.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sluice_simulator::{Simulator, SimulatorConfig, SimulatorHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const NUMBER: &str = "/v23.0/106540352242922/messages";
pub(crate) const PAGE: &str = "/v23.0/281372/messages";
pub(crate) const INSTAGRAM: &str = "/v23.0/17841400000/messages";

/// An answer: status, lowercase header names, body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn code(&self) -> u64 {
        self.body["error"]["code"].as_u64().unwrap_or(0)
    }
}

/// One request on a connection of its own; None: the connection ended without an answer.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Option<Answer>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    if bytes.is_empty() {
        return Ok(None);
    }
    read?;
    Ok(Some(parse(&bytes)))
}

fn parse(bytes: &[u8]) -> Answer {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Answer { status, headers, body: serde_json::from_str(body).unwrap_or(Value::Null) }
}

pub(crate) async fn start(config: SimulatorConfig) -> SimulatorHandle {
    Simulator::start(config).await.unwrap()
}

/// A Graph call with a token.
pub(crate) async fn graph(simulator: &SimulatorHandle, path: &str, body: &Value) -> Answer {
    let headers = [("authorization", "Bearer token")];
    request(simulator.address(), "POST", path, &headers, body.to_string().as_bytes()).await.unwrap().unwrap()
}

/// A generic call; None: no answer.
pub(crate) async fn generic(simulator: &SimulatorHandle, to: &str) -> Option<Answer> {
    let body = json!({ "to": to }).to_string();
    let headers = [("idempotency-key", "c1:7")];
    request(simulator.address(), "POST", "/http/shop/send", &headers, body.as_bytes()).await.unwrap()
}

pub(crate) fn template(to: &str) -> Value {
    json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": to, "type": "template",
        "biz_opaque_callback_data": format!("c1:{to}"),
        "template": { "name": "spring_sale", "language": { "code": "en_US" }, "components": [
            { "type": "body", "parameters": [{ "type": "text", "text": "Asha" }] },
            { "type": "button", "sub_type": "url", "index": "0", "parameters": [{ "type": "text", "text": "x" }] },
        ] },
    })
}

pub(crate) fn text(to: &str) -> Value {
    json!({ "recipient": { "id": to }, "messaging_type": "RESPONSE", "message": { "text": "Hello" } })
}

/// Waits until `done` or gives up after two seconds.
pub(crate) async fn eventually(mut done: impl FnMut() -> bool) -> bool {
    for _ in 0..200 {
        if done() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
