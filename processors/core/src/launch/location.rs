//! Where an audience file is: a path of the machine that reads it, or a URL.
//!
//! Guarantee: a location that was read holds no credentials, as far as its form tells: a launch is kept, logged and
//! shown, so a secret in it would be, too. Nothing here looks at whether the host or bucket may be read.

use std::borrow::Cow;

/// A location, as the launch writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location<'a> {
    /// A file of the machine: a path, or `file:///path`.
    File {
        /// Its path.
        path: Cow<'a, str>,
    },
    /// An object of a cloud store: `s3://bucket/key`.
    Object {
        /// Which kind of store.
        store: ObjectStoreKind,
        /// The bucket; the container in Azure.
        bucket: &'a str,
        /// The key, literally: nothing in it is percent-decoded.
        key: &'a str,
    },
    /// A file of a web server: `https://host/path`.
    Web {
        /// Whether the transport is encrypted.
        secure: bool,
        /// Host and, where it is stated, port.
        authority: &'a str,
        /// Its path with the leading slash, without the query.
        path: &'a str,
    },
}

/// A kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectStoreKind {
    /// Amazon S3 and all that speak its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl ObjectStoreKind {
    /// The scheme of its URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            ObjectStoreKind::S3 => "s3",
            ObjectStoreKind::Google => "gs",
            ObjectStoreKind::Azure => "az",
        }
    }
}

/// Why a text is no location. Holds nothing of the text but its scheme: the rest may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {hint}")]
pub struct LocationError {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: &'static str,
}

fn refuse<T>(problem: impl Into<String>, hint: &'static str) -> Result<T, LocationError> {
    Err(LocationError { problem: problem.into(), hint })
}

const NO_CREDENTIALS: &str =
    "give credentials in the environment or the configuration of the process that reads";
const OBJECT_FORM: &str = "write s3://bucket/key, gs://bucket/key or az://container/key";
/// Bytes of a URL at most.
const URL_BYTES_MAX: usize = 2_048;

/// Whether a text has the form of a URL: everything else is a path.
pub fn is_url(text: &str) -> bool {
    scheme_of(text).is_some()
}

fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let fits = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic()) && scheme.bytes().all(word);
    fits.then_some((scheme, rest))
}

impl<'a> Location<'a> {
    /// Reads a path or URL.
    ///
    /// # Errors
    /// An unknown scheme, credentials of any form, or a URL that lacks a part.
    pub fn parse(text: &'a str) -> Result<Self, LocationError> {
        let Some((scheme, rest)) = scheme_of(text) else {
            return Ok(Location::File { path: Cow::Borrowed(text) });
        };
        if text.len() > URL_BYTES_MAX {
            return refuse(
                format!("it has {} bytes, {URL_BYTES_MAX} are possible", text.len()),
                "shorten it",
            );
        }
        if text.chars().any(|c| c.is_control() || (c.is_whitespace() && c != ' ') || c == '\\') {
            return refuse("it has control characters or a backslash", "write the URL as the store shows it");
        }
        match scheme.to_ascii_lowercase().as_str() {
            "file" => local(rest),
            "s3" => object(ObjectStoreKind::S3, rest),
            "gs" => object(ObjectStoreKind::Google, rest),
            "az" => object(ObjectStoreKind::Azure, rest),
            "https" => web(true, rest),
            "http" => web(false, rest),
            other => {
                let known = "known are https, s3, gs, az and file; a path needs no scheme";
                refuse(format!("`{}` is not a scheme that audiences are read by", super::shown(other)), known)
            }
        }
    }

    /// The part whose ending tells the format: without query.
    pub fn name(&self) -> &str {
        match self {
            Location::File { path } => path,
            Location::Object { key, .. } => key,
            Location::Web { path, .. } => path,
        }
    }
}

/// `file:///path`, percent-decoded as browsers and tools write it.
fn local<'a>(rest: &'a str) -> Result<Location<'a>, LocationError> {
    let hint = "write file:///whole/path, or the path alone";
    let path = match rest.strip_prefix("localhost").unwrap_or(rest) {
        path if path.starts_with('/') => path,
        _ => return refuse("a file URL of another machine cannot be read", hint),
    };
    if path.contains(['?', '#']) {
        return refuse("a file URL has no query", hint);
    }
    match percent_decoded(path) {
        Some(path) if !path.contains('\0') => Ok(Location::File { path }),
        _ => refuse("its percent signs do not spell UTF-8", hint),
    }
}

