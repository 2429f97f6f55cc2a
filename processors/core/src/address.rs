//! Addresses: what a cell of an audience means as a phone number, PSID, IGSID or endpoint address.
//!
//! Guarantee: [`normalise`] is idempotent and depends on its arguments alone, so the same cell names
//! the same recipient in every expansion. No country is ever guessed.
//!
//! Not done here: whether a number exists, and the ways WhatsApp rewrites some countries' numbers.

use sluice_schemas::Channel;
use std::borrow::Cow;
use xxhash_rust::xxh3::xxh3_128;

/// Digits of an E.164 number at most, without the `+`.
pub const PHONE_DIGITS_MAX: usize = 15;
/// Digits of an E.164 number at least, without the `+`: the practical floor.
pub const PHONE_DIGITS_MIN: usize = 8;
/// Digits of a PSID or IGSID at most. Those seen have 15 to 17.
pub const SCOPED_ID_DIGITS_MAX: usize = 24;
/// Digits of a PSID or IGSID at least.
pub const SCOPED_ID_DIGITS_MIN: usize = 5;
/// Bytes of an address of the generic HTTP channel at most.
pub const HTTP_ADDRESS_BYTES_MAX: usize = 512;

/// Why a cell is not an address. The text says it for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing is there: blank, or a word that programs write for nothing.
    #[error("{0}")]
    Missing(&'static str),
    /// Something is there that cannot be an address of this channel.
    #[error("{0}")]
    Invalid(&'static str),
}

impl AddressError {
    /// The reason as people, labels and files name it: `missing_address` or `invalid_address`.
    pub fn reason(self) -> &'static str {
        match self {
            AddressError::Missing(_) => "missing_address",
            AddressError::Invalid(_) => "invalid_address",
        }
    }

    /// What exactly is wrong.
    pub fn detail(self) -> &'static str {
        match self {
            AddressError::Missing(detail) | AddressError::Invalid(detail) => detail,
        }
    }
}

/// The canonical form of an address: `+` and digits for phones, digits for PSID and IGSID, the trimmed
/// text for HTTP. Borrowed when `raw` holds it already.
pub fn normalise(channel: Channel, raw: &str) -> Result<Cow<'_, str>, AddressError> {
    match channel {
        Channel::Whatsapp | Channel::Sms => phone(raw),
        Channel::Messenger | Channel::Instagram => scoped_id(raw).map(Cow::Borrowed),
        Channel::Http => http(raw).map(Cow::Borrowed),
    }
}

/// Whether `normalised` is a canonical address: looked at once more right before the call (B7).
pub fn revalidate(channel: Channel, normalised: &str) -> bool {
    matches!(normalise(channel, normalised), Ok(Cow::Borrowed(address)) if address.len() == normalised.len())
}

/// Names a recipient: XXH3-128 of the channel's word, a zero byte and the normalised address.
pub fn recipient_key(channel: Channel, normalised: &str) -> [u8; 16] {
    let word = channel.as_str().as_bytes();
    let length = word.len() + 1 + normalised.len();
    let mut short = [0_u8; 96];
    if let Some(buffer) = short.get_mut(..length) {
        buffer[..word.len()].copy_from_slice(word);
        buffer[word.len() + 1..].copy_from_slice(normalised.as_bytes());
        return xxh3_128(buffer).to_be_bytes();
    }
    let mut long = Vec::with_capacity(length);
    long.extend_from_slice(word);
    long.push(0);
    long.extend_from_slice(normalised.as_bytes());
    xxh3_128(&long).to_be_bytes()
}

/// Whether a cell holds nothing: blank, or one of the words that exports write for nothing.
pub fn is_missing(raw: &str) -> bool {
    let text = raw.trim();
    match text.len() {
        0 => true,
        3 | 4 | 6 | 9 => ["nan", "nil", "n/a", "null", "none", "#n/a", "(null)", "undefined"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word)),
        _ => false,
    }
}

fn present(raw: &str) -> Result<&str, AddressError> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(AddressError::Missing("the cell is empty"));
    }
    if is_missing(text) {
        return Err(AddressError::Missing("the cell holds a word for nothing, such as null or undefined"));
    }
    Ok(text)
}

/// A leading apostrophe is how spreadsheets, and Sluice's own exports, mark digits as text.
fn without_text_mark(text: &str) -> &str {
    text.strip_prefix('\'').unwrap_or(text)
}

