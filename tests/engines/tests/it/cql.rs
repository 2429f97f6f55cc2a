//! As much of CQL's native protocol (version 4) as the tests need: statements in text, answers as bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const QUERY: u8 = 0x07;

/// A connection on which statements run one after the other.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut connection = Self(stream);
        let mut body = 1_u16.to_be_bytes().to_vec();
        for text in ["CQL_VERSION", "3.0.0"] {
            body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            body.extend(text.as_bytes());
        }
        connection.call(STARTUP, &body)?;
        Ok(connection)
    }

    pub(crate) fn limit(&self, limit: Duration) {
        self.0.set_read_timeout(Some(limit)).unwrap();
    }

    /// Runs a statement with consistency ONE; the answer's body, or the server's error.
    pub(crate) fn run(&mut self, statement: &str) -> io::Result<Vec<u8>> {
        let mut body = u32::try_from(statement.len()).unwrap().to_be_bytes().to_vec();
        body.extend(statement.as_bytes());
        body.extend(1_u16.to_be_bytes());
        body.push(0);
        self.call(QUERY, &body)
    }

    fn call(&mut self, opcode: u8, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = vec![0x04, 0, 0, 0, opcode];
        frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend(body);
        self.0.write_all(&frame)?;
        let mut header = [0; 9];
        self.0.read_exact(&mut header)?;
        let length = u32::from_be_bytes(header[5..9].try_into().unwrap());
        let mut answer = vec![0; length as usize];
        self.0.read_exact(&mut answer)?;
        if header[4] == ERROR {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        Ok(answer)
    }
}
