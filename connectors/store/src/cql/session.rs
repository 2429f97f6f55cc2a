//! A session of the driver, set up as the options say.

use super::error::CqlError;
use super::options::{CqlConsistency, CqlOptions};
use scylla::client::PoolSize;
use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::{DefaultPolicy, LoadBalancingPolicy};
use scylla::policies::retry::{DefaultRetryPolicy, FallthroughRetryPolicy, RetryPolicy};
use scylla::statement::{Consistency, SerialConsistency};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// The driver's handle and how to run the two kinds of statements.
pub(crate) struct Connected {
    pub(crate) session: Session,
    /// Replicas in random order; idempotent statements may be repeated by the driver.
    pub(crate) plain: ExecutionProfileHandle,
    /// Always the same replica first, so that two rounds of Paxos on one partition seldom meet; the driver
    /// repeats nothing, since it can't know whether it was applied.
    pub(crate) conditional: ExecutionProfileHandle,
    /// Of serial reads.
    pub(crate) serial: Consistency,
}

/// Connects. The keyspace need not exist.
pub(crate) async fn connect(options: &CqlOptions) -> Result<Connected, CqlError> {
    options.validate().map_err(CqlError::Options)?;
    let plain = profile(options, true, Arc::new(DefaultRetryPolicy::new()));
    let conditional = profile(options, false, Arc::new(FallthroughRetryPolicy::new()));
    let per_node = NonZeroUsize::new(options.connections_per_node).unwrap_or(NonZeroUsize::MIN);
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.contact_points)
        .default_execution_profile_handle(plain.clone())
        .connection_timeout(Duration::from_millis(options.connect_ms))
        .schema_agreement_timeout(Duration::from_millis(options.schema_agreement_ms))
        .fetch_schema_metadata(true)
        .keyspaces_to_fetch([&options.keyspace])
        .pool_size(PoolSize::PerShard(per_node));
    if let Some(username) = &options.username {
        builder = builder.user(username, options.password.expose());
    }
    #[cfg(feature = "tls")]
    if options.tls {
        builder = builder.tls_context(Some(tls(options)?));
    }
    let connected = builder.build().await;
    let session = connected.map_err(|error| CqlError::no_session(options.addresses(), &error))?;
    let serial = match options.consistency {
        CqlConsistency::Local => Consistency::LocalSerial,
        CqlConsistency::Global => Consistency::Serial,
    };
    Ok(Connected { session, plain, conditional, serial })
}

fn profile(options: &CqlOptions, is_shuffled: bool, retry: Arc<dyn RetryPolicy>) -> ExecutionProfileHandle {
    let (plain, serial) = match options.consistency {
        CqlConsistency::Local => (Consistency::LocalQuorum, SerialConsistency::LocalSerial),
        CqlConsistency::Global => (Consistency::Quorum, SerialConsistency::Serial),
    };
    ExecutionProfile::builder()
        .consistency(plain)
        .serial_consistency(Some(serial))
        .request_timeout(Some(Duration::from_millis(options.request_ms)))
        .load_balancing_policy(balancing(options, is_shuffled))
        .retry_policy(retry)
        .speculative_execution_policy(None)
        .build()
        .into_handle()
}

/// Nodes of other data centres are never asked: their `LOCAL_QUORUM` would be another one.
fn balancing(options: &CqlOptions, is_shuffled: bool) -> Arc<dyn LoadBalancingPolicy> {
    let policy = DefaultPolicy::builder().token_aware(true).enable_shuffling_replicas(is_shuffled);
    match &options.local_dc {
        Some(name) => policy.prefer_datacenter(name.clone()).permit_dc_failover(false).build(),
        None => policy.build(),
    }
}

#[cfg(feature = "tls")]
fn tls(options: &CqlOptions) -> Result<Arc<rustls::ClientConfig>, CqlError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    match &options.ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let wrong = |reason: String| CqlError::Options(format!("ca_file: {}: {reason}", path.display()));
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("no certificate in it".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CqlError::Options(format!("tls: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
