//! As much of HTTP/1.1 as a sink needs. Pure: bytes in, request out.

/// Heads longer than this are refused.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bodies longer than this are refused.
const BODY_BYTES_MAX: usize = 16 << 20;

/// What the buffered bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// More bytes are needed.
    Partial,
    /// A request whose head and body are complete.
    Complete(Request),
    /// Not a request this sink can take: answer with the status and close.
    Bad(u16),
}

/// Where the parts of a request lie in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Head and body end here; the next request begins here.
    pub(super) end: usize,
    /// The body begins here.
    pub(super) body: usize,
    pub(super) is_get: bool,
    /// The path, as a range of the buffer.
    pub(super) path: (usize, usize),
    /// The client wants the connection closed.
    pub(super) close: bool,
}

/// Looks at the bytes from the start of a request.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some(line_end) = position(bytes, 0) else { return partial(bytes) };
    let line = trim(&bytes[..line_end]);
    let mut words = line.split(|b| *b == b' ');
    let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Parsed::Bad(400);
    };
    if !version.starts_with(b"HTTP/1.") {
        return Parsed::Bad(505);
    }
    let path_start = method.len() + 1;
    let mut close = version == b"HTTP/1.0";
    let mut length = 0usize;
    let mut at = line_end + 1;
    loop {
        let Some(end) = position(bytes, at) else { return partial(bytes) };
        let header = trim(&bytes[at..end]);
        at = end + 1;
        if header.is_empty() {
            break;
        }
        let Some(colon) = header.iter().position(|b| *b == b':') else { return Parsed::Bad(400) };
        let (name, value) = (&header[..colon], header[colon + 1..].trim_ascii());
        // The length tells most names apart without comparing them.
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                match std::str::from_utf8(value).ok().and_then(|v| v.parse::<usize>().ok()) {
                    Some(value) if value <= BODY_BYTES_MAX => length = value,
                    Some(_) => return Parsed::Bad(413),
                    None => return Parsed::Bad(400),
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => return Parsed::Bad(411),
            10 if name.eq_ignore_ascii_case(b"connection") => close |= value.eq_ignore_ascii_case(b"close"),
            _ => {}
        }
    }
    let end = at + length;
    if bytes.len() < end {
        return Parsed::Partial;
    }
    let path = (path_start, path_start + path.len());
    Parsed::Complete(Request { end, body: at, is_get: method == b"GET", path, close })
}

fn partial(bytes: &[u8]) -> Parsed {
    if bytes.len() > HEAD_BYTES_MAX { Parsed::Bad(431) } else { Parsed::Partial }
}

fn position(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].iter().position(|b| *b == b'\n').map(|at| from + at)
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyPOST";

    #[test]
    fn every_prefix_of_a_request_is_partial() {
        for end in 0..POST.len() - 4 {
            assert_eq!(parse(&POST[..end]), Parsed::Partial, "at {end}");
        }
    }

    #[test]
    fn a_request_ends_where_its_body_ends() {
        let Parsed::Complete(request) = parse(POST) else { panic!("not complete") };
        assert_eq!(&POST[request.body..request.end], b"body");
        assert_eq!(&POST[request.path.0..request.path.1], b"/x");
        assert!(!request.is_get && !request.close);
    }

    #[test]
    fn chunked_bodies_and_nonsense_are_refused() {
        assert_eq!(parse(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"), Parsed::Bad(411));
        assert_eq!(parse(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n"), Parsed::Bad(400));
        assert_eq!(parse(b"nonsense\r\n\r\n"), Parsed::Bad(400));
    }
}
