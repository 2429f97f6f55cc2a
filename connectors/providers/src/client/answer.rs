//! Reading an answer: its first 64 KiB, and what they mean.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult};

/// Bytes of a body that are read; the rest is cut, and the connection closed.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Headers that are looked at; providers send some twenty.
const HEADERS_MAX: usize = 48;

/// What a call came to.
pub(super) struct Read {
    pub(super) result: CallResult,
    /// What it says of the provider's limit.
    pub(super) used_percent: Option<u32>,
    /// Whether the connection is at the end of the answer, ready for another call.
    pub(super) keep: bool,
    /// Emptied, for another request.
    pub(super) headers: HeaderMap,
}

/// Reads the whole answer and classifies it.
pub(super) async fn read(response: Response<Incoming>, rules: &dyn AnswerRules) -> Read {
    let (mut head, mut body) = response.into_parts();
    let mut whole = true;
    let mut first = Bytes::new();
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            whole = false;
            break;
        };
        let Ok(data) = frame.into_data() else { continue };
        if first.is_empty() {
            // Nearly every answer comes in one piece: no copy.
            first = data;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&first);
            }
            more.extend_from_slice(&data);
        }
        if first.len().max(more.len()) >= BODY_BYTES_MAX && !http_body::Body::is_end_stream(&body) {
            whole = false;
            break;
        }
    }
    let read: &[u8] = if more.is_empty() { &first } else { &more };
    let is_cut = read.len() >= BODY_BYTES_MAX;
    if !whole && !is_cut && !head.status.is_success() {
        // Which error it was is in the part that did not arrive.
        let detail = format!("the answer with status {} broke off", head.status.as_u16());
        let headers = HeaderMap::new();
        return Read { result: CallResult::Unknown { detail }, used_percent: None, keep: false, headers };
    }
    let mut headers = [("", ""); HEADERS_MAX];
    let mut count = 0;
    for (name, value) in &head.headers {
        if let (Some(place), Ok(value)) = (headers.get_mut(count), value.to_str()) {
            *place = (name.as_str(), value);
            count += 1;
        }
    }
    let body = &read[..read.len().min(BODY_BYTES_MAX)];
    let answer = Answer { status: head.status.as_u16(), headers: &headers[..count], body };
    let used_percent = rules.used_percent(&answer);
    let result = rules.classify(&answer);
    head.headers.clear();
    Read { result, used_percent, keep: whole, headers: head.headers }
}
