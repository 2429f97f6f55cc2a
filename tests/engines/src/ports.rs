//! Ports that stay free for an engine even while it is down.
//!
//! A port that the system picks (binding port 0) lies in the range from which it also picks the
//! local ports of outgoing connections. An engine that is killed and restarted on such a port may
//! find it taken, even by a client that connected to itself while it tried to reconnect. So ports
//! come from below that range, and a lock file on each keeps other test processes away from it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{EngineError, cache};

/// Linux's default range for outgoing connections starts at 32768.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// A port on 127.0.0.1 that no other engine gets until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// Its lock ends with the file handle, so also with the process.
    _reserved: File,
}

impl Port {
    /// Reserves a port on which nobody listens.
    pub(crate) fn reserve() -> Result<Self, EngineError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = cache::directory()?.join("ports");
        fs::create_dir_all(&directory).map_err(EngineError::io(format!("create {}", directory.display())))?;
        let size = u32::from(LAST - FIRST) + 1;
        // Processes start at different places, so that they seldom try the same port.
        let start = process::id().wrapping_mul(7919);
        for _ in 0..size {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let offset = u16::try_from(start.wrapping_add(step) % size).unwrap_or(0);
            let number = FIRST + offset;
            let path = directory.join(number.to_string());
            let file = File::create(&path).map_err(EngineError::io(format!("create {}", path.display())))?;
            if file.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _reserved: file });
            }
        }
        Err(EngineError::NoPort { first: FIRST, last: LAST })
    }

    /// The port's number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_reservations_are_for_the_same_port() {
        let ports: Vec<Port> = (0..20).map(|_| Port::reserve().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
    }
}
