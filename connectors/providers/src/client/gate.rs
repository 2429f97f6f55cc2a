//! A connection that knows whether anything of a request was written, and lets nothing out too late.

use sluice_runtime::Clock;
use socket2::SockRef;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What happened to the request that a gate was armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// No byte was written.
    Nothing,
    /// It was too late when the first byte was to be written, and no byte was.
    TooLate,
    /// At least one byte may have left.
    Something,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Not part of a call: the TLS handshake, or between calls.
    Open,
    /// The next byte is the first of a request that may not start at or after this monotonic time: its slot or its
    /// grant ends.
    Armed(Duration),
    Closed,
    Used,
}

/// The slot's handle of its connection's gate.
pub(super) struct Gate {
    state: Cell<State>,
    /// The socket is thrown away with all it holds, instead of being closed in order.
    reset: Cell<bool>,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self { state: Cell::new(State::Open), reset: Cell::new(false), clock })
    }

    /// The next byte is the first of a request.
    pub(super) fn arm(&self, latest_start: Duration) {
        self.state.set(State::Armed(latest_start));
    }

    /// The call is over.
    pub(super) fn disarm(&self) {
        self.state.set(State::Open);
    }

    /// Closing the connection throws away what the kernel has not sent yet.
    pub(super) fn reset_on_close(&self) {
        self.reset.set(true);
    }

    /// What became of the request since [`Gate::arm`].
    pub(super) fn passed(&self) -> Passed {
        match self.state.get() {
            State::Armed(_) | State::Open => Passed::Nothing,
            State::Closed => Passed::TooLate,
            State::Used => Passed::Something,
        }
    }

    /// Called right before a write system call.
    fn before_write(&self) -> io::Result<()> {
        match self.state.get() {
            State::Armed(latest_start) if self.clock.monotonic() >= latest_start => {
                self.state.set(State::Closed);
                Err(late())
            }
            State::Closed => Err(late()),
            State::Armed(_) | State::Open | State::Used => Ok(()),
        }
    }

    fn after_write(&self, written: usize) {
        if written > 0 && matches!(self.state.get(), State::Armed(_)) {
            self.state.set(State::Used);
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "its slot or its grant ended before the first byte was written")
}

/// A TCP stream behind a gate. Below TLS, so that it sees what really leaves.
pub(super) struct GatedStream {
    stream: TcpStream,
    gate: Rc<Gate>,
}

impl GatedStream {
    pub(super) fn new(stream: TcpStream, gate: Rc<Gate>) -> Self {
        Self { stream, gate }
    }
}

impl Drop for GatedStream {
    fn drop(&mut self) {
        if self.gate.reset.get() {
            // Best effort: on failure the kernel closes in order, which the wait before a resend covers.
            let _unsupported = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.gate.before_write()?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.gate.after_write(count);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.gate.before_write()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(count)) = written {
            self.gate.after_write(count);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
