//! A small HTTP server on a thread, that does what a test says and remembers what it saw.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the server does with a request.
pub(crate) enum Reaction {
    /// Writes these bytes and goes on.
    Answer(String),
    /// Writes these bytes and closes.
    AnswerAndClose(String),
    /// Closes without a word.
    Close,
    /// Keeps the connection open and says nothing.
    Hang,
}

/// A response with a JSON body.
pub(crate) fn json(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[derive(Default)]
pub(crate) struct Seen {
    /// Head and body, in order of arrival.
    pub(crate) requests: Vec<String>,
    pub(crate) connections: usize,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    pub(crate) fn start(react: impl Fn(usize, &str) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (shared, react) = (Arc::clone(&seen), Arc::new(react));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.lock().unwrap().connections += 1;
                let (shared, react) = (Arc::clone(&shared), Arc::clone(&react));
                std::thread::spawn(move || serve(stream, &shared, &*react));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/send?x=1", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>, react: &dyn Fn(usize, &str) -> Reaction) {
    stream.set_nodelay(true).unwrap();
    let mut held = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut held) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.requests.push(request.clone());
            seen.requests.len() - 1
        };
        match react(number, &request) {
            Reaction::Answer(answer) => {
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Reaction::AnswerAndClose(answer) => {
                let _gone = stream.write_all(answer.as_bytes());
                return;
            }
            Reaction::Close => return,
            Reaction::Hang => std::thread::sleep(Duration::from_secs(60)),
        }
    }
}

fn read_request(stream: &mut impl Read, held: &mut Vec<u8>) -> Option<String> {
    let mut buffer = [0; 16_384];
    loop {
        let text = String::from_utf8_lossy(held).into_owned();
        if let Some(head_end) = text.find("\r\n\r\n") {
            let length = text
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0);
            if held.len() >= head_end + 4 + length {
                let rest = held.split_off(head_end + 4 + length);
                return Some(String::from_utf8_lossy(&std::mem::replace(held, rest)).into_owned());
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => held.extend_from_slice(&buffer[..count]),
        }
    }
}
