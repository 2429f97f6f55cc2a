//! Calls over TLS.

use crate::caller::{Rig, endpoint};
use crate::server::{Reaction, Server, json};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sluice_core::throttle::HoldReason;
use sluice_providers::HttpCallerOptions;
use sluice_runtime::ports::caller::CallResult;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

const CERTIFICATE: &[u8] = include_bytes!("data/localhost.cert.pem");
const KEY: &[u8] = include_bytes!("data/localhost.key.pem");

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(CERTIFICATE).unwrap()
}

/// Answers whatever it is asked; gives its port.
fn https_server() -> u16 {
    https_server_of(json(200, "{\"id\":\"m\"}"), false)
}

/// The same with this answer; `closes`: it closes the socket after each, without a word of TLS.
fn https_server_of(answer: String, closes: bool) -> u16 {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate()], PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut buffer = [0; 4_096];
            while matches!(tls.read(&mut buffer), Ok(count) if count > 0) {
                if tls.write_all(answer.as_bytes()).is_err() || closes {
                    break;
                }
            }
        }
    });
    port
}

fn trusting() -> HttpCallerOptions {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpCallerOptions { threads: 1, tls: Some(Arc::new(tls)), ..HttpCallerOptions::default() }
}

fn unreachable(result: CallResult) -> String {
    match result {
        CallResult::NotCalled { reason: Some(HoldReason::Unreachable(detail)) } => detail,
        result => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn a_call_goes_over_tls() {
    let mut rig = Rig::new(trusting());
    let endpoint = endpoint(&format!("https://localhost:{}/", https_server()), 5_000);
    for _ in 0..3 {
        assert_eq!(rig.one(&endpoint).await, CallResult::Accepted { message_id: Some("m".to_owned()) });
    }
}

#[tokio::test]
async fn what_breaks_off_without_a_word_of_tls_counts_only_where_it_said_success() {
    let mut rig = Rig::new(trusting());
    for (status, length) in [(200, ""), (200, "content-length: 99\r\n"), (500, "")] {
        let answer = format!("HTTP/1.1 {status} X\r\n{length}\r\n{{\"id\":\"m\"}}");
        let url = format!("https://localhost:{}/", https_server_of(answer, true));
        let result = rig.one(&endpoint(&url, 5_000)).await;
        match status {
            200 => assert_eq!(result, CallResult::Accepted { message_id: Some("m".to_owned()) }, "{length}"),
            _ => assert!(matches!(result, CallResult::Unknown { .. }), "{result:?}"),
        }
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_no_connection() {
    let mut rig = Rig::new(HttpCallerOptions { threads: 1, ..HttpCallerOptions::default() });
    let detail =
        unreachable(rig.one(&endpoint(&format!("https://localhost:{}/", https_server()), 5_000)).await);
    assert!(detail.contains("no TLS"), "{detail}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_no_connection() {
    let server = Server::start(|_, _| Reaction::Close);
    let mut rig = Rig::new(trusting());
    let url = format!("https://localhost:{}/", server.address.port());
    unreachable(rig.one(&endpoint(&url, 1_000)).await);
}
