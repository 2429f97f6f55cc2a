//! The files that are tested, and every metric that is defined.

use sluice_runtime::metrics::Definition;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

pub(crate) fn read(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All of them, in the order of the page.
pub(crate) fn definitions() -> Vec<&'static Definition> {
    let crates = [
        sluice_runtime::metrics::definitions(),
        sluice_sender::metrics::DEFINITIONS.to_vec(),
        sluice_http::metrics::DEFINITIONS.to_vec(),
        sluice_receipts::metrics::DEFINITIONS.to_vec(),
        sluice_completion::metrics::DEFINITIONS.to_vec(),
    ];
    crates.concat()
}
