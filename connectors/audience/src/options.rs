//! What audiences may be read, and how.

use crate::error::AudienceError;
use serde::{Deserialize, Serialize};
use sluice_runtime::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What audiences may be read, and how. Nothing of it comes from a launch: who may launch is not who may say which
/// files, networks and buckets this process reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudienceOptions {
    /// Directories that audience files must lie in, symbolic links followed. Default none: any file that the user of
    /// the process may read, which is right for the command line and wrong for a service that others launch on.
    pub roots: Vec<PathBuf>,
    /// Web servers that audiences may come from: `example.com` (the default port), `example.com:8443`,
    /// `*.example.com`, or `*` for any. Default none: a launch must not make this process call hosts of its choice.
    pub allow_hosts: Vec<String>,
    /// Whether an allowed host may have a private, loopback or link-local address. Default no: behind such
    /// addresses are the interfaces that trust whoever can reach them, cloud metadata first of all.
    pub allow_private_networks: bool,
    /// Whether `http://` is read besides `https://`. Default no: the way there could be listened to.
    pub allow_plain_http: bool,
    /// Buckets that audiences may come from, as `s3://lists`. Default none: any that the credentials may read.
    pub allow_buckets: Vec<String>,
    /// Settings for `s3://` over those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, …), under
    /// the same names in lower case: `region`, `endpoint` of a compatible store, `allow_http`,
    /// `access_key_id`, `secret_access_key`. Default none.
    pub s3: BTreeMap<String, Secret>,
    /// The same for `gs://` (`GOOGLE_SERVICE_ACCOUNT`, …).
    pub google: BTreeMap<String, Secret>,
    /// The same for `az://` (`AZURE_STORAGE_ACCOUNT_NAME`, …).
    pub azure: BTreeMap<String, Secret>,
    /// A PEM file of certificate authorities that are trusted besides the public ones. Default none.
    pub ca_file: PathBuf,
    /// Bytes of an audience at most. Default 64 GiB: about 500 million rows.
    pub bytes_max: u64,
    /// Bytes of one ranged request, 64 KiB to 64 MiB. Default 4 MiB: at 50 ms a request that is 80 MB/s, more than rows are
    /// decided at, and little is read again after a broken connection.
    pub range_bytes: usize,
    /// Bytes of a remote Parquet file that are held at most. Default 64 MiB: two ranges for each of eight columns.
    pub cache_bytes_max: usize,
    /// Bytes of one column in one row group of a Parquet file at most, uncompressed. Default 512 MiB: what writers make
    /// by default is far below.
    pub column_chunk_bytes_max: u64,
    /// How long connecting may take, in ms. Default 10,000.
    pub connect_timeout_ms: u64,
    /// How long one ranged request may take in all, in ms. Default 120,000: 35 kB/s.
    pub range_timeout_ms: u64,
    /// How often a request is tried before the audience counts as unavailable. Default 8: with the waits below a
    /// store may be away for a minute in the middle of an audience.
    pub tries_max: u32,
    /// First and longest wait between tries, in ms; it doubles. Default 500 and 30,000.
    pub retry_ms: (u64, u64),
}

impl Default for AudienceOptions {
    fn default() -> Self {
        AudienceOptions {
            roots: Vec::new(),
            allow_hosts: Vec::new(),
            allow_private_networks: false,
            allow_plain_http: false,
            allow_buckets: Vec::new(),
            s3: BTreeMap::new(),
            google: BTreeMap::new(),
            azure: BTreeMap::new(),
            ca_file: PathBuf::new(),
            bytes_max: 64 << 30,
            range_bytes: 4 << 20,
            cache_bytes_max: 64 << 20,
            column_chunk_bytes_max: 512 << 20,
            connect_timeout_ms: 10_000,
            range_timeout_ms: 120_000,
            tries_max: 8,
            retry_ms: (500, 30_000),
        }
    }
}

impl AudienceOptions {
    /// Whether every value can be worked with.
    ///
    /// # Errors
    /// Names the first that cannot.
    pub fn validate(&self) -> Result<(), AudienceError> {
        let refuse = |option, problem: String| Err(AudienceError::Option { option, problem });
        let at_least_one = [
            ("bytes_max", self.bytes_max),
            ("column_chunk_bytes_max", self.column_chunk_bytes_max),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("range_timeout_ms", self.range_timeout_ms),
            ("tries_max", u64::from(self.tries_max)),
            ("retry_ms", self.retry_ms.0),
        ];
        if let Some((option, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return refuse(option, "it is 0, it has to be at least 1".to_owned());
        }
        if self.retry_ms.1 < self.retry_ms.0 {
            return refuse("retry_ms", "the longest wait is shorter than the first".to_owned());
        }
        if !((64 << 10)..=(64 << 20)).contains(&self.range_bytes) {
            let problem = format!("it is {}, possible is 64 KiB to 64 MiB", self.range_bytes);
            return refuse("range_bytes", problem);
        }
        if self.cache_bytes_max < 2 * self.range_bytes {
            return refuse("cache_bytes_max", "it has to hold two ranges of range_bytes".to_owned());
        }
        if let Some(root) = self.roots.iter().find(|root| !root.is_absolute()) {
            return refuse("roots", format!("{} is not a whole path", root.display()));
        }
        let host = |entry: &&String| entry.is_empty() || entry.contains(['/', '@', ' ']);
        if self.allow_hosts.iter().any(|entry| host(&entry)) {
            return refuse("allow_hosts", "write a host, or host:port, without scheme and path".to_owned());
        }
        let bucket = |entry: &&String| {
            let name = ["s3://", "gs://", "az://"].iter().find_map(|scheme| entry.strip_prefix(scheme));
            name.is_none_or(|name| name.is_empty() || name.contains('/'))
        };
        if self.allow_buckets.iter().any(|entry| bucket(&entry)) {
            return refuse("allow_buckets", "write s3://bucket, gs://bucket or az://container".to_owned());
        }
        Ok(())
    }
}
