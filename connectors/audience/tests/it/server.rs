//! A web server of the test's own: ranges of one content, with whatever goes wrong on the way.

use crate::identity::Identity;
use rustls::{ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// As asked.
    Serve,
    /// This status and nothing else.
    Status(u16),
    /// A redirect to the same server's inner page.
    Redirect,
    /// The whole content, whatever was asked.
    Whole,
    /// The head, this many bytes, then the connection is closed.
    CutAfter(usize),
    /// The head, then nothing for longer than anybody waits.
    Hang,
}

/// What the server holds and saw.
pub(crate) struct State {
    pub(crate) content: Vec<u8>,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    /// Every request: method, path, `Authorization`.
    pub(crate) requests: Vec<(String, String, Option<String>)>,
    /// Ranges that were asked for, the last byte excluded, with their `If-Match`.
    pub(crate) asked: Vec<(u64, u64, Option<String>)>,
    /// Decides about the request of this number, from 0.
    pub(crate) answer: Box<dyn FnMut(usize) -> Answer + Send>,
}

/// A running server; it ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<Mutex<State>>,
    scheme: &'static str,
}

impl Server {
    pub(crate) fn new(content: impl Into<Vec<u8>>) -> Self {
        Self::serving(content.into(), "http", serve)
    }

    /// The same with TLS, by the name `localhost`.
    pub(crate) fn with_tls(content: impl Into<Vec<u8>>, identity: &Identity) -> Self {
        let config = Arc::clone(&identity.config);
        Self::serving(content.into(), "https", move |stream, state| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
            serve(StreamOwned::new(connection, stream), state)
        })
    }

    fn serving(
        content: Vec<u8>,
        scheme: &'static str,
        serve: impl Fn(TcpStream, &Mutex<State>) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            content,
            etag: Some("\"v1\"".to_owned()),
            modified: None,
            requests: Vec::new(),
            asked: Vec::new(),
            answer: Box::new(|_| Answer::Serve),
        }));
        let served = (Arc::clone(&state), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, serve) = served.clone();
                std::thread::spawn(move || drop(serve(stream, &state)));
            }
        });
        Server { address, state, scheme }
    }

    pub(crate) fn answering(self, answer: impl FnMut(usize) -> Answer + Send + 'static) -> Self {
        self.state.lock().unwrap().answer = Box::new(answer);
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.root())
    }

    /// Without a path.
    pub(crate) fn root(&self) -> String {
        let host =
            if self.scheme == "https" { "localhost".to_owned() } else { self.address.ip().to_string() };
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }
}

fn serve(stream: impl Read + Write, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.by_ref().take(16 * 1024).read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            let found = head.iter().filter_map(|line| line.split_once(": "));
            found
                .into_iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
        };
        let mut line = head[0].split(' ').map(str::to_owned);
        let (method, path) = (line.next().unwrap(), line.next().unwrap());
        let is_head = method == "HEAD";
        state.lock().unwrap().requests.push((method, path, header("authorization")));
        let range = header("range").unwrap_or_default();
        let (first, last) =
            range.strip_prefix("bytes=").and_then(|r| r.split_once('-')).unwrap_or(("0", "0"));
        let (from, to) = (first.parse::<u64>().unwrap(), last.parse::<u64>().unwrap() + 1);
        let (answer, reply) = {
            let mut state = state.lock().unwrap();
            let number = state.asked.len();
            state.asked.push((from, to, header("if-match")));
            let answer = (state.answer)(number);
            let reply = match answer {
                Answer::Serve | Answer::CutAfter(_) if is_head => whole_head(&state),
                _ => reply(&state, answer, from, to, header("if-match").as_deref()),
            };
            (answer, reply)
        };
        let stream = reader.get_mut();
        match answer {
            Answer::CutAfter(bytes) => {
                let head = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                stream.write_all(&reply[..(head + bytes).min(reply.len())])?;
                return Ok(());
            }
            Answer::Hang => {
                stream.write_all(&reply[..reply.len() / 2])?;
                std::thread::sleep(Duration::from_secs(20));
                return Ok(());
            }
            _ => stream.write_all(&reply)?,
        }
    }
}

/// What a store says of an object.
fn whole_head(state: &State) -> Vec<u8> {
    let (etag, modified) = (state.etag.as_deref().unwrap(), state.modified.as_deref().unwrap());
    let length = state.content.len();
    format!("HTTP/1.1 200 x\r\nContent-Length: {length}\r\nETag: {etag}\r\nLast-Modified: {modified}\r\n\r\n")
        .into_bytes()
}

fn reply(state: &State, answer: Answer, from: u64, to: u64, if_match: Option<&str>) -> Vec<u8> {
    let size = state.content.len() as u64;
    let mut headers = String::new();
    state.etag.iter().for_each(|tag| headers.push_str(&format!("ETag: {tag}\r\n")));
    state.modified.iter().for_each(|time| headers.push_str(&format!("Last-Modified: {time}\r\n")));
    let matches = if_match.is_none_or(|tag| Some(tag) == state.etag.as_deref());
    let (status, body): (u16, &[u8]) = match answer {
        Answer::Status(status) => (status, &[]),
        Answer::Redirect => {
            headers.push_str("Location: /inner\r\n");
            (302, &[])
        }
        Answer::Whole => (200, &state.content),
        _ if !matches => (412, &[]),
        _ if from >= size => {
            headers.push_str(&format!("Content-Range: bytes */{size}\r\n"));
            (416, &[])
        }
        _ => {
            let to = to.min(size);
            headers.push_str(&format!("Content-Range: bytes {from}-{}/{size}\r\n", to - 1));
            (206, &state.content[from as usize..to as usize])
        }
    };
    let mut reply =
        format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    reply.extend_from_slice(body);
    reply
}
