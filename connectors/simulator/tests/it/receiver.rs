//! A receiver of webhooks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One webhook call as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) signature: String,
    pub(crate) raw: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap()
    }
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    /// Statuses to answer with before it goes on with 200.
    refusals: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    pub(crate) async fn start(refusals: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            refusals: Arc::new(Mutex::new(refusals.iter().copied().collect())),
        };
        let accepting = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// WhatsApp statuses in order of arrival: (recipient, status).
    pub(crate) fn statuses(&self) -> Vec<(String, String)> {
        let mut statuses = Vec::new();
        for call in self.all() {
            for change in call.json()["entry"][0]["changes"].as_array().unwrap() {
                for status in change["value"]["statuses"].as_array().into_iter().flatten() {
                    let text = |name: &str| status[name].as_str().unwrap().to_owned();
                    statuses.push((text("recipient_id"), text("status")));
                }
            }
        }
        statuses
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(head_end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
                match stream.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => continue,
                }
            };
            let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
            let header = |name: &str| {
                let line = head.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}:")));
                line.map_or(String::new(), |l| l.split_once(':').unwrap().1.trim().to_owned())
            };
            let end = head_end + 4 + header("content-length").parse::<usize>().unwrap_or(0);
            while buffer.len() < end {
                if matches!(stream.read_buf(&mut buffer).await, Ok(0) | Err(_)) {
                    return;
                }
            }
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let mut body = String::new();
            let mut status = 200;
            if head.starts_with("GET") {
                let value = |name: &str| {
                    path.split(['?', '&']).find_map(|p| p.strip_prefix(name)).unwrap().to_owned()
                };
                status = if value("hub.verify_token=") == "se%20cret" { 200 } else { 403 };
                body = value("hub.challenge=");
            } else {
                let raw = buffer[head_end + 4..end].to_vec();
                status = self.refusals.lock().unwrap().pop_front().unwrap_or(status);
                let signature = header("x-hub-signature-256");
                self.received.lock().unwrap().push(Received { path, signature, raw });
            }
            buffer.drain(..end);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
