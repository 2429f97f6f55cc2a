//! Error codes of Instagram messaging: Messenger's table, which holds Instagram's subcodes (25340xx), too.

pub use crate::messenger::errors::TABLE;
