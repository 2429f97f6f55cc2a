//! Numbers in stored forms: 7 bits a byte, lowest first (LEB128), so that small ones are short.

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the beginning of `rest`.
///
/// # Errors
/// What is wrong with the bytes.
pub fn take_number(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or("cut short")?;
        *rest = after;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("number too long")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written_and_one_cut_short_is_none(number: u64) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            prop_assert_eq!(take_number(&mut out.as_slice()), Ok(number));
            prop_assert_eq!(take_number(&mut &out[..out.len() - 1]), Err("cut short"));
        }
    }

    #[test]
    fn bytes_without_an_end_are_no_number() {
        assert_eq!(take_number(&mut [0xFF; 20].as_slice()), Err("number too long"));
    }
}
