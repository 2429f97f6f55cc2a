//! What the sink counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::SinkMode;
use crate::Result;
use crate::channel::Channel;
use crate::clock::Clock;
use crate::generic;
use crate::log::{Kind, LogLine, LogWriter, Outcome};

/// So many doubles are named.
const NAMED_MAX: usize = 20;

/// Counts of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStats {
    /// POST and PUT requests that were read completely.
    pub requests: u64,
    /// Different recipients; 0 in [`SinkMode::Count`].
    pub distinct: u64,
    /// Recipients with more than one request.
    pub twice: u64,
    /// The first 20 of them in order of address, with their counts.
    pub twice_first: Vec<(String, u32)>,
}

#[derive(Debug)]
pub(super) struct Record {
    requests: AtomicU64,
    recipients: Option<Mutex<HashMap<Arc<str>, u32>>>,
    log: LogWriter,
    clock: Clock,
}

impl Record {
    pub(super) fn open(mode: &SinkMode) -> Result<Self> {
        let (recipients, log) = match mode {
            SinkMode::Count => (None, None),
            SinkMode::Record { log } => (Some(Mutex::default()), log.as_deref()),
        };
        Ok(Self {
            requests: AtomicU64::new(0),
            recipients,
            log: LogWriter::open(log)?,
            clock: Clock::start(),
        })
    }

    /// Counts one request.
    pub(super) fn count(&self, path: &str, body: &[u8]) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let Some(recipients) = &self.recipients else { return };
        let to: Arc<str> = Arc::from(generic::recipient(body));
        *recipients.lock().unwrap_or_else(PoisonError::into_inner).entry(Arc::clone(&to)).or_default() += 1;
        self.log.append(LogLine {
            t_us: self.clock.now_us(),
            kind: Kind::Call,
            channel: Channel::Http,
            page: Arc::from(generic::page_of(path).unwrap_or(path)),
            to,
            tag: None,
            scope: None,
            event: None,
            outcome: Outcome::Accepted,
            status: 200,
            code: 0,
            message_id: None,
        });
    }

    pub(super) fn stats(&self) -> SinkStats {
        let mut stats = SinkStats { requests: self.requests.load(Ordering::Relaxed), ..SinkStats::default() };
        if let Some(recipients) = &self.recipients {
            let recipients = recipients.lock().unwrap_or_else(PoisonError::into_inner);
            let mut twice: Vec<_> =
                recipients.iter().filter(|(_, n)| **n > 1).map(|(to, n)| (to.to_string(), *n)).collect();
            twice.sort();
            stats.distinct = recipients.len() as u64;
            stats.twice = twice.len() as u64;
            twice.truncate(NAMED_MAX);
            stats.twice_first = twice;
        }
        stats
    }

    pub(super) fn recipients(&self) -> HashMap<String, u32> {
        let Some(recipients) = &self.recipients else { return HashMap::new() };
        let recipients = recipients.lock().unwrap_or_else(PoisonError::into_inner);
        recipients.iter().map(|(to, n)| (to.to_string(), *n)).collect()
    }

    pub(super) fn close(&self) -> Result<()> {
        self.log.close()
    }
}
