//! A registry behind TLS and basic authentication.

use crate::place::options_at;
use crate::server::serve;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sluice_registry::{RegistryClient, RegistryError, RegistryOptions};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Certificate and key for `localhost`, which the callers' tests have too.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../providers/tests/it/data");

/// For a client that needs no TLS at all.
pub(crate) fn trusting_nobody() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(format!("{DATA}/localhost.cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{DATA}/localhost.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Knows schema 1, for `ana` with the password `s3cret`.
async fn guarded() -> u16 {
    serve(Some(acceptor()), |request| {
        let request = request.to_ascii_lowercase();
        assert!(!request.lines().next().unwrap().contains("s3cret"));
        // "ana:s3cret" in base 64, in lower case as the whole request is.
        match request.contains("authorization: basic yw5honmzy3jlda==") {
            true if request.starts_with("get /schemas/ids/1 ") => {
                (200, r#"{"schema":"\"string\""}"#.to_owned())
            }
            true => (404, r#"{"error_code":40403,"message":"no"}"#.to_owned()),
            false => (401, r#"{"error_code":401,"message":"Unauthorized"}"#.to_owned()),
        }
    })
    .await
}

fn options(port: u16, password: &str) -> RegistryOptions {
    RegistryOptions {
        username: "ana".to_owned(),
        password: password.into(),
        ca_file: format!("{DATA}/localhost.cert.pem"),
        ..options_at(format!("https://localhost:{port}/"))
    }
}

#[tokio::test]
async fn a_registry_of_ones_own_authority_is_reached_with_a_password() {
    let client = RegistryClient::new(&options(guarded().await, "s3cret")).unwrap();
    assert_eq!(&*client.by_id(1).await.unwrap(), "\"string\"");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let client = RegistryClient::new(&options(guarded().await, "wr0ng")).unwrap();
    let error = client.by_id(1).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized { status: 401, .. }), "{error}");
    let texts = format!("{error} {error:?} {client:?}");
    assert!(error.to_string().contains("registry.password") && !texts.contains("wr0ng"), "{texts}");
}

#[tokio::test]
async fn an_authority_nobody_trusts_is_said() {
    let options = RegistryOptions { ca_file: String::new(), ..options(guarded().await, "s3cret") };
    let error = RegistryClient::new(&options).unwrap().by_id(1).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_by_its_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in ["/no/such/file", file.path().to_str().unwrap()] {
        let options = RegistryOptions { ca_file: path.to_owned(), ..options(1, "s3cret") };
        let error = RegistryClient::new(&options).unwrap_err().to_string();
        assert!(error.starts_with("registry.ca_file") && error.contains(path), "{error}");
    }
}
