//! WhatsApp Cloud API: template messages.

pub mod errors;
pub mod request;
pub mod response;
pub mod webhook;
