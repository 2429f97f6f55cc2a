//! Why a store or server does not give an audience, and what to do about it.

use std::net::IpAddr;

/// Why a store or server does not give an audience.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteProblem {
    /// Nothing is there.
    #[error("nothing is there under this name")]
    NotFound,
    /// The store refuses.
    #[error("access is refused ({answer})")]
    Forbidden {
        /// The status or the store's own word.
        answer: String,
    },
    /// No credentials for the store were found.
    #[error("no credentials for the store were found")]
    NoCredentials,
    /// The bucket is in another region than the one asked.
    #[error("the bucket is in another region than the one that is configured ({answer})")]
    Region {
        /// The store's own word.
        answer: String,
    },
    /// The configuration allows only other hosts.
    #[error("the host `{host}` is not one that audiences may come from")]
    HostNotAllowed {
        /// The host.
        host: String,
    },
    /// The configuration allows only other buckets.
    #[error("the bucket `{bucket}` is not one that audiences may come from")]
    BucketNotAllowed {
        /// The bucket with its scheme.
        bucket: String,
    },
    /// Not encrypted.
    #[error("http:// is not encrypted")]
    PlainHttp,
    /// The host's address is one of an inner network.
    #[error("the host has the address {address} of an inner network")]
    PrivateAddress {
        /// The address.
        address: IpAddr,
    },
    /// The server says that it is elsewhere.
    #[error("the server answers with a redirect ({status})")]
    Redirect {
        /// HTTP status.
        status: u16,
    },
    /// The server sends only the whole file.
    #[error("the server does not give parts of the file")]
    NoRanges,
    /// Nothing tells whether the content changed.
    #[error("the server states neither an ETag nor a modification time")]
    NoVersion,
    /// An answer that is none of the expected ones.
    #[error("the answer is not one of a file: {answer}")]
    Refused {
        /// The status or the store's own word.
        answer: String,
    },
    /// A setting of the store cannot be used.
    #[error("the store's settings cannot be used: {problem}")]
    Settings {
        /// Which, and why.
        problem: String,
    },
    /// It could not be had in all tries.
    #[error("it is unavailable after {tries} tries: {cause}")]
    Unavailable {
        /// How often it was tried.
        tries: u32,
        /// What happened last.
        cause: String,
    },
}

impl RemoteProblem {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            RemoteProblem::NotFound => "audience_not_found",
            RemoteProblem::Forbidden { .. } => "audience_forbidden",
            RemoteProblem::NoCredentials => "audience_no_credentials",
            RemoteProblem::Region { .. } => "audience_region",
            RemoteProblem::HostNotAllowed { .. } => "audience_host_not_allowed",
            RemoteProblem::BucketNotAllowed { .. } => "audience_bucket_not_allowed",
            RemoteProblem::PlainHttp => "audience_plain_http",
            RemoteProblem::PrivateAddress { .. } => "audience_private_address",
            RemoteProblem::Redirect { .. } => "audience_redirect",
            RemoteProblem::NoRanges => "audience_no_ranges",
            RemoteProblem::NoVersion => "audience_no_version",
            RemoteProblem::Refused { .. } => "audience_refused",
            RemoteProblem::Settings { .. } => "audience_store_settings",
            RemoteProblem::Unavailable { .. } => "audience_unavailable",
        }
    }

    /// What a person can do about it.
    pub fn actionable(&self) -> &'static str {
        match self {
            RemoteProblem::NotFound => "check bucket and key, or host and path: upper and lower case differ",
            RemoteProblem::Forbidden { .. } => {
                "allow the process's identity to read the object; for s3:// s3:GetObject on it"
            }
            RemoteProblem::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (GOOGLE_*, AZURE_* for the others) for the process, \
                 or give its machine a role"
            }
            RemoteProblem::Region { .. } => "set AWS_REGION, or audience.s3.region, to the bucket's region",
            RemoteProblem::HostNotAllowed { .. } => {
                "add the host to audience.allow_hosts of the configuration, or use a host that is there"
            }
            RemoteProblem::BucketNotAllowed { .. } => {
                "add the bucket to audience.allow_buckets of the configuration, or use one that is there"
            }
            RemoteProblem::PlainHttp => {
                "write https://, or set audience.allow_plain_http on a network of your own"
            }
            RemoteProblem::PrivateAddress { .. } => {
                "use a public host, or set audience.allow_private_networks where all who launch are trusted"
            }
            RemoteProblem::Redirect { .. } => "name the place it points to: redirects are not followed",
            RemoteProblem::NoRanges => {
                "put the file on a server that answers ranged requests (any object store, nginx, Apache)"
            }
            RemoteProblem::NoVersion => {
                "put the file on a server that states an ETag: without one nobody can tell whether it changed"
            }
            RemoteProblem::Refused { .. } => "open the URL by other means to see what the server says",
            RemoteProblem::Settings { .. } => "correct audience.s3, .google or .azure, or the environment",
            RemoteProblem::Unavailable { .. } => {
                "check network and store, then run it again; audience.tries_max and retry_ms say how long it is tried"
            }
        }
    }
}
