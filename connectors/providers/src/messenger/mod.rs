//! Messenger Platform: texts to people, named by PSID.

pub mod errors;
pub mod request;
pub mod response;
pub mod webhook;
