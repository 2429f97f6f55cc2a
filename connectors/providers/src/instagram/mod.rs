//! Instagram messaging: texts to people, named by IGSID.

pub mod errors;
pub mod request;
pub mod response;
pub mod webhook;
