//! Why the database can't be used, with what to do about it.

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, RequestAttemptError,
};

/// Why the database can't be used. Each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CqlError {
    /// The options contradict themselves.
    #[error("{0}")]
    Options(String),
    /// Nobody answers there.
    #[error(
        "no CQL database answers at {addresses}: {reason}; check contact_points, and that the database is up"
    )]
    Unreachable {
        /// Where.
        addresses: String,
        /// What the driver said.
        reason: String,
    },
    /// The database does not let this program in.
    #[error("the database at {addresses} refuses the login: {reason}; check username and password")]
    Login {
        /// Where.
        addresses: String,
        /// What the database said.
        reason: String,
    },
    /// Somebody answers, and no encrypted connection comes about.
    #[error("no TLS connection to the database at {addresses}: {reason}; check tls and ca_file")]
    Tls {
        /// Where.
        addresses: String,
        /// What went wrong.
        reason: String,
    },
    /// There is no such data centre, or it has to be named.
    #[error("local_dc: {reason}; the data centres of the database are {known}")]
    DataCentre {
        /// What is wrong.
        reason: String,
        /// Which there are.
        known: String,
    },
    /// The keyspace does not exist, and it was not said how to create it.
    #[error(
        "keyspace {0} does not exist; run `sluice store migrate` with replication set (replicas in each data \
         centre), or create it by hand"
    )]
    NoKeyspace(String),
    /// The tables are older than this program, or not there yet.
    #[error(
        "keyspace {keyspace} has schema version {found}, this program needs {expected}; run `sluice store migrate`"
    )]
    OlderSchema {
        /// Which.
        keyspace: String,
        /// 0 where there are no tables.
        found: u32,
        /// What this program knows.
        expected: u32,
    },
    /// The tables are newer than this program.
    #[error(
        "keyspace {keyspace} has schema version {found}, and this program is older: it knows {expected}; use the \
         program that made the schema, or a newer one"
    )]
    NewerSchema {
        /// Which.
        keyspace: String,
        /// What there is.
        found: u32,
        /// What this program knows.
        expected: u32,
    },
    /// The clocks are apart.
    #[error(
        "the clock of database node {node} is {} ms {} this machine's ({max_ms} ms are allowed); set both by NTP \
         before anything is sent",
        skew_ms.unsigned_abs(), if *skew_ms > 0 { "ahead of" } else { "behind" }
    )]
    Clock {
        /// Which node.
        node: String,
        /// The node's clock minus this machine's.
        skew_ms: i64,
        /// `clock_skew_ms_max`.
        max_ms: u64,
    },
    /// The keyspace does not keep what it acknowledges, or can't compare and set.
    #[error("keyspace {keyspace} can't be used: {reason}")]
    Unfit {
        /// Which.
        keyspace: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Something that is asked of it fails.
    #[error("{what} failed: {reason}")]
    Failed {
        /// What was asked.
        what: String,
        /// What the driver said.
        reason: String,
    },
}

impl CqlError {
    pub(crate) fn failed(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Failed { what: what.into(), reason: reason.to_string() }
    }

    /// Why no session could be had.
    pub(crate) fn no_session(addresses: String, error: &NewSessionError) -> Self {
        let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
            last_connection_error: failed,
        })) = error
        else {
            return Self::Unreachable { addresses, reason: error.to_string() };
        };
        match failed {
            ConnectionError::ConnectionSetupRequestError(setup) => match login_refused(&setup.error) {
                Some(reason) => Self::Login { addresses, reason },
                None => Self::Unreachable { addresses, reason: error.to_string() },
            },
            // So does the handshake say that it understands something it does not like.
            ConnectionError::IoError(failed) if failed.kind() == std::io::ErrorKind::InvalidData => {
                Self::Tls { addresses, reason: failed.to_string() }
            }
            _ => Self::Unreachable { addresses, reason: error.to_string() },
        }
    }
}

fn login_refused(error: &ConnectionSetupRequestErrorKind) -> Option<String> {
    use ConnectionSetupRequestErrorKind as Kind;
    match error {
        Kind::DbError(DbError::AuthenticationError | DbError::Unauthorized, text) => Some(text.clone()),
        Kind::MissingAuthentication => Some("it asks for a username and a password".to_owned()),
        Kind::StartAuthSessionError(error)
        | Kind::AuthChallengeEvaluationError(error)
        | Kind::AuthFinishError(error) => Some(error.to_string()),
        _ => None,
    }
}

/// Whether asking again can't help as long as nobody changes the database or this program.
pub(crate) fn is_lasting(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::BadQuery(_) => true,
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, _)) => matches!(
            error,
            DbError::SyntaxError
                | DbError::Invalid
                | DbError::AlreadyExists { .. }
                | DbError::FunctionFailure { .. }
                | DbError::Unauthorized
                | DbError::ConfigError
                | DbError::ProtocolError
        ),
        ExecutionError::LastAttemptError(
            RequestAttemptError::SerializationError(_) | RequestAttemptError::CqlRequestSerialization(_),
        ) => true,
        _ => false,
    }
}