fn object<'a>(store: ObjectStoreKind, rest: &'a str) -> Result<Location<'a>, LocationError> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains(['@', ':']) {
        return refuse("a URL with credentials or a port is not taken", NO_CREDENTIALS);
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !(3..=222).contains(&bucket.len()) || !bucket.bytes().all(word) || bucket.contains("..") {
        return refuse("it does not name a bucket", OBJECT_FORM);
    }
    if key.contains(['?', '#']) {
        return refuse("the URL of an object has no query", OBJECT_FORM);
    }
    if key.is_empty() || key.ends_with('/') {
        return refuse("it names a bucket or a folder, not one object", OBJECT_FORM);
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("its key has an empty part, `.` or `..`", OBJECT_FORM);
    }
    Ok(Location::Object { store, bucket, key })
}

fn web<'a>(secure: bool, rest: &'a str) -> Result<Location<'a>, LocationError> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.contains('@') {
        return refuse("a URL with credentials is not taken", NO_CREDENTIALS);
    }
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if authority.is_empty() || !authority.bytes().all(host) {
        return refuse(
            "it does not name a host",
            "write https://host/path; a name outside ASCII in its xn-- form",
        );
    }
    if tail.contains('#') {
        return refuse("a URL with a fragment is not taken", "leave out what comes after #");
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if path.len() < 2 || path.ends_with('/') {
        return refuse("it names a host or a folder, not one file", "write https://host/path");
    }
    for parameter in query.split('&') {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        if is_secret(&percent_decoded(name).unwrap_or_default()) {
            let hint = "a launch is kept and shown; name the object as s3://, gs:// or az:// and give credentials in \
                        the environment";
            return refuse("its query carries a signature or a token", hint);
        }
    }
    Ok(Location::Web { secure, authority, path })
}

/// Names under which signed URLs and APIs carry what lets somebody in.
fn is_secret(parameter: &str) -> bool {
    let name = parameter.to_ascii_lowercase();
    let parts =
        ["signature", "token", "secret", "passw", "credential", "apikey", "api_key", "api-key", "accesskey"];
    let starts = ["x-amz-", "x-goog-", "auth"];
    matches!(name.as_str(), "sig" | "key" | "code" | "jwt" | "sas")
        || parts.iter().any(|part| name.contains(part))
        || starts.iter().any(|start| name.starts_with(start))
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                (digit()? * 16 + digit()?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Location::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        for path in ["people.csv", "/data/people.csv", "a:b/c", "./s3:/x", "1s3://b/k", "://x"] {
            assert_eq!(Location::parse(path), Ok(Location::File { path: path.into() }), "{path}");
            assert!(!is_url(path));
        }
        assert_eq!(Location::parse("file:///a%20b.csv"), Ok(Location::File { path: "/a b.csv".into() }));
        assert_eq!(
            Location::parse("s3://lists/2026/people 1%.parquet"),
            Ok(Location::Object {
                store: ObjectStoreKind::S3,
                bucket: "lists",
                key: "2026/people 1%.parquet"
            })
        );
        let web = Location::Web { secure: true, authority: "example.com:8443", path: "/a/people.csv" };
        assert_eq!(Location::parse("https://example.com:8443/a/people.csv?day=3"), Ok(web.clone()));
        assert_eq!(web.name(), "/a/people.csv");
        for (url, store) in
            [("gs://bucket/k", ObjectStoreKind::Google), ("AZ://box/k", ObjectStoreKind::Azure)]
        {
            assert!(matches!(Location::parse(url), Ok(Location::Object { store: s, .. }) if s == store));
        }
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        for url in [
            "https://user:hunter2@example.com/a.csv",
            "s3://AKIA:hunter2@bucket/a.csv",
            "https://example.com/a.csv?X-Amz-Signature=hunter2",
            "https://example.com/a.csv?a=b&X%2DAmz%2DSignature=hunter2",
            "https://example.com/a.csv?sv=1&sig=hunter2",
            "https://example.com/a.csv?access_token=hunter2",
            "gs://bucket/a.csv?Signature=hunter2",
        ] {
            let found = problem(url);
            assert!(!found.contains("hunter2"), "{found}");
        }
        assert!(Location::parse("https://example.com/export.csv?list=5&day=monday").is_ok());
    }

    #[test]
    fn a_url_that_lacks_a_part_says_how_it_is_written() {
        for (url, expected) in [
            ("ftp://example.com/a.csv", "`ftp` is not a scheme"),
            ("s3://bucket", "not one object"),
            ("s3://bucket/folder/", "not one object"),
            ("s3:///key", "does not name a bucket"),
            ("s3://bucket/a/../b", "`..`"),
            ("s3://bucket/a//b", "empty part"),
            ("https://", "does not name a host"),
            ("https://example.com/", "not one file"),
            ("https://ex ample.com/a", "does not name a host"),
            ("https://example.com\\@evil.example/a", "backslash"),
            ("https://example.com/a.csv#b", "fragment"),
            ("file://other/a.csv", "another machine"),
            ("file:///a%ff", "UTF-8"),
            ("https://example.com/a\nb", "control characters"),
        ] {
            let found = problem(url);
            assert!(found.contains(expected), "{url}: {found}");
        }
    }
}
