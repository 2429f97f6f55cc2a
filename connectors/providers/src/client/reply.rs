//! Reading an answer: bytes in, what they mean out. How long it is follows from its head (RFC 9112, 6.3).

use super::chunked::Chunked;
use httparse::{Header, ParserConfig, Status};
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult};
use std::mem::MaybeUninit;

/// Bytes of a body that are read; the rest is cut, and the connection closed.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a head, with interim answers before it: providers send one or two thousand.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are not the body, while it comes: what chunks need beside what they hold.
const OTHER_BYTES_MAX: usize = 256 * 1024;
/// Interim answers before the answer.
const INTERIM_MAX: usize = 16;
/// Headers of an answer; providers send some twenty.
const HEADERS_MAX: usize = 100;
/// Headers that are looked at.
const HEADERS_SEEN_MAX: usize = 48;

/// What a call came to.
#[derive(Debug, PartialEq)]
pub(super) struct Read {
    pub(super) result: CallResult,
    /// What it says of the provider's limit.
    pub(super) used_percent: Option<u32>,
    /// Whether the connection is at the end of the answer, ready for another call.
    pub(super) keep: bool,
}

/// What came is no answer; the text says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(pub(super) &'static str);

const NOT_HTTP: NoAnswer = NoAnswer("it is not HTTP/1.1");

/// How much of an answer there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Come {
    /// More may come.
    More,
    /// The other side has ended it.
    All,
    /// The connection broke.
    Part,
}

/// An answer on its way.
pub(super) struct Reply<'r> {
    rules: &'r dyn AnswerRules,
    /// All that came, unless it came in one piece.
    held: Vec<u8>,
    /// Interim answers, which come before the answer, and their bytes.
    interim: (usize, usize),
    /// Once it is whole.
    head: Option<Head>,
    chunked: Chunked,
}

/// The head of the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Length,
    /// The other side keeps the connection open.
    keep: bool,
    /// Where its body begins.
    until: usize,
}

/// How the end of the body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunked,
    UntilClose,
}

type Slots<'b> = [MaybeUninit<Header<'b>>; HEADERS_MAX];

impl<'r> Reply<'r> {
    pub(super) fn new(rules: &'r dyn AnswerRules) -> Self {
        Self { rules, held: Vec::new(), interim: (0, 0), head: None, chunked: Chunked::default() }
    }

    /// More bytes came. `Some`: they were the last.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Read>, NoAnswer> {
        if self.held.is_empty() {
            // Nearly every answer comes in one piece: no copy.
            let read = self.look(bytes, Come::More)?;
            if read.is_none() {
                self.held.extend_from_slice(bytes);
            }
            return Ok(read);
        }
        let known = self.held.len();
        self.held.extend_from_slice(bytes);
        if self.head.is_none() && self.held.len() <= HEAD_BYTES_MAX && !ends_head(&self.held, known) {
            // A head in tiny pieces is not gone through again with each.
            return Ok(None);
        }
        let held = std::mem::take(&mut self.held);
        let read = self.look(&held, Come::More);
        self.held = held;
        read
    }

    /// The other side sends no more.
    pub(super) fn end(&mut self) -> Result<Read, NoAnswer> {
        let held = std::mem::take(&mut self.held);
        self.look(&held, Come::All)?.ok_or(NoAnswer("the connection was closed before the answer"))
    }

    /// The connection broke. `Some`: what had come was an answer all the same.
    pub(super) fn broken(&mut self) -> Option<Read> {
        let held = std::mem::take(&mut self.held);
        self.look(&held, Come::Part).ok().flatten()
    }

    fn look(&mut self, all: &[u8], come: Come) -> Result<Option<Read>, NoAnswer> {
        let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let (head, headers) = match self.head {
            Some(head) => (head, None),
            None => {
                self.pass_interim(all)?;
                match Head::parse(all, self.interim.1, &mut slots)? {
                    Some((head, headers)) => (head, Some(headers)),
                    None if all.len() > HEAD_BYTES_MAX => return Err(NoAnswer("its head does not end")),
                    None => return Ok(None),
                }
            }
        };
        self.head = Some(head);
        let rest = &all[head.until..];
        let mut is_end = come != Come::More;
        let (body, is_whole, is_more) = match head.length {
            Length::Bytes(length) => {
                let known = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                (&rest[..known], known as u64 == length, rest.len() > known)
            }
            Length::Chunked => {
                // What is no chunk ends the answer as its connection's end would.
                is_end |= self.chunked.take(rest, BODY_BYTES_MAX).is_err();
                let end = self.chunked.end();
                (self.chunked.body(), end.is_some(), end.is_some_and(|end| rest.len() > end))
            }
            Length::UntilClose => (rest, come == Come::All, false),
        };
        let is_cut = body.len() >= BODY_BYTES_MAX;
        // Chunks of a byte each.
        is_end |= all.len() > OTHER_BYTES_MAX + BODY_BYTES_MAX;
        if !(is_whole || is_cut || is_end) {
            return Ok(None);
        }
        if !is_whole && !is_cut && !(200..300).contains(&head.status) {
            // Which error it was is in the part that did not arrive.
            let detail = format!("the answer with status {} broke off", head.status);
            let result = CallResult::Unknown { detail };
            return Ok(Some(Read { result, used_percent: None, keep: false }));
        }
        let body = &body[..body.len().min(BODY_BYTES_MAX)];
        let (result, used_percent) = match headers {
            Some(headers) => self.classify(head.status, headers, body),
            None => {
                let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; HEADERS_MAX];
                let headers = Head::parse(all, self.interim.1, &mut slots)?.map(|(_, headers)| headers);
                self.classify(head.status, headers.unwrap_or_default(), body)
            }
        };
        Ok(Some(Read { result, used_percent, keep: is_whole && head.keep && !is_more }))
    }

    fn classify(&self, status: u16, headers: &[Header<'_>], body: &[u8]) -> (CallResult, Option<u32>) {
        let mut seen = [("", ""); HEADERS_SEEN_MAX];
        let legible = headers.iter().filter_map(|header| Some((header.name, visible(header.value)?)));
        let mut count = 0;
        for (place, header) in seen.iter_mut().zip(legible) {
            *place = header;
            count += 1;
        }
        let answer = Answer { status, headers: &seen[..count], body };
        (self.rules.classify(&answer), self.rules.used_percent(&answer))
    }
}

