//! Meta's webhook body as it goes over the wire: escaped to ASCII, and signed as such.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries [`sign`]'s value.
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// `sha256=<lowercase hex>` over the raw bytes of a body.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut out = String::with_capacity(7 + 64);
    out.push_str("sha256=");
    // HMAC takes keys of any length: the error does not occur, and an empty digest would verify nowhere.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        mac.update(body);
        for byte in mac.finalize().into_bytes() {
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 15));
        }
    }
    out
}

fn hex_digit(nibble: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(nibble)])
}

/// Escapes JSON as Meta does: non-ASCII as `\u00e4` in lowercase (pairs of surrogates beyond the BMP), `/` as `\/`.
pub(super) fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 16);
    let mut units = [0u16; 2];
    for c in json.chars() {
        match c {
            // Outside of strings JSON has neither.
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn umlauts_and_emoji_are_escaped_in_lowercase_and_mean_the_same() {
        let json = r#"{"text":"äöå 👍 a/b"}"#;
        let escaped = escape(json);
        assert_eq!(escaped, r#"{"text":"\u00e4\u00f6\u00e5 \ud83d\udc4d a\/b"}"#);
        let parse = |s: &str| serde_json::from_str::<serde_json::Value>(s).unwrap();
        assert_eq!(parse(json), parse(&escaped));
    }

    #[test]
    fn the_signature_is_the_published_hmac() {
        // RFC 4231, test case 2.
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
