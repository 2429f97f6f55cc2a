//! Where the program is.

use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names another program than the one beside the tests.
const VARIABLE: &str = "SLUICE_TEST_PROGRAM";

/// `SLUICE_TEST_PROGRAM`, or `sluice` in `directory` (`…/target/<profile>`). It is built if it is missing; with
/// `fresh`, under `cargo run`, it is built in any case, so that nobody judges an old one.
///
/// # Errors
/// It is not there, and does not build.
pub fn beside(directory: &Path, fresh: bool) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let program = directory.join("sluice");
    let cargo = std::env::var_os("CARGO");
    if !program.exists() || fresh && cargo.is_some() {
        build(directory, cargo.unwrap_or_else(|| "cargo".into()))?;
    }
    if program.exists() { Ok(program) } else { Err(Error::Program(program)) }
}

fn build(directory: &Path, cargo: std::ffi::OsString) -> Result<()> {
    let mut command = Command::new(cargo);
    command.args(["build", "-p", "sluice"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(target) = directory.parent() {
        command.arg("--target-dir").arg(target);
    }
    if directory.ends_with("release") {
        command.arg("--release");
    }
    let built = command.status().map_err(Error::io("build the program"))?;
    if built.success() { Ok(()) } else { Err(Error::Program(directory.join("sluice"))) }
}