fn phone(raw: &str) -> Result<Cow<'_, str>, AddressError> {
    if is_e164(raw.as_bytes()) {
        return Ok(Cow::Borrowed(raw));
    }
    let text = without_text_mark(present(raw)?);
    let mut number = String::with_capacity(PHONE_DIGITS_MAX + 3);
    let mut digits = 0_usize;
    let mut trunk = false;
    let mut previous = [' '; 2];
    for c in text.chars() {
        match c {
            '0'..='9' => {
                digits += 1;
                if digits <= PHONE_DIGITS_MAX + 2 {
                    number.push(c);
                }
            }
            '+' if number.is_empty() => number.push('+'),
            '+' => return Err(AddressError::Invalid("a + that is not at the beginning")),
            'e' | 'E'
                if digits > 0 && !text.contains(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E')) =>
            {
                return Err(AddressError::Invalid("written in scientific notation, which loses digits"));
            }
            c if is_phone_separator(c) => trunk |= c == ')' && previous == ['(', '0'],
            _ => return Err(AddressError::Invalid("not a phone number: other characters than digits")),
        }
        previous = [previous[1], c];
    }
    if digits == 0 {
        return Err(AddressError::Invalid("not a phone number: no digits"));
    }
    if !number.starts_with('+') {
        if !number.starts_with("00") {
            return Err(AddressError::Invalid("no country code: it begins with neither + nor 00"));
        }
        number.replace_range(..2, "+");
        digits -= 2;
    }
    if trunk {
        return Err(AddressError::Invalid("a trunk prefix (0) inside an international number"));
    }
    if number[1..].starts_with('0') {
        return Err(AddressError::Invalid("the country code begins with 0"));
    }
    if digits < PHONE_DIGITS_MIN {
        return Err(AddressError::Invalid("too short: fewer than 8 digits"));
    }
    if digits > PHONE_DIGITS_MAX {
        return Err(AddressError::Invalid("too long: more than 15 digits"));
    }
    Ok(Cow::Owned(number))
}

fn is_e164(text: &[u8]) -> bool {
    let Some((b'+', digits)) = text.split_first() else { return false };
    (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digits.len())
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit)
}

/// What people and programs put between digits; the invisible marks come along when a number is copied
/// from a contact card.
fn is_phone_separator(c: char) -> bool {
    matches!(
        c,
        '.' | '-' | '(' | ')' | '[' | ']'
            | '\u{2010}'..='\u{2015}' | '\u{2212}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}'
    ) || c.is_whitespace()
}

fn scoped_id(raw: &str) -> Result<&str, AddressError> {
    let text = without_text_mark(present(raw)?);
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        let scientific = text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b',' | b'+' | b'e' | b'E'));
        return Err(AddressError::Invalid(if scientific {
            "written as a rounded number, which loses digits"
        } else {
            "not a number: the id consists of digits only"
        }));
    }
    if text.len() < SCOPED_ID_DIGITS_MIN {
        return Err(AddressError::Invalid("too short: fewer than 5 digits"));
    }
    if text.len() > SCOPED_ID_DIGITS_MAX {
        return Err(AddressError::Invalid("too long: more than 24 digits"));
    }
    if text.bytes().all(|b| b == b'0') {
        return Err(AddressError::Invalid("only zeros"));
    }
    Ok(text)
}

