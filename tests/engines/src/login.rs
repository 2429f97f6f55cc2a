//! What an engine asks for, where its options say so.

/// A name and a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: &'static str,
    /// The password; nothing but a test's engine hangs on it.
    pub password: &'static str,
}
