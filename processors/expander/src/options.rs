//! The settings of the expander.

use crate::ExpanderError;
use serde::{Deserialize, Serialize};
use sluice_core::CHUNK_ROWS_MAX;

/// The settings of the expander; every queue has its limit here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpanderOptions {
    /// Campaigns that expand at a time; others wait for their turn. Default 4.
    pub expansions_max: usize,
    /// Rows of a chunk at most, 1 to 8,192. Default 8,192.
    pub chunk_rows_max: u32,
    /// Bytes of rows that wait in open chunks of one expansion; beyond it the largest close. Default 64 MiB.
    pub open_bytes_max: usize,
    /// How long the first chunk of a class waits for more rows, in ms. Default 50: a small campaign starts at once.
    pub linger_first_ms: u64,
    /// How long any chunk waits at most; the wait doubles with every chunk of its class. Default 5,000: a slow
    /// source makes few chunks.
    pub linger_ms_max: u64,
    /// Chunks of one expansion that are being written at a time. Default 4.
    pub chunks_in_flight_max: usize,
    /// How often an expansion looks whether its campaign was cancelled, in ms. Default 1,000.
    pub refresh_ms: u64,
    /// First and longest wait before a source that can't be read is tried again, in ms. Default 1,000 and 60,000.
    pub source_retry_ms: (u64, u64),
    /// How often a source that can't be read is tried before a cancelled campaign, of which nothing more is
    /// sent anyway, is sealed without the count of the rest. Default 5.
    pub cancelled_source_tries_max: u32,
    /// How often campaigns of this process's partitions are looked for that nobody works on, in ms: those whose
    /// launch was read by another process. Default 2,000.
    pub sweep_ms: u64,
    /// How long chunks that are being written may take when the process stops, in ms. Default 5,000; what is not
    /// committed by then is expanded again.
    pub drain_ms: u64,
}

impl Default for ExpanderOptions {
    fn default() -> Self {
        Self {
            expansions_max: 4,
            chunk_rows_max: CHUNK_ROWS_MAX,
            open_bytes_max: 64 * 1024 * 1024,
            linger_first_ms: 50,
            linger_ms_max: 5_000,
            chunks_in_flight_max: 4,
            refresh_ms: 1_000,
            source_retry_ms: (1_000, 60_000),
            cancelled_source_tries_max: 5,
            sweep_ms: 2_000,
            drain_ms: 5_000,
        }
    }
}

impl ExpanderOptions {
    /// Whether every value can be worked with.
    ///
    /// # Errors
    /// Names the first that can't.
    pub fn validate(&self) -> Result<(), ExpanderError> {
        let refuse = |option, problem: String| Err(ExpanderError::Option { option, problem });
        let at_least_one = [
            ("expansions_max", self.expansions_max as u64),
            ("chunks_in_flight_max", self.chunks_in_flight_max as u64),
            ("refresh_ms", self.refresh_ms),
            ("source_retry_ms", self.source_retry_ms.0),
            ("sweep_ms", self.sweep_ms),
        ];
        if let Some((option, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return refuse(option, "it is 0, it has to be at least 1".to_owned());
        }
        if !(1..=CHUNK_ROWS_MAX).contains(&self.chunk_rows_max) {
            return refuse(
                "chunk_rows_max",
                format!("it is {}, possible is 1 to {CHUNK_ROWS_MAX}", self.chunk_rows_max),
            );
        }
        if self.linger_ms_max < self.linger_first_ms {
            return refuse("linger_ms_max", format!("it is below linger_first_ms, {}", self.linger_first_ms));
        }
        if self.source_retry_ms.1 < self.source_retry_ms.0 {
            return refuse("source_retry_ms", "the longest wait is below the first".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_worked_with() {
        assert!(ExpanderOptions::default().validate().is_ok());
    }

    #[test]
    fn a_chunk_larger_than_its_indexes_is_refused_by_name() {
        let options = ExpanderOptions { chunk_rows_max: 8_193, ..Default::default() };
        let message = options.validate().unwrap_err().to_string();
        assert!(message.contains("chunk_rows_max") && message.contains("8193"), "{message}");
    }
}
