//! An upstream system in another language: Python scripts that launch campaigns and read their events, with an
//! interpreter that has what they need.
//!
//! The scripts are the examples of `docs/integrate.md`; tests run the very same files.

#![expect(clippy::panic, clippy::expect_used, reason = "test support: what can't be set up is a failed test")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// `launch.py` or `events.py`, ready for its arguments. Sets up the interpreter where that has not happened yet.
///
/// # Panics
/// When Python or its packages can't be had, with what to do.
pub fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(home().join(name));
    command
}

/// A Python that has the packages of `requirements.txt`: a virtual environment beside the build's output, made
/// once for each content of that file.
///
/// # Panics
/// When Python or its packages can't be had, with what to do.
pub fn python() -> PathBuf {
    // Tests of one program run at once, and share the name of the draft.
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(make_python).clone()
}

fn make_python() -> PathBuf {
    let requirements = home().join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("requirements.txt is in the repository");
    let mut hash = DefaultHasher::new();
    wanted.hash(&mut hash);
    let place = target().join(format!("upstream-python-{:016x}", hash.finish()));
    let python = place.join("bin/python");
    if python.exists() {
        return python;
    }
    // Made beside and renamed at the end: an interrupted set-up leaves nothing that looks finished, and of two
    // programs at once one wins. A virtual environment may be renamed as long as only its interpreter is called.
    let draft = place.with_extension(std::process::id().to_string());
    let made = Command::new("python3").args(["-m", "venv", "--symlinks"]).arg(&draft).output();
    succeeded(made, "python3 -m venv", "install Python 3 with its venv module (Debian: python3-venv)");
    let installed = Command::new(draft.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r"])
        .arg(&requirements)
        .output();
    succeeded(installed, "pip install -r tests/upstream/requirements.txt", "the first run needs PyPI");
    if std::fs::rename(&draft, &place).is_err() {
        assert!(python.exists(), "{} can't be made", place.display());
        // The other one's is as good; what is left of this one is in nobody's way.
        let _left = std::fs::remove_dir_all(&draft);
    }
    python
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the build puts what it makes: this test's program lies in `<target>/<profile>/deps`.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a running test has a program");
    let found =
        program.ancestors().find(|place| place.ends_with("deps")).and_then(|deps| deps.ancestors().nth(2));
    found.map_or_else(std::env::temp_dir, Path::to_path_buf)
}

fn succeeded(output: std::io::Result<Output>, what: &str, help: &str) {
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("`{what}` failed; {help}\n{}", said.trim());
        }
        Err(error) => panic!("`{what}` can't be run: {error}; {help}"),
    }
}