fn http(raw: &str) -> Result<&str, AddressError> {
    let text = present(raw)?;
    if text.len() > HTTP_ADDRESS_BYTES_MAX {
        return Err(AddressError::Invalid("too long: more than 512 bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(AddressError::Invalid("a control character inside"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whatsapp(raw: &str) -> Result<String, AddressError> {
        normalise(Channel::Whatsapp, raw).map(Cow::into_owned)
    }

    fn problem(channel: Channel, raw: &str) -> &'static str {
        normalise(channel, raw).unwrap_err().detail()
    }

    #[test]
    fn separators_and_a_leading_00_are_taken_out_of_phone_numbers() {
        for raw in [
            "+5511987654321",
            " +55 (11) 98765-4321 ",
            "005511987654321",
            "(+55) 11.98765.4321",
            "\u{202a}+55\u{a0}11 98765\u{2011}4321\u{202c}",
            "'+55 11 987654321",
        ] {
            assert_eq!(whatsapp(raw).unwrap(), "+5511987654321", "{raw:?}");
        }
        assert!(matches!(normalise(Channel::Sms, "+5511987654321"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn a_phone_number_that_cannot_be_dialled_says_why() {
        let cases = [
            ("054-123-4567", "no country code"),
            ("5511987654321", "no country code"),
            ("+1234", "too short"),
            ("+9999999999999999999", "too long"),
            ("00999999999999999999999999999999999999", "too long"),
            ("+0511987654321", "begins with 0"),
            ("000511987654321", "begins with 0"),
            ("+44 (0) 20 7946 0958", "trunk"),
            ("+55 11 + 987654321", "a +"),
            ("5.51199E+12", "scientific"),
            ("call me", "other characters"),
            ("+55 11 98765 ext 4", "other characters"),
            ("()", "no digits"),
            ("+", "no digits"),
        ];
        for (raw, expected) in cases {
            let error = normalise(Channel::Whatsapp, raw).unwrap_err();
            assert_eq!(error.reason(), "invalid_address", "{raw:?}");
            assert!(error.detail().contains(expected), "{raw:?}: {error}");
        }
    }

    #[test]
    fn words_for_nothing_are_missing_addresses_on_every_channel() {
        use Channel::*;
        for channel in [Whatsapp, Messenger, Instagram, Sms, Http] {
            for raw in ["", "   ", "\t", "null", "NULL", " undefined ", "None", "NaN", "#N/A"] {
                assert_eq!(
                    normalise(channel, raw).unwrap_err().reason(),
                    "missing_address",
                    "{channel} {raw:?}"
                );
            }
        }
    }

    #[test]
    fn scoped_ids_are_digits_only() {
        assert_eq!(normalise(Channel::Messenger, " 24444529763028279 ").unwrap(), "24444529763028279");
        assert!(problem(Channel::Messenger, "12ab34").contains("not a number"));
        assert!(problem(Channel::Instagram, "2.44445E+16").contains("loses digits"));
        assert!(problem(Channel::Instagram, "12").contains("too short"));
        assert!(problem(Channel::Instagram, "0000000").contains("zeros"));
        assert!(problem(Channel::Instagram, &"9".repeat(25)).contains("too long"));
        assert!(problem(Channel::Messenger, "٣٤٥٦٧٨٩").contains("not a number"));
    }

    #[test]
    fn an_http_address_is_any_short_line() {
        assert_eq!(normalise(Channel::Http, " ana@example.org ").unwrap(), "ana@example.org");
        assert!(problem(Channel::Http, "a\nb").contains("control"));
        assert!(problem(Channel::Http, &"x".repeat(513)).contains("too long"));
    }

    #[test]
    fn normalising_is_idempotent_and_its_results_revalidate() {
        use Channel::*;
        let alphabet: Vec<char> = "+0123456789 .-()[]aeN'\u{a0}\u{200e}é".chars().collect();
        let mut state = 7_u64;
        let mut valid = 0;
        for round in 0..60_000_usize {
            let mut raw = String::from(["", "+49", "00", "24"][round % 4]);
            for _ in 0..(round % 20) {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let pick = (state >> 33) as usize;
                let digit = char::from(b'0' + (pick % 10) as u8);
                raw.push(if pick % 7 < 6 { digit } else { alphabet[pick / 7 % alphabet.len()] });
            }
            for channel in [Whatsapp, Messenger, Http] {
                if let Ok(once) = normalise(channel, &raw) {
                    valid += 1;
                    assert_eq!(normalise(channel, &once).unwrap(), once, "{raw:?}");
                    assert!(revalidate(channel, &once), "{raw:?} → {once}");
                }
            }
        }
        assert!(valid > 10_000, "only {valid} valid samples");
    }

    #[test]
    fn what_is_not_canonical_does_not_revalidate() {
        for raw in ["", "null", "5511987654321", "+55 11987654321", " +5511987654321", "+5511987654321\n"] {
            assert!(!revalidate(Channel::Whatsapp, raw), "{raw:?}");
        }
        assert!(!revalidate(Channel::Messenger, "'24444529763028279"));
        assert!(!revalidate(Channel::Http, " a"));
    }

    #[test]
    fn the_recipient_key_tells_channels_and_addresses_apart_and_never_changes() {
        let key = recipient_key(Channel::Whatsapp, "+5511987654321");
        assert_ne!(key, recipient_key(Channel::Sms, "+5511987654321"));
        assert_ne!(key, recipient_key(Channel::Whatsapp, "+5511987654322"));
        assert_eq!(key, xxh3_128(b"whatsapp\0+5511987654321").to_be_bytes());
        let long = "x".repeat(500);
        assert_eq!(
            recipient_key(Channel::Http, &long),
            xxh3_128(format!("http\0{long}").as_bytes()).to_be_bytes()
        );
    }
}
