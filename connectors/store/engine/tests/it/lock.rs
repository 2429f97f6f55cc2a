//! One process a directory.

use crate::open;
use sluice_engine::{Engine, EngineError, EngineOptions};

fn refused(dir: &std::path::Path) -> EngineError {
    Engine::open(dir, EngineOptions::default()).unwrap_err()
}

#[test]
fn a_second_open_is_told_who_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let error = refused(dir.path());
    let holder = format!("process {}", std::process::id());
    assert_eq!(error, EngineError::InUse { dir: dir.path().to_owned(), holder: holder.clone() });
    assert!(error.to_string().contains(&format!("in use by {holder}; stop it")), "{error}");
    drop(engine);
    open(dir.path());
}

#[test]
fn a_file_is_no_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "text").unwrap();
    assert_eq!(refused(&path), EngineError::NotADirectory { dir: path.clone() });
    let below = path.join("data");
    assert_eq!(refused(&below), EngineError::NotADirectory { dir: below });
}

#[test]
fn a_directory_of_another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::write(dir.path().join("sluice.format"), "9").unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, EngineError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("format 9"), "{error}");
}

#[test]
fn a_damaged_directory_is_an_error_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    std::fs::write(dir.path().join("version"), "no version").unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, EngineError::Damaged { .. } | EngineError::Storage { .. }), "{error}");
}
