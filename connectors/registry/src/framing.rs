//! The values of topics in a registry's framing: out by the ids of our own schemas, in from whatever wrote them.

use crate::client::RegistryClient;
use crate::error::RegistryError;
use crate::options::RegistryOptions;
use crate::patience::Waits;
use crate::subjects::records_of;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_log::kafka::{Framing, Incoming};
use sluice_runtime::ports::log::Topic;
use sluice_schemas::framing::frame_for_registry;
use sluice_schemas::{Framed, Translation};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Foreign schemas that are remembered at most; beyond it one of them is fetched again when it is met.
const REMEMBERED_MAX: usize = 4_096;

/// How long an id is taken as unknown without asking again. A flood of such records must not become one of
/// questions.
const UNKNOWN_FOR: Duration = Duration::from_secs(30);

/// Translates between a registry's framing and single-object encoding.
#[derive(Debug)]
pub struct RegistryFraming {
    client: RegistryClient,
    unknown_max: Duration,
    /// By [`slot`].
    own: Vec<Vec<OwnSchema>>,
    foreign: RwLock<BTreeMap<(Topic, u32), Arc<Foreign>>>,
    /// Why values wait, by topic and schema.
    waiting: Mutex<BTreeMap<(Topic, u32), String>>,
}

/// A version of a record of ours that the registry knows.
#[derive(Debug)]
struct OwnSchema {
    fingerprint: [u8; 8],
    id: u32,
    translation: Translation,
}

/// What became of an id that is none of ours.
#[derive(Debug)]
enum Foreign {
    Usable(Translation),
    /// No value of it can be read in this topic.
    Useless,
    /// The registry had none at a time that is not long ago.
    Missing {
        until: Instant,
    },
}

/// The place of a topic in a table.
fn slot(topic: Topic) -> usize {
    topic as usize
}

impl RegistryFraming {
    /// Registers every version of the schemas of all topics (or finds them, see [`RegistryOptions::register`]), so
    /// that nothing has to be asked when a value leaves. `names`: what the topics are called, with their prefix.
    ///
    /// # Errors
    /// What is wrong with the registry or with a schema there, and what to do.
    pub async fn connect(
        options: &RegistryOptions,
        names: impl IntoIterator<Item = (Topic, String)>,
    ) -> Result<Self, RegistryError> {
        let client = RegistryClient::new(options)?;
        let mut own: Vec<Vec<OwnSchema>> = Vec::new();
        own.resize_with(Topic::ALL.len(), Vec::new);
        for (topic, name) in names {
            for &record in records_of(topic) {
                let subject = options.subjects.subject(topic, &name, record);
                for (text, fingerprint) in record.versions().texts() {
                    let id = match options.register {
                        true => client.register(&subject, text).await?,
                        false => client.find(&subject, text).await?,
                    };
                    let translation = Translation::new(text, records_of(topic))
                        .map_err(|error| RegistryError::Unusable { id, reason: error.to_string() })?;
                    tracing::debug!(subject, id, "schema is registered");
                    own[slot(topic)].push(OwnSchema { fingerprint, id, translation });
                }
            }
        }
        Ok(Self {
            client,
            unknown_max: options.unknown_max(),
            own,
            foreign: RwLock::default(),
            waiting: Mutex::default(),
        })
    }

    fn remember(&self, topic: Topic, id: u32, schema: Foreign) {
        let mut foreign = self.foreign.write().unwrap_or_else(PoisonError::into_inner);
        if foreign.len() >= REMEMBERED_MAX {
            foreign.pop_first();
        }
        foreign.insert((topic, id), Arc::new(schema));
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(Topic, u32), String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value that waits for its schema. Whoever reads it may give up, for example with its partition: then nothing waits.
struct Wait<'a> {
    framing: &'a RegistryFraming,
    schema: (Topic, u32),
}

impl Wait<'_> {
    fn because(&self, reason: Option<String>) {
        let mut waiting = self.framing.waiting();
        match reason {
            Some(reason) => waiting.insert(self.schema, reason),
            None => waiting.remove(&self.schema),
        };
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.because(None);
    }
}

