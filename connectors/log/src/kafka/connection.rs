//! A connection for administration and questions: watermarks, descriptions, settings.

use super::client::{self, AGAIN, Events, ONE_TRY};
use super::error::KafkaError;
use super::native::{self, Described};
use super::options::KafkaOptions;
use super::trouble::{RefusalKind, Trouble};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;

/// Two clients: librdkafka's administration, and questions for partitions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) admin: Arc<AdminClient<Events>>,
    pub(crate) questions: Arc<BaseConsumer<Events>>,
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) timeout: Duration,
    brokers: String,
}

impl Connection {
    /// Connects, and waits for a broker to answer.
    pub(crate) async fn open(options: &KafkaOptions) -> Result<Self, KafkaError> {
        options.validate().map_err(KafkaError::Options)?;
        let trouble = Arc::new(Trouble::new(&options.brokers));
        let events = Events { trouble: trouble.clone() };
        let config = client::base(options);
        let refused = |error: ClientError| KafkaError::Client(error.to_string());
        let connection = Self {
            admin: Arc::new(config.create_with_context(events.clone()).map_err(refused)?),
            questions: Arc::new(config.create_with_context(events).map_err(refused)?),
            trouble,
            timeout: Duration::from_millis(u64::from(options.connect_timeout_ms)),
            brokers: options.brokers.clone(),
        };
        connection.trouble.lifeline.hold(&connection.admin);
        connection.trouble.lifeline.hold(&connection.questions);
        connection.wait_for_a_broker().await?;
        Ok(connection)
    }

    async fn wait_for_a_broker(&self) -> Result<(), KafkaError> {
        let until = SystemClock.monotonic() + self.timeout;
        loop {
            let questions = self.questions.clone();
            let answer = blocking(move || {
                // What the connections say is heard by polling.
                questions.poll(Duration::ZERO);
                let answer = questions.fetch_metadata(None, Duration::from_millis(500)).map(|_| ());
                questions.poll(Duration::ZERO);
                answer
            })
            .await;
            // A refusal is final, and is heard again and again by the clients: wait for the first.
            match self.trouble.refusal() {
                Some((RefusalKind::Login | RefusalKind::Tls, text)) => return Err(KafkaError::Refused(text)),
                _ if answer.is_ok() => return Ok(()),
                _ => {}
            }
            if SystemClock.monotonic() >= until {
                let reason = self.trouble.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
                return Err(KafkaError::Unreachable { brokers: self.brokers.clone(), reason });
            }
        }
    }

    /// Describes topics, waiting until the timeout while brokers do not answer.
    pub(crate) async fn describe(&self, names: Vec<String>) -> Result<Vec<Described>, KafkaError> {
        let until = SystemClock.monotonic() + self.timeout;
        loop {
            let asked = names.clone();
            let code =
                match self.blocking(move |client| native::describe_topics(client, &asked, ONE_TRY)).await {
                    Ok(described) => return Ok(described),
                    Err(code) => code,
                };
            let again = !matches!(code, Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)
                && self.trouble.failed("describing topics", code);
            if !again || SystemClock.monotonic() >= until {
                return Err(self.failed("describing topics", &ClientError::AdminOp(code)));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Runs something with a client where it may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Client<Events>) -> T + Send + 'static,
    ) -> T {
        let admin = self.admin.clone();
        blocking(move || work(admin.inner())).await
    }

    pub(crate) fn admin_options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// An administrative request that failed.
    pub(crate) fn failed(&self, what: &str, error: &ClientError) -> KafkaError {
        KafkaError::Admin { what: what.to_owned(), reason: error.to_string() }
    }
}

/// Runs what blocks beside the runtime's workers.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        // The runtime is shutting down: nothing polls this any more.
        Err(_) => std::future::pending().await,
    }
}
