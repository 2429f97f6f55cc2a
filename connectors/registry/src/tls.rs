//! TLS towards the registry: rustls on ring, the public authorities or those of a file.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Client settings that trust the certificates in `ca_file`, or the public authorities where it is empty.
///
/// # Errors
/// A sentence that begins with the key.
pub(crate) fn client_config(ca_file: &str) -> Result<ClientConfig, String> {
    let roots = if ca_file.is_empty() {
        RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
    } else {
        from_file(ca_file)?
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("url can't be used with TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn from_file(path: &str) -> Result<RootCertStore, String> {
    let wrong = |problem: String| format!("ca_file {path} {problem}");
    let pem = std::fs::read(path).map_err(|error| wrong(format!("can't be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(format!("is no PEM file: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("holds a certificate that can't be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    Ok(roots)
}