#[async_trait]
impl Framing for RegistryFraming {
    /// Writes a value of ours in the registry's framing into `out` and says `true`. `false`: it is to leave as it
    /// is, for example a record that came in from elsewhere and goes back.
    fn outgoing(&self, topic: Topic, value: &[u8], out: &mut Vec<u8>) -> bool {
        let Framed::SingleObject { fingerprint, datum } = Framed::of(value) else { return false };
        let Some(schema) = self.own[slot(topic)].iter().find(|schema| schema.fingerprint == fingerprint)
        else {
            return false;
        };
        frame_for_registry(schema.id, datum, out);
        true
    }

    /// Translates a value without asking anybody. Values in single-object encoding pass.
    fn incoming(&self, topic: Topic, value: Bytes) -> Incoming {
        let Framed::Registry { id, datum } = Framed::of(&value) else { return Incoming::Ready(value) };
        if let Some(schema) = self.own[slot(topic)].iter().find(|schema| schema.id == id) {
            return Incoming::Ready(translated(&schema.translation, id, datum).unwrap_or(value));
        }
        let known = self.foreign.read().unwrap_or_else(PoisonError::into_inner).get(&(topic, id)).cloned();
        match known.as_deref() {
            None => Incoming::Unknown,
            Some(Foreign::Usable(translation)) => {
                Incoming::Ready(translated(translation, id, datum).unwrap_or(value))
            }
            Some(Foreign::Useless) => Incoming::Ready(value),
            Some(Foreign::Missing { until }) if Instant::now() < *until => Incoming::Ready(value),
            Some(Foreign::Missing { .. }) => Incoming::Unknown,
        }
    }

    /// Translates a value whose schema is [`Incoming::Unknown`]: fetches it, and waits while the registry is away
    /// or refuses us. A value whose schema the registry does not have, or that does not fit what the topic
    /// carries, comes back as it was; the log of the process says why.
    async fn resolve(&self, topic: Topic, value: Bytes) -> Bytes {
        let Framed::Registry { id, .. } = Framed::of(&value) else { return value };
        let wait = Wait { framing: self, schema: (topic, id) };
        let asked_since = Instant::now();
        let mut waits = Waits::new();
        loop {
            if let Incoming::Ready(value) = self.incoming(topic, value.clone()) {
                return value;
            }
            let (left, error) = match self.client.by_id(id).await {
                Ok(text) => {
                    self.remember(topic, id, usable(topic, id, &text));
                    continue;
                }
                Err(error @ RegistryError::UnknownId { .. }) => {
                    let left = self.unknown_max.saturating_sub(asked_since.elapsed());
                    if left.is_zero() {
                        tracing::error!(%topic, id, %error, "values of this schema become dead letters");
                        self.remember(topic, id, Foreign::Missing { until: Instant::now() + UNKNOWN_FOR });
                        continue;
                    }
                    wait.because(None);
                    (left, error)
                }
                Err(error) if error.is_about_the_schema() => {
                    tracing::error!(%topic, id, %error, "values of this schema become dead letters");
                    self.remember(topic, id, Foreign::Useless);
                    continue;
                }
                Err(error) => {
                    wait.because(Some(format!("schema {id} of {topic} can't be fetched: {error}")));
                    (Duration::MAX, error)
                }
            };
            tracing::warn!(%topic, id, %error, "waiting for a schema");
            sleep(waits.next(left)).await;
        }
    }

    fn trouble(&self) -> Option<String> {
        self.waiting().values().next().cloned()
    }
}

fn usable(topic: Topic, id: u32, text: &str) -> Foreign {
    match Translation::new(text, records_of(topic)) {
        Ok(translation) => {
            tracing::info!(%topic, id, own = translation.is_trivial(), "a schema of another producer is read");
            Foreign::Usable(translation)
        }
        Err(error) => {
            tracing::error!(%topic, id, %error, "values of this schema become dead letters");
            Foreign::Useless
        }
    }
}

/// `None`: the datum does not fit its schema.
fn translated(translation: &Translation, id: u32, datum: &[u8]) -> Option<Bytes> {
    let mut out = Vec::new();
    match translation.apply(datum, &mut out) {
        Ok(()) => Some(out.into()),
        Err(error) => {
            tracing::warn!(id, %error, "a value does not fit the schema that it names");
            None
        }
    }
}
