//! Writing echo tags quickly: one a call.

use sluice_core::ids::EchoTag;

/// The longest tag: 32 digits of the chunk, an index up to 65535, an attempt up to 255, two dots.
pub(crate) const TAG_BYTES_MAX: usize = 32 + 1 + 5 + 1 + 3;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the tag as its `Display` shows it; digits and dots only, so it needs no escaping anywhere.
pub(crate) fn push_tag(tag: EchoTag, out: &mut Vec<u8>) {
    for byte in tag.send.chunk.0 {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out.push(b'.');
    push_number(tag.send.index, out);
    out.push(b'.');
    push_number(u16::from(tag.attempt), out);
}

fn push_number(mut number: u16, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 5];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::{CampaignId, ChunkId, SendId};

    #[test]
    fn a_tag_is_written_as_it_is_displayed() {
        let chunk = ChunkId::new(CampaignId::of("t", "c"), 513, 2, 99);
        for (index, attempt) in [(0, 1), (9, 9), (10, 10), (8_191, 13), (65_535, 255)] {
            let tag = EchoTag { send: SendId { chunk, index }, attempt };
            let mut out = Vec::new();
            push_tag(tag, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), tag.to_string());
        }
        let longest = EchoTag { send: SendId { chunk, index: u16::MAX }, attempt: u8::MAX };
        assert_eq!(longest.to_string().len(), TAG_BYTES_MAX);
    }
}
