//! Schema registries that speak Confluent's REST API, and the framing of values that goes with them.
//!
//! Guarantees:
//! - A value that leaves carries the id of the very schema that wrote it; all ids are known before the first one.
//! - A value that comes in ends up in Avro single-object encoding of ours where that is possible, also when an
//!   upstream system wrote it with its own, compatible version of the schema. Otherwise it is passed on as it
//!   came, and its reader makes it a dead letter.
//! - While the registry is away, a value that needs it waits; none is given up for that.
//! - The password appears in no log, error or URL.
//!
//! What this crate does not do: it defines no schema and changes no subject's compatibility rule.
//!
//! - [`options`]: where the registry is and how subjects are named.
//! - [`client`]: register and look up, with memory and patience.
//! - [`subjects`]: which records travel through which topic, and the names of their subjects.
//! - [`framing`]: the values of a topic, on their way out and in.

mod answer;
pub mod client;
mod error;
pub mod framing;
mod http;
pub mod options;
mod patience;
pub mod subjects;
mod tls;

pub use client::RegistryClient;
pub use error::RegistryError;
pub use framing::RegistryFraming;
pub use options::RegistryOptions;
pub use subjects::SubjectNames;