impl Reply<'_> {
    /// Interim answers, e.g. 103, say nothing about the call (RFC 9110, 15.2).
    fn pass_interim(&mut self, all: &[u8]) -> Result<(), NoAnswer> {
        let (count, from) = &mut self.interim;
        while let Some(bytes) = interim(&all[*from..])? {
            *count += 1;
            *from += bytes;
            if *count > INTERIM_MAX {
                return Err(NoAnswer("it has too many interim answers"));
            }
        }
        Ok(())
    }
}

impl Head {
    /// The head that begins at `from`, when it is whole.
    fn parse<'h, 'b>(
        all: &'b [u8],
        from: usize,
        slots: &'h mut Slots<'b>,
    ) -> Result<Option<(Self, &'h [Header<'b>])>, NoAnswer> {
        let mut response = httparse::Response::new(&mut []);
        let parsed = ParserConfig::default()
            .parse_response_with_uninit_headers(&mut response, &all[from..], slots)
            .map_err(|_| NOT_HTTP)?;
        let (Status::Complete(bytes), Some(status), Some(version)) =
            (parsed, response.code, response.version)
        else {
            return Ok(None);
        };
        if status < 200 {
            return Err(NoAnswer("its status is none of an answer"));
        }
        let headers: &'h [Header<'b>] = response.headers;
        let (length, is_ambiguous) = length(status, version, headers)?;
        let keep = match length {
            Length::UntilClose => false,
            _ if is_ambiguous || has_token(headers, "connection", "close") => false,
            _ => version == 1 || has_token(headers, "connection", "keep-alive"),
        };
        Ok(Some((Self { status, length, keep, until: from + bytes }, headers)))
    }
}

/// The length of an interim answer, if one comes next and is whole.
fn interim(bytes: &[u8]) -> Result<Option<usize>, NoAnswer> {
    let mut line = httparse::Response::new(&mut []);
    // Without room for headers it ends with an error, once it has read the status.
    let _no_headers = line.parse(bytes);
    match line.code {
        Some(101) => return Err(NoAnswer("the server changed the protocol")),
        Some(100..200) => {}
        _ => return Ok(None),
    }
    let mut slots: Slots<'_> = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut slots)
        .map_err(|_| NOT_HTTP)?;
    Ok(match parsed {
        Status::Complete(length) => Some(length),
        Status::Partial => None,
    })
}

