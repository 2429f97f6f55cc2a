//! Where the program is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Names another program than the one beside the tests.
const PROGRAM: &str = "SLUICE_TEST_PROGRAM";

/// The real program: `SLUICE_TEST_PROGRAM`, or the one of the same profile as the tests, built if it is missing.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = std::env::var_os(PROGRAM) {
            return PathBuf::from(path);
        }
        // …/target/<profile>/deps/e2e-0123456789abcdef
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let program = profile.join("sluice");
        if !program.exists() {
            build(profile);
        }
        assert!(program.exists(), "{} is missing: build it with `cargo build -p sluice`", program.display());
        program
    })
}

fn build(profile: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "sluice"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status().unwrap();
    assert!(built.success(), "the program does not build: run `cargo build -p sluice`");
}
