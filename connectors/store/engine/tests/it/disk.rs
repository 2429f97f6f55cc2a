//! A disk that is full: a file system of a few MiB in memory. Who may not mount runs the test again in a
//! namespace of its own, where everybody may.

use crate::block_on;
use sluice_engine::{Engine, EngineError, EngineOptions, Priority, Shape};
use std::path::Path;
use std::process::Command;

/// Set inside the namespace.
const INSIDE: &str = "SLUICE_TEST_DISK_INSIDE";

/// Writes until the disk refuses; gives how many writes were acknowledged, and the error.
fn fill(dir: &Path) -> (u64, EngineError) {
    let engine = Engine::open(dir, EngineOptions::default()).unwrap();
    let rows = engine.keyspace("rows", Shape::Rows).unwrap();
    block_on(async {
        for number in 0u64..100_000 {
            let table = rows.clone();
            let ticket = engine.write(Priority::High, move |tx| {
                tx.insert(&table, number.to_be_bytes(), noise(number));
            });
            if let Err(error) = ticket.await {
                // Never again, whatever comes.
                for _ in 0..3 {
                    assert_eq!(engine.write(Priority::High, |_| ()).await, Err(error.clone()));
                }
                assert_eq!(engine.failure(), Some(error.clone()));
                return (number, error);
            }
        }
        panic!("the disk is never full");
    })
}

/// 64 KiB that can't be compressed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..8 << 10).flat_map(|_| next()).collect()
}

fn holds(dir: &Path, acknowledged: u64) {
    let engine = Engine::open(dir, EngineOptions::default()).unwrap();
    let rows = engine.keyspace("rows", Shape::Rows).unwrap();
    for number in 0..acknowledged {
        let row = rows.get(&number.to_be_bytes()).unwrap().expect("acknowledged before the disk was full");
        assert!(*row == *noise(number));
    }
}

struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    /// `None` where mounting is not allowed.
    fn new(dir: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }

    fn grow(&self) {
        // The source is named so that options in force, such as the owner's number, are not given again: in a
        // namespace that is refused.
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "remount,size=200m", "tmpfs"]).arg(self.0);
        let grown = mount.status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

/// Runs `check` on a small file system, here or inside a namespace.
fn on_a_small_disk(test: &str, size: &str, check: impl FnOnce(&Mount<'_>)) {
    let dir = tempfile::tempdir().unwrap();
    if let Some(mount) = Mount::new(dir.path(), size) {
        return check(&mount);
    }
    assert!(std::env::var(INSIDE).is_err(), "mounting is not allowed, not even in a namespace");
    let run = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(run.status.success(), "this test needs root or user namespaces: {run:?}");
}

#[test]
fn a_full_disk_is_named_and_what_was_acknowledged_stays() {
    on_a_small_disk("disk::a_full_disk_is_named_and_what_was_acknowledged_stays", "24m", |mount| {
        let dir = mount.0.join("data");
        let (acknowledged, error) = fill(&dir);
        assert_eq!(error, EngineError::DiskFull { dir: dir.clone() });
        assert!(error.to_string().contains("is full: free some space"), "{error}");
        assert!(acknowledged > 10, "{acknowledged}");
        // Space is made, and the next start has everything.
        mount.grow();
        holds(&dir, acknowledged);
    });
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named() {
    on_a_small_disk("disk::a_disk_that_is_full_at_the_start_is_named", "1m", |mount| {
        let ballast = std::fs::write(mount.0.join("ballast"), vec![0; 2 << 20]);
        assert!(ballast.is_err(), "the disk is full now");
        let dir = mount.0.join("data");
        let error = Engine::open(&dir, EngineOptions::default()).unwrap_err();
        assert!(matches!(error, EngineError::DiskFull { .. }), "{error}");
    });
}
