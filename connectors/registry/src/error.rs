//! What can be wrong with a registry, and what to do.

/// Why the registry could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The settings can't work.
    #[error("registry.{0}")]
    Options(String),
    /// It does not answer, or says that it can't at present.
    #[error("the schema registry {url} can't be reached: {reason}; check registry.url and that it runs")]
    Away {
        /// Its base URL.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It refuses the credentials.
    #[error(
        "the schema registry {url} refuses the credentials (HTTP {status}); check registry.username and registry.password, \
         and that they may read and register schemas"
    )]
    Unauthorized {
        /// Its base URL.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// Something else answers there.
    #[error(
        "{url} does not answer as a schema registry: {reason}; registry.url must be the base of the REST API, \
         for Apicurio it ends with /apis/ccompat/v7"
    )]
    NotARegistry {
        /// What was asked.
        url: String,
        /// What came back.
        reason: String,
    },
    /// It has no schema of this id.
    #[error(
        "the schema registry {url} has no schema {id}; the producer used another registry, or this one lost it"
    )]
    UnknownId {
        /// Its base URL.
        url: String,
        /// What was asked for.
        id: u32,
    },
    /// A schema is not there, and is not to be registered.
    #[error(
        "the schema registry {url} does not have our schema of {subject}; register the newest file of that record in \
         schemas/avro there, or set registry.register = true"
    )]
    NotRegistered {
        /// Its base URL.
        url: String,
        /// Where it was looked for.
        subject: String,
    },
    /// The subject's rule does not allow the schema.
    #[error(
        "the schema registry {url} refuses the schema of {subject} as incompatible: {reason}; the subject holds a schema \
         of something else or of a newer version: remove it there, or choose other subjects by registry.subjects or \
         the prefix of the topics"
    )]
    Incompatible {
        /// Its base URL.
        url: String,
        /// What was registered.
        subject: String,
        /// What it says.
        reason: String,
    },
    /// The registry takes no schemas, or not this one.
    #[error(
        "the schema registry {url} does not take the schema of {subject}: {reason}; where only others may register, do it \
         there and set registry.register = false"
    )]
    Refused {
        /// Its base URL.
        url: String,
        /// What was registered.
        subject: String,
        /// What it says.
        reason: String,
    },
    /// The schema is there but of a kind that can't be used.
    #[error("schema {id} can't be used: {reason}")]
    Unusable {
        /// Its id.
        id: u32,
        /// Why.
        reason: String,
    },
}

impl RegistryError {
    /// Whether the same question may be answered later without anybody changing anything here.
    pub fn is_retriable(&self) -> bool {
        matches!(self, RegistryError::Away { .. })
    }

    /// Whether the answer is about the schema, not about the registry: it stays what it is.
    pub fn is_about_the_schema(&self) -> bool {
        matches!(self, RegistryError::UnknownId { .. } | RegistryError::Unusable { .. })
    }
}
