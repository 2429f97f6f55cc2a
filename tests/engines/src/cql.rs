//! As much of CQL's native protocol (version 4) as tests need: a login, statements in text, answers as bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Login;

const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const AUTHENTICATE: u8 = 0x03;
const QUERY: u8 = 0x07;
const AUTH_RESPONSE: u8 = 0x0f;

/// How long an answer may take, unless it is said otherwise.
const LIMIT: Duration = Duration::from_secs(20);

/// A connection on which statements run one after the other. It shares no code with the program's driver.
#[derive(Debug)]
pub struct CqlConnection(TcpStream);

impl CqlConnection {
    /// Connects to a node, `host:port`, and logs in where it asks for that.
    ///
    /// # Errors
    /// Nobody answers, or the node refuses the login.
    pub fn open(address: &str, login: Option<Login>) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        let mut connection = Self(stream);
        connection.limit(LIMIT)?;
        let mut body = 1_u16.to_be_bytes().to_vec();
        for text in ["CQL_VERSION", "3.0.0"] {
            body.extend(u16::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes());
            body.extend(text.as_bytes());
        }
        let (opcode, _) = connection.call(STARTUP, &body)?;
        if opcode == AUTHENTICATE {
            let login = login.ok_or_else(|| io::Error::other("the node asks for a login"))?;
            // SASL's mechanism PLAIN (RFC 4616).
            let token = format!("\0{}\0{}", login.username, login.password);
            connection.call(AUTH_RESPONSE, &long_text(&token)?)?;
        }
        Ok(connection)
    }

    /// How long an answer may take from now on.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn limit(&self, limit: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(limit))
    }

    /// Runs a statement with consistency ONE; the answer's body.
    ///
    /// # Errors
    /// The node's own words, or what happened to the connection.
    pub fn run(&mut self, statement: &str) -> io::Result<Vec<u8>> {
        let mut body = long_text(statement)?;
        body.extend(1_u16.to_be_bytes());
        body.push(0);
        self.call(QUERY, &body).map(|(_, answer)| answer)
    }

    fn call(&mut self, opcode: u8, body: &[u8]) -> io::Result<(u8, Vec<u8>)> {
        let mut frame = vec![0x04, 0, 0, 0, opcode];
        frame.extend(u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes());
        frame.extend(body);
        self.0.write_all(&frame)?;
        let mut header = [0; 9];
        self.0.read_exact(&mut header)?;
        let [_, _, _, _, opcode, a, b, c, d] = header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(io::Error::other)?;
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        if opcode == ERROR {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        Ok((opcode, answer))
    }
}

/// A text after its length in four bytes.
fn long_text(text: &str) -> io::Result<Vec<u8>> {
    let mut bytes = u32::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    Ok(bytes)
}
