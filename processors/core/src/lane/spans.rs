//! How far a chunk's records of `sends` are read.

use sluice_schemas::Span;
use std::collections::VecDeque;

/// What is left to read of a chunk's spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanCursor {
    spans: VecDeque<Span>,
    /// Places of the spans that are behind it.
    passed: u64,
}

impl SpanCursor {
    /// At the first record.
    pub fn new(spans: impl IntoIterator<Item = Span>) -> Self {
        Self { spans: spans.into_iter().filter(|span| span.first < span.end).collect(), passed: 0 }
    }

    /// The offset to read next and the end of its span.
    pub fn next(&self) -> Option<(u64, u64)> {
        self.spans.front().map(|span| (span.first.max(0) as u64, span.end.max(0) as u64))
    }

    /// Everything below `offset` of the present span has been read.
    pub fn advance(&mut self, offset: u64) {
        if let Some(span) = self.spans.front_mut() {
            let to = i64::try_from(offset).unwrap_or(i64::MAX);
            self.passed += to.min(span.end).abs_diff(span.first);
            span.first = to;
            if span.first >= span.end {
                self.spans.pop_front();
            }
        }
    }

    /// Goes on behind the first `places` places of all spans, if it is not there yet.
    pub fn skip_to(&mut self, places: u64) {
        while self.passed < places
            && let Some((first, end)) = self.next()
        {
            self.advance(end.min(first + (places - self.passed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_walks_through_all_spans() {
        let mut cursor = SpanCursor::new([Span { first: 3, end: 5 }, Span { first: 9, end: 10 }]);
        assert_eq!(cursor.next(), Some((3, 5)));
        cursor.advance(5);
        assert_eq!(cursor.next(), Some((9, 10)));
        cursor.advance(10);
        assert_eq!(cursor.next(), None);
    }
}
