//! Proof that a webhook comes from its provider.
//!
//! Meta signs the body as it sends it, with non-ASCII characters escaped: only the raw bytes can be checked.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// Checks signatures with one app secret. Its `Debug` output shows nothing of it.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Prepares the key; `None` for an empty secret, which would prove nothing.
    pub fn new(app_secret: &str) -> Option<Self> {
        if app_secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(app_secret.as_bytes()).ok().map(Self)
    }

    /// Whether `header` (`sha256=<hex>`) signs exactly these bytes. Takes the same time for every wrong one.
    pub fn verifies(&self, header: &str, body: &[u8]) -> bool {
        let Some(signature) = header.trim().strip_prefix("sha256=").and_then(from_hex) else { return false };
        let mut mac = self.0.clone();
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// A shared secret that is compared in constant time. Its `Debug` output shows nothing of it.
#[derive(Clone)]
pub struct Token(Box<[u8]>);

impl Token {
    /// `None` for an empty one, which everybody knows.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.as_bytes().into()))
    }

    /// Whether `text` is the token.
    pub fn is(&self, text: &str) -> bool {
        self.0.ct_eq(text.as_bytes()).into()
    }
}

/// What a channel's webhooks are checked with.
#[derive(Debug, Clone, Default)]
pub struct ChannelKeys {
    /// Checks signatures. Without one the channel's webhooks are refused, unless unsigned ones are allowed.
    pub signing: Option<SigningKey>,
    /// Answers the provider's verification request.
    pub verify_token: Option<Token>,
}

impl ChannelKeys {
    /// Both secrets; an empty one counts as none.
    pub fn new(app_secret: &str, verify_token: &str) -> Self {
        Self { signing: SigningKey::new(app_secret), verify_token: Token::new(verify_token) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
