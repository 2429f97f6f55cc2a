//! One request and its answer on a connection.

use super::connect::Connection;
use super::gate::Passed;
use super::reply::{Read, Reply};
use sluice_runtime::ports::caller::AnswerRules;
use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// Bytes that one read may bring: far more than an answer has.
const READ_BYTES: usize = 16 * 1024;
/// Room for requests that is kept.
const WRITE_BYTES_KEPT: usize = 64 * 1024;

/// Where all connections of a thread write from and read to: a place of its own for each would be gone from the
/// processor's caches whenever its turn comes.
pub(super) struct Scratch {
    request: RefCell<Vec<u8>>,
    answer: RefCell<Box<[u8]>>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self { request: RefCell::default(), answer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()) }
    }
}

/// How far a request is.
enum Sending {
    /// Nothing of it was written.
    Nothing,
    /// What could not be written at once, and how much of that was written since.
    Rest(Vec<u8>, usize),
    /// All was written, some of it perhaps not to the socket.
    Written,
    Sent,
}

/// Writes what `request` writes, and reads the answer. The text of an error is for people.
pub(super) async fn exchange(
    connection: &mut Connection,
    scratch: &Scratch,
    request: impl Fn(&mut Vec<u8>),
    rules: &dyn AnswerRules,
) -> Result<Read, String> {
    let mut sending = Sending::Nothing;
    let mut reply = Reply::new(rules);
    std::future::poll_fn(|context| {
        let sent = sending.poll(context, connection, scratch, &request);
        let has_begun = connection.gate.passed() == Passed::Something;
        let is_sent = match sent {
            Ok(sent) if sent.is_ready() || has_begun => sent.is_ready(),
            Ok(_) => return Poll::Pending,
            Err(problem) => {
                // Who refuses a request may answer before it has come, and close.
                let answered =
                    if has_begun { answer(context, connection, scratch, &mut reply) } else { Poll::Pending };
                return Poll::Ready(match answered {
                    Poll::Ready(Ok(read)) => Ok(Read { keep: false, ..read }),
                    _ => Err(text(problem)),
                });
            }
        };
        let read = ready!(answer(context, connection, scratch, &mut reply))?;
        // An answer to what was not sent whole leaves the rest of the request in the way of the next one.
        Poll::Ready(Ok(Read { keep: read.keep && is_sent, ..read }))
    })
    .await
}

/// Whether nothing came on an idle connection, neither bytes that nobody asked for nor its end.
pub(super) async fn is_quiet(connection: &mut Connection, scratch: &Scratch) -> bool {
    std::future::poll_fn(|context| {
        let mut place = scratch.answer.borrow_mut();
        let came = connection.stream.as_mut().poll_read(context, &mut ReadBuf::new(&mut place));
        Poll::Ready(came.is_pending())
    })
    .await
}

fn answer(
    context: &mut Context<'_>,
    connection: &mut Connection,
    scratch: &Scratch,
    reply: &mut Reply<'_>,
) -> Poll<Result<Read, String>> {
    let mut place = scratch.answer.borrow_mut();
    loop {
        let mut buffer = ReadBuf::new(&mut place);
        let came = ready!(connection.stream.as_mut().poll_read(context, &mut buffer));
        let read = match (came, buffer.filled()) {
            (Err(problem), _) => Some(reply.broken().ok_or_else(|| text(problem))?),
            (Ok(()), []) => Some(reply.end().map_err(text)?),
            (Ok(()), bytes) => reply.take(bytes).map_err(text)?,
        };
        if let Some(read) = read {
            return Poll::Ready(Ok(read));
        }
    }
}

impl Sending {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
        scratch: &Scratch,
        request: &impl Fn(&mut Vec<u8>),
    ) -> io::Result<Poll<()>> {
        let mut stream = connection.stream.as_mut();
        loop {
            *self = match self {
                Self::Nothing => {
                    let mut bytes = scratch.request.borrow_mut();
                    bytes.clear();
                    bytes.shrink_to(WRITE_BYTES_KEPT);
                    request(&mut bytes);
                    match stream.as_mut().poll_write(context, &bytes)? {
                        Poll::Ready(written) if written == bytes.len() => Self::Written,
                        Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Poll::Ready(written) => Self::Rest(bytes[written..].to_vec(), 0),
                        Poll::Pending => {
                            *self = Self::Rest(bytes.clone(), 0);
                            return Ok(Poll::Pending);
                        }
                    }
                }
                Self::Rest(bytes, written) => {
                    match stream.as_mut().poll_write(context, &bytes[*written..])? {
                        Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Poll::Ready(more) => {
                            *written += more;
                            if *written < bytes.len() {
                                continue;
                            }
                            Self::Written
                        }
                        Poll::Pending => return Ok(Poll::Pending),
                    }
                }
                Self::Written => match stream.as_mut().poll_flush(context)? {
                    Poll::Ready(()) => Self::Sent,
                    Poll::Pending => return Ok(Poll::Pending),
                },
                Self::Sent => return Ok(Poll::Ready(())),
            };
        }
    }
}

fn text(problem: impl std::fmt::Display) -> String {
    problem.to_string()
}
