//! One CSV record from the beginning of a slice.
//!
//! A quote opens a cell only at its beginning; inside, two quotes are one; what follows a closing quote up to
//! the separator belongs to the cell. Lines end with LF or CRLF.

use super::{TOO_LONG, UNCLOSED};
use memchr::{memchr, memchr_iter, memchr2};

/// Bytes of a record at most, its quoted line breaks included.
pub(super) const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Where the scan puts its result.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The cells of a quoted record, one after the other.
    pub(super) text: Vec<u8>,
    /// Where each cell ends: in the line (plain) or in `text` (quoted).
    pub(super) ends: Vec<u32>,
}

/// What stands at the beginning of the slice. `used`: bytes it takes, line end included.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// Not decidable yet: more bytes are needed.
    More,
    /// Nothing follows.
    End,
    /// A line without anything.
    Blank { used: usize },
    /// A record without quotes: the first `length` bytes, cut at the scratch's ends.
    Plain { used: usize, length: usize },
    /// A record with quotes, in the scratch.
    Quoted { used: usize, lines: u64 },
    /// No record can be made of the first line (`ends_line`), or of as much of it as there is.
    Broken { reason: &'static str, used: usize, ends_line: bool },
}

/// Scans one record. The result depends on the bytes alone, not on how many of them are there already.
pub(super) fn record(data: &[u8], eof: bool, delimiter: u8, scratch: &mut Scratch) -> Scan {
    if data.is_empty() {
        return if eof { Scan::End } else { Scan::More };
    }
    let over = data.len() >= RECORD_BYTES_MAX;
    let view = &data[..data.len().min(RECORD_BYTES_MAX)];
    let (line, used) = match memchr(b'\n', view) {
        Some(end) => (&view[..end], end + 1),
        None if over => return Scan::Broken { reason: TOO_LONG, used: view.len(), ends_line: false },
        None if !eof => return Scan::More,
        None => (view, view.len()),
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().all(|b| *b == b' ') {
        return Scan::Blank { used };
    }
    scratch.ends.clear();
    if memchr(b'"', line).is_none() {
        scratch.ends.extend(memchr_iter(delimiter, line).map(|at| at as u32));
        scratch.ends.push(line.len() as u32);
        return Scan::Plain { used, length: line.len() };
    }
    scratch.text.clear();
    match quoted(view, delimiter, eof && !over, scratch) {
        Ok(used) => {
            let breaks = memchr_iter(b'\n', &view[..used]).count() as u64;
            let lines = if view[used - 1] == b'\n' { breaks } else { breaks + 1 };
            Scan::Quoted { used, lines }
        }
        Err(_) if !over && !eof => Scan::More,
        Err(reason) => Scan::Broken { reason, used, ends_line: true },
    }
}

/// Takes a record with quotes apart; gives the bytes it takes, or why it has no end in `view`.
fn quoted(view: &[u8], delimiter: u8, ends_here: bool, scratch: &mut Scratch) -> Result<usize, &'static str> {
    let mut at = 0;
    loop {
        // At the beginning of a cell.
        if view.get(at) == Some(&b'"') {
            at += 1;
            loop {
                let Some(quote) = memchr(b'"', &view[at..]) else { return Err(UNCLOSED) };
                scratch.text.extend_from_slice(&view[at..at + quote]);
                at += quote + 1;
                if view.get(at) != Some(&b'"') {
                    break;
                }
                scratch.text.push(b'"');
                at += 1;
            }
        }
        // Up to the separator or the line's end.
        let stop = memchr2(delimiter, b'\n', &view[at..]).map(|found| at + found);
        let rest = &view[at..stop.unwrap_or(view.len())];
        let ends_line = stop.is_none_or(|stop| view[stop] == b'\n');
        let rest = if ends_line { rest.strip_suffix(b"\r").unwrap_or(rest) } else { rest };
        scratch.text.extend_from_slice(rest);
        scratch.ends.push(scratch.text.len() as u32);
        match stop {
            Some(stop) if ends_line => return Ok(stop + 1),
            Some(stop) => at = stop + 1,
            None if ends_here => return Ok(view.len()),
            None => return Err(TOO_LONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All records of a text, given to the scan in growing pieces of `step` bytes.
    fn records(text: &[u8], delimiter: u8, step: usize) -> Vec<Result<Vec<Vec<u8>>, &'static str>> {
        let (mut from, mut to) = (0, 0);
        let mut scratch = Scratch::default();
        let mut all = Vec::new();
        loop {
            let data = &text[from..to];
            match record(data, to == text.len(), delimiter, &mut scratch) {
                Scan::More => to = (to + step).min(text.len()),
                Scan::End => return all,
                Scan::Blank { used } => from += used,
                Scan::Plain { used, length } => {
                    all.push(Ok(super::super::split(&data[..length], &scratch.ends, 1)));
                    from += used;
                }
                Scan::Quoted { used, .. } => {
                    all.push(Ok(super::super::split(&scratch.text, &scratch.ends, 0)));
                    from += used;
                }
                Scan::Broken { reason, used, .. } => {
                    all.push(Err(reason));
                    from += used;
                }
            }
        }
    }

    fn oracle(text: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(text);
        let cells = |record: csv::ByteRecord| record.iter().map(<[u8]>::to_vec).collect();
        reader.byte_records().map(|record| cells(record.unwrap())).collect()
    }

    #[test]
    fn quotes_line_breaks_and_odd_endings_are_understood() {
        let text = b"a,\"b \"\"x\"\", c\"\r\n\r\n1,\"two\nlines\"\n\"q\"tail,mid\"dle\n,\nlast,\"\"";
        let expected: Vec<Vec<&[u8]>> = vec![
            vec![b"a", b"b \"x\", c"],
            vec![b"1", b"two\nlines"],
            vec![b"qtail", b"mid\"dle"],
            vec![b"", b""],
            vec![b"last", b""],
        ];
        for step in [1, 2, 7, 1000] {
            let found: Vec<_> = records(text, b',', step).into_iter().map(Result::unwrap).collect();
            assert_eq!(found, expected, "step {step}");
        }
        assert_eq!(oracle(text, b','), expected);
    }

    #[test]
    fn an_unclosed_quote_costs_one_line() {
        let found = records(b"1,\"open\n2,b\n3,c\n", b',', 1000);
        assert_eq!(found[0], Err(UNCLOSED));
        assert_eq!(found[1].as_ref().unwrap()[0], b"2");
        assert_eq!(found.len(), 3);
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(
            rows in prop::collection::vec(prop::collection::vec("[ab\",;\n é]{0,6}", 1..5), 0..12),
            crlf: bool,
            delimiter in prop::sample::select(vec![b',', b';', b'\t']),
            step in 1_usize..40,
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new()
                .flexible(true).delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            // A line of spaces alone is a blank line here and a cell there.
            let expected: Vec<_> = oracle(&text, delimiter)
                .into_iter()
                .filter(|row| !(row.len() == 1 && !row[0].is_empty() && row[0].iter().all(|b| *b == b' ')))
                .collect();
            let found: Vec<_> = records(&text, delimiter, step).into_iter().map(Result::unwrap).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_read_to_their_end_whatever_the_pieces(
            text in prop::collection::vec(prop::sample::select(b"ab\",\r\n \xff".to_vec()), 0..200),
            step in 1_usize..50,
        ) {
            prop_assert_eq!(records(&text, b',', step), records(&text, b',', 1000));
        }
    }
}