/// Whether an empty line ends in what came after the first `known` bytes.
fn ends_head(held: &[u8], known: usize) -> bool {
    let new = &held[known.saturating_sub(2)..];
    new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
}

/// How long the body is, and whether it could be read in two ways: then nothing else is read from the connection.
fn length(status: u16, version: u8, headers: &[Header<'_>]) -> Result<(Length, bool), NoAnswer> {
    let transfer = named(headers, "transfer-encoding").flat_map(values).last();
    let told = match transfer {
        // It overrides any length.
        Some(_) => None,
        None => told_length(named(headers, "content-length").flat_map(values))?,
    };
    let has_length = || named(headers, "content-length").next().is_some();
    Ok(match (status, transfer) {
        // They have no body, whatever they say.
        (204, _) => (Length::Bytes(0), transfer.is_some() || told.is_some_and(|bytes| bytes > 0)),
        (304, _) => (Length::Bytes(0), transfer.is_some()),
        (_, Some(last)) if last.eq_ignore_ascii_case(b"chunked") => {
            (Length::Chunked, has_length() || version == 0)
        }
        (_, Some(_)) => (Length::UntilClose, true),
        (_, None) => told.map_or((Length::UntilClose, true), |bytes| (Length::Bytes(bytes), false)),
    })
}

/// The one length that is told, however often.
fn told_length<'b>(told: impl Iterator<Item = &'b [u8]>) -> Result<Option<u64>, NoAnswer> {
    let mut known = None;
    for length in told {
        let length = number(length).ok_or(NoAnswer("its content-length is no number"))?;
        if known.replace(length).is_some_and(|other| other != length) {
            return Err(NoAnswer("it has two lengths"));
        }
    }
    Ok(known)
}

fn named<'h, 'b>(headers: &'h [Header<'b>], name: &'h str) -> impl Iterator<Item = &'h Header<'b>> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
}

/// The elements of a list.
fn values<'b>(header: &Header<'b>) -> impl Iterator<Item = &'b [u8]> {
    header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn has_token(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    named(headers, name)
        .any(|header| values(header).any(|value| value.eq_ignore_ascii_case(token.as_bytes())))
}

