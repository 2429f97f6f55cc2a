//! Generic HTTP: any endpoint that speaks JSON.

pub mod request;
pub mod response;
pub mod webhook;
