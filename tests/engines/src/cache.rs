//! Where artefacts and port reservations are kept between runs.

use std::env;
use std::path::PathBuf;

use crate::EngineError;

/// The directory that outlives a run: `SLUICE_ENGINES_DIR`, otherwise `sluice/engines` in the user's
/// cache directory. Not Cargo's target directory: a clean build needs no second download.
pub(crate) fn directory() -> Result<PathBuf, EngineError> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(own) = set("SLUICE_ENGINES_DIR") {
        return Ok(PathBuf::from(own));
    }
    set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .map(|cache| cache.join("sluice").join("engines"))
        .ok_or(EngineError::NoCache)
}