/// Digits alone: neither a sign nor nothing.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Text without control characters or anything beyond ASCII.
fn visible(value: &[u8]) -> Option<&str> {
    let is_visible = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    if is_visible { std::str::from_utf8(value).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tells status, headers and body as they were read.
    struct Echo;

    impl AnswerRules for Echo {
        fn classify(&self, answer: &Answer<'_>) -> CallResult {
            let Answer { status, headers, body } = answer;
            let body = String::from_utf8_lossy(body);
            CallResult::Accepted { message_id: Some(format!("{status} {headers:?} {body}")) }
        }
    }

    /// The answer of bytes that come in these pieces, after which the connection is closed or stays open.
    fn read<'b>(
        pieces: impl IntoIterator<Item = &'b [u8]>,
        is_closed: bool,
    ) -> Result<Option<Read>, NoAnswer> {
        let mut reply = Reply::new(&Echo);
        for piece in pieces {
            if let Some(read) = reply.take(piece)? {
                return Ok(Some(read));
            }
        }
        if is_closed { reply.end().map(Some) } else { Ok(None) }
    }

    /// In one piece on an open connection: what was read, and whether the connection is kept.
    fn whole(text: &str) -> Result<Option<(String, bool)>, NoAnswer> {
        Ok(read([text.as_bytes()], false)?.map(told))
    }

    fn told(read: Read) -> (String, bool) {
        match read.result {
            CallResult::Accepted { message_id } => (message_id.unwrap(), read.keep),
            CallResult::Unknown { detail } => (format!("unknown: {detail}"), read.keep),
            other => panic!("{other:?}"),
        }
    }

    fn ok(text: &str, keep: bool) -> Result<Option<(String, bool)>, NoAnswer> {
        Ok(Some((text.to_owned(), keep)))
    }

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let with = |head: &str, rest: &str| whole(&format!("HTTP/1.1 200 OK\r\n{head}\r\n{rest}"));
        let none = "200 []";
        let length = r#"200 [("Content-Length", "2")] ok"#;
        assert_eq!(with("Content-Length: 2\r\n", "ok"), ok(length, true));
        assert_eq!(with("Content-Length: 2\r\n", "o"), Ok(None));
        // More than was asked for: nobody knows what it answers.
        assert_eq!(with("Content-Length: 2\r\n", "ok!"), ok(length, false));
        assert_eq!(with("content-length: 0\r\n", ""), ok(r#"200 [("content-length", "0")] "#, true));
        let chunked = |rest| with("transfer-encoding: chunked\r\n", rest);
        let both = r#"200 [("transfer-encoding", "chunked")] both"#;
        assert_eq!(chunked("2\r\nbo\r\n2;x=y\r\nth\r\n0\r\n\r\n"), ok(both, true));
        assert_eq!(chunked("2\r\nbo\r\n2\r\nth\r\n0\r\nt: 1\r\n\r\n"), ok(both, true));
        assert_eq!(chunked("4\r\nboth\r\n0\r\n"), Ok(None));
        assert_eq!(chunked("4\r\nboth\r\n0\r\n\r\nHTTP"), ok(both, false));
        assert_eq!(with("", "until the end"), Ok(None));
        let until_close = read([b"HTTP/1.1 200 OK\r\n\r\nuntil ".as_slice(), b"the end"], true);
        assert_eq!(until_close.map(|read| read.map(told)), ok(&format!("{none} until the end"), false));
        assert_eq!(whole("HTTP/1.1 204 No\r\n\r\n"), ok("204 [] ", true));
    }

    #[test]
    fn a_connection_is_kept_only_where_both_sides_agree_on_the_end_and_on_going_on() {
        let with = |version: &str, head: &str| {
            whole(&format!("HTTP/{version} 200 OK\r\n{head}content-length: 0\r\n\r\n")).unwrap().unwrap().1
        };
        assert!(with("1.1", "") && with("1.1", "Connection: keep-alive\r\n"));
        assert!(!with("1.1", "Connection: Close\r\n") && !with("1.1", "connection: x, close\r\n"));
        assert!(!with("1.0", "") && with("1.0", "connection: Keep-Alive\r\n"));
        // Two ways to find the end: the connection is not read on (RFC 9112, 6.3, request smuggling).
        let both = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(!whole(both).unwrap().unwrap().1);
        for head in [
            "204 X\r\ntransfer-encoding: chunked",
            "204 X\r\ncontent-length: 1",
            "304 X\r\ntransfer-encoding: x",
        ] {
            assert!(!whole(&format!("HTTP/1.1 {head}\r\n\r\n")).unwrap().unwrap().1, "{head}");
        }
        // How long it would be.
        assert!(whole("HTTP/1.1 304 X\r\ncontent-length: 1\r\n\r\n").unwrap().unwrap().1);
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n";
        let last = "HTTP/1.1 201 X\r\ncontent-length: 1\r\n\r\n1";
        assert_eq!(whole(early), Ok(None));
        assert_eq!(whole(&format!("{early}{last}")), ok(r#"201 [("content-length", "1")] 1"#, true));
        // An empty line before it is passed over too (RFC 9112, 2.2).
        assert_eq!(whole(&format!("\n{early}{last}")), ok(r#"201 [("content-length", "1")] 1"#, true));
        let many = format!("{}{last}", "HTTP/1.1 100 X\r\n\r\n".repeat(17));
        assert_eq!(whole(&many), Err(NoAnswer("it has too many interim answers")));
        let changed = NoAnswer("the server changed the protocol");
        assert_eq!(whole("HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n"), Err(changed));
    }

    #[test]
    fn what_is_no_answer_is_said_to_be_none() {
        let wrong = |head: &str| whole(&format!("HTTP/1.1 200 OK\r\n{head}\r\n")).unwrap_err().0;
        assert_eq!(wrong("content-length: 1\r\ncontent-length: 2\r\n"), "it has two lengths");
        assert_eq!(wrong("content-length: 1, 2\r\n"), "it has two lengths");
        for length in ["-1", "+1", "", "1x", "99999999999999999999"] {
            assert_eq!(wrong(&format!("content-length: {length}\r\n")), "its content-length is no number");
        }
        for status in ["000", "099"] {
            let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(whole(&text), Err(NoAnswer("its status is none of an answer")));
        }
        assert_eq!(whole("SSH-2.0-x\r\n"), Err(NoAnswer("it is not HTTP/1.1")));
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX));
        assert_eq!(whole(&endless), Err(NoAnswer("its head does not end")));
        assert_eq!(read(endless.as_bytes().chunks(1), false), Err(NoAnswer("its head does not end")));
        let closed = NoAnswer("the connection was closed before the answer");
        assert_eq!(read([b"HTTP/1.1 20".as_slice()], true), Err(closed));
        assert_eq!(read([], true), Err(closed));
    }

    #[test]
    fn what_breaks_off_counts_only_where_it_said_success() {
        let broken = |text: &str| told(read([text.as_bytes()], true).unwrap().unwrap());
        let (success, kept) = broken("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok");
        assert!(success.ends_with(" ok") && !kept, "{success}");
        let (error, kept) = broken("HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\nno");
        assert_eq!((error.as_str(), kept), ("unknown: the answer with status 500 broke off", false));
        let long = format!("1;{}\r\nx\r\n", "y".repeat(5_000));
        for wrong in [&long, "\r\n", ";x\r\n", "x\r\n", "2\r\nabc", "2\r\nab!!", "0\r\n:\r\n\r\n"] {
            let text = format!("HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n{wrong}");
            let expected = ("unknown: the answer with status 400 broke off".to_owned(), false);
            assert_eq!(broken(&text), expected, "{wrong:?}");
        }
    }

    #[test]
    fn what_a_broken_connection_brought_counts_only_where_it_said_success() {
        for (head, result) in [
            ("200 X\r\ncontent-length: 9", Some("200 [(\"content-length\", \"9\")] part")),
            ("200 X\r\n", Some("200 [] part")),
            ("500 X\r\n", Some("unknown: the answer with status 500 broke off")),
            ("500 X", None),
        ] {
            let mut reply = Reply::new(&Echo);
            let end = if result.is_some() && !head.ends_with('\n') { "\r\n\r\n" } else { "\r\n" };
            assert_eq!(reply.take(format!("HTTP/1.1 {head}{end}part").as_bytes()), Ok(None));
            let broken = reply.broken().map(told);
            assert_eq!(broken, result.map(|result| (result.to_owned(), false)), "{head}");
        }
    }

    #[test]
    fn g9_a_body_is_cut_however_it_comes() {
        let long = "x".repeat(BODY_BYTES_MAX + 1);
        let chunks = format!("{:x}\r\n{long}", 9 * long.len());
        for (head, body) in [
            ("content-length: 9999999999\r\n", &long),
            ("transfer-encoding: chunked\r\n", &chunks),
            ("", &long),
        ] {
            let (text, keep) = whole(&format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}")).unwrap().unwrap();
            assert!(text.len() < BODY_BYTES_MAX + 100 && !keep, "{head}");
        }
        let tiny = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
            "1;extension\r\nx\r\n".repeat(40_000)
        );
        assert!(!whole(&tiny).unwrap().unwrap().1);
    }

    /// An answer as a server writes one.
    fn written() -> impl Strategy<Value = String> {
        let body = prop::collection::vec("[ -~]{1,20}", 0..5);
        // 204 and 304 have no body, whatever they say.
        let status = (200u16..600).prop_filter("without a body", |status| !matches!(status, 204 | 304));
        (status, body, 0u8..3, any::<bool>()).prop_map(|(status, parts, framing, early)| {
            let early = if early { "HTTP/1.1 103 X\r\na: b\r\n\r\n" } else { "" };
            let body = parts.concat();
            let rest = match framing {
                0 => format!("content-length: {}\r\n\r\n{body}", body.len()),
                1 => {
                    let chunks = parts.iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len()));
                    let chunks: String = chunks.collect();
                    format!("transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
                }
                _ => format!("\r\n{body}"),
            };
            format!("{early}HTTP/1.1 {status} X\r\nx-y: z\r\n{rest}")
        })
    }

    proptest! {
        #[test]
        fn an_answer_means_the_same_in_whatever_pieces_it_comes(
            text in written(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            at.dedup();
            let pieces = at.windows(2).map(|range| &text.as_bytes()[range[0]..range[1]]);
            prop_assert_eq!(read(pieces, true), read([text.as_bytes()], true));
            prop_assert_eq!(read(text.as_bytes().chunks(1), true), read([text.as_bytes()], true));
        }

        #[test]
        fn whatever_comes_ends_without_a_panic(
            text in written(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut bytes = text.into_bytes();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let in_one = read([bytes.as_slice()], true);
            let in_pieces = read(bytes.chunks(3), true);
            prop_assert_eq!(in_one.is_ok(), in_pieces.is_ok());
        }
    }
}
