//! A registry's client with memory: ids and schemas never change, so each is asked for once.

use crate::answer::Refusal;
use crate::error::RegistryError;
use crate::http::Http;
use crate::options::RegistryOptions;
use crate::patience::Waits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Schemas that are remembered at most; beyond it the smallest ids are asked for again.
const REMEMBERED_MAX: usize = 4_096;

/// Registers schemas and looks them up.
#[derive(Debug)]
pub struct RegistryClient {
    http: Http,
    patience: Duration,
    memory: Mutex<Memory>,
}

/// Both ways, as far as known.
#[derive(Debug, Default)]
struct Memory {
    schemas: BTreeMap<u32, Arc<str>>,
    ids: BTreeMap<(String, String), u32>,
}

/// The body of a registration and of a look-up by schema. `schemaType` is left out: Avro is the default.
#[derive(Serialize)]
struct Document<'d> {
    schema: &'d str,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

#[derive(Deserialize)]
struct Found {
    schema: String,
    #[serde(default, rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<serde_json::Value>,
}

impl RegistryClient {
    /// A client of the configured registry. Nothing is asked yet.
    ///
    /// # Errors
    /// [`RegistryError::Options`].
    pub fn new(options: &RegistryOptions) -> Result<Self, RegistryError> {
        let http = Http::new(options)?;
        Ok(Self { http, patience: options.start_max(), memory: Mutex::default() })
    }

    /// The registry's base URL.
    pub fn url(&self) -> String {
        self.http.base()
    }

    /// Registers a schema under a subject, or finds it there: the same schema has the same id, however often. A
    /// registry that is away is asked again, as long as a start may take.
    ///
    /// # Errors
    /// What it says, with what to do.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        self.id(subject, schema, &["subjects", subject, "versions"]).await
    }

    /// Finds a schema that somebody else registered under a subject.
    ///
    /// # Errors
    /// [`RegistryError::NotRegistered`] when it is not there.
    pub async fn find(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        self.id(subject, schema, &["subjects", subject]).await
    }

    async fn id(&self, subject: &str, schema: &str, path: &[&str]) -> Result<u32, RegistryError> {
        let key = (subject.to_owned(), schema.to_owned());
        if let Some(id) = self.memory().ids.get(&key) {
            return Ok(*id);
        }
        let until = Instant::now() + self.patience;
        let mut waits = Waits::new();
        let id = loop {
            let answer: Result<Registered, Refusal> = self.http.post(path, &Document { schema }).await;
            let error = match answer {
                Ok(registered) => break registered.id,
                Err(refusal) => self.about_subject(refusal, subject),
            };
            let left = until.saturating_duration_since(Instant::now());
            if !error.is_retriable() || left.is_zero() {
                return Err(error);
            }
            tracing::warn!(%error, "waiting for the schema registry");
            sleep(waits.next(left)).await;
        };
        let mut memory = self.memory();
        memory.ids.insert(key, id);
        memory.schemas.insert(id, schema.into());
        Ok(id)
    }

    /// The schema of an id. Asks once; see [`RegistryError::is_retriable`].
    ///
    /// # Errors
    /// [`RegistryError::UnknownId`], [`RegistryError::Unusable`], or what is wrong with the registry.
    pub async fn by_id(&self, id: u32) -> Result<Arc<str>, RegistryError> {
        if let Some(schema) = self.memory().schemas.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let found: Found =
            self.http.get(&["schemas", "ids", &id.to_string()]).await.map_err(|refusal| match refusal {
                Refusal::NoSuch => RegistryError::UnknownId { url: self.url(), id },
                other => self.about_subject(other, &format!("id {id}")),
            })?;
        if let Some(other) = found.schema_type.filter(|kind| kind != "AVRO") {
            let reason = format!("it is a {} schema, expected is Avro", crate::answer::shown(&other));
            return Err(RegistryError::Unusable { id, reason });
        }
        if !found.references.is_empty() {
            let reason = "it refers to schemas of other subjects; write them into it".to_owned();
            return Err(RegistryError::Unusable { id, reason });
        }
        let schema: Arc<str> = found.schema.into();
        let mut memory = self.memory();
        memory.schemas.insert(id, Arc::clone(&schema));
        if memory.schemas.len() > REMEMBERED_MAX {
            memory.schemas.pop_first();
        }
        Ok(schema)
    }

    fn about_subject(&self, refusal: Refusal, subject: &str) -> RegistryError {
        let (url, subject) = (self.url(), subject.to_owned());
        match refusal {
            Refusal::Away(reason) => RegistryError::Away { url, reason },
            Refusal::Unauthorized(status) => RegistryError::Unauthorized { url, status },
            Refusal::NoSuch => RegistryError::NotRegistered { url, subject },
            Refusal::Incompatible(reason) => RegistryError::Incompatible { url, subject, reason },
            Refusal::Refused(reason) => RegistryError::Refused { url, subject, reason },
            Refusal::NotARegistry(reason) => RegistryError::NotARegistry { url, reason },
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
