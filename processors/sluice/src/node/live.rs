//! The configuration of a running process: its limits may change, nothing else does.

use crate::config::Config;
use sluice_providers::ProviderMessages;
use std::sync::{Arc, PoisonError, RwLock};

/// Clones are one and the same.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    config: Arc<RwLock<Arc<Config>>>,
    messages: ProviderMessages,
}

impl LiveConfig {
    /// As the process starts.
    pub fn new(config: Config) -> Self {
        let messages = ProviderMessages::new(config.provider_pages());
        Self { config: Arc::new(RwLock::new(Arc::new(config))), messages }
    }

    /// As it is now.
    pub fn now(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Messages, with the limits of pages as they are now.
    pub fn messages(&self) -> ProviderMessages {
        self.messages.clone()
    }

    /// Takes the limits of another configuration over.
    ///
    /// # Errors
    /// Why they can't be kept beside everything else that is in force, a sentence for people; nothing is changed then.
    pub fn take_limits(&self, other: &Config) -> Result<Arc<Config>, String> {
        let config = self.now().with_limits_of(other);
        config.validate()?;
        self.messages.change_limits(config.provider_pages());
        let config = Arc::new(config);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        Ok(config)
    }
}
