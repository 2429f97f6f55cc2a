//! HTTP clients: rustls on ring, no redirects, retries of our own, limits on time.

use super::guard::Guard;
use crate::options::AudienceOptions;
use crate::unavailable::RemoteProblem;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

fn settings(problem: impl std::fmt::Display) -> RemoteProblem {
    RemoteProblem::Settings { problem: problem.to_string() }
}

/// A client for hosts that a launch names: connects only where the guard lets it, and past no proxy, which
/// would look names up itself.
pub(super) fn guarded(options: &AudienceOptions, guard: Guard) -> Result<Client, RemoteProblem> {
    let builder = common(options)?.no_proxy().https_only(!options.allow_plain_http);
    builder.dns_resolver(Arc::new(guard)).build().map_err(|error| settings(cause(&error)))
}

/// A client for the endpoints of the configuration. `plain`: without TLS, too.
pub(super) fn trusted(options: &AudienceOptions, plain: bool) -> Result<Client, RemoteProblem> {
    common(options)?.https_only(!plain).build().map_err(|error| settings(cause(&error)))
}

fn common(options: &AudienceOptions) -> Result<ClientBuilder, RemoteProblem> {
    Ok(Client::builder()
        .tls_backend_preconfigured(tls(options)?)
        .connect_timeout(Duration::from_millis(options.connect_timeout_ms))
        .timeout(Duration::from_millis(options.range_timeout_ms))
        // A redirect could point into the inner network, and would carry credentials elsewhere.
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .user_agent("sluice"))
}

fn tls(options: &AudienceOptions) -> Result<ClientConfig, RemoteProblem> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let file = &options.ca_file;
    if !file.as_os_str().is_empty() {
        let wrong = |problem: String| settings(format!("ca_file {}: {problem}", file.display()));
        let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(settings)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The innermost error: the others only say that a request failed, and repeat its URL.
pub(super) fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    super::answer_of(&innermost.to_string())
}
