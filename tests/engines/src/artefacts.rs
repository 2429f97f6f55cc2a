//! Fetches an engine's jars from Maven Central, once for a machine.
//!
//! A set of artefacts lives in a directory named after the engine and the hash of its pom and goal,
//! so a changed version is another directory. The directory appears by a rename when all is in it:
//! whoever sees it may use it. A file lock lets the second of two test binaries wait for the first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::programs;
use crate::{EngineError, cache};

/// What to fetch for an engine, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Artefacts {
    engine: &'static str,
    pom: &'static str,
    /// The goal of Maven's dependency plugin and its options.
    goal: &'static [&'static str],
}

const JARS: &[&str] = &["dependency:copy-dependencies", "-DincludeScope=runtime"];

/// Kafka's broker, controller and storage tool.
pub(crate) const KAFKA: Artefacts =
    Artefacts { engine: "kafka", pom: include_str!("../poms/kafka/pom.xml"), goal: JARS };

/// Cassandra's server.
pub(crate) const CASSANDRA: Artefacts =
    Artefacts { engine: "cassandra", pom: include_str!("../poms/cassandra/pom.xml"), goal: JARS };

/// The schema registry, an archive that Maven unpacks.
pub(crate) const REGISTRY: Artefacts = Artefacts {
    engine: "registry",
    pom: include_str!("../poms/registry/pom.xml"),
    goal: &["dependency:unpack"],
};

impl Artefacts {
    /// The directory with the engine's files; fetches them if they are not there yet.
    pub(crate) fn resolve(&self) -> Result<PathBuf, EngineError> {
        let cache = cache::directory()?;
        let ready = cache.join(self.key());
        if ready.is_dir() {
            return Ok(ready.join("lib"));
        }
        let wording = |what: &str, path: &Path| format!("{what} {}", path.display());
        fs::create_dir_all(&cache).map_err(EngineError::io(wording("create", &cache)))?;
        let lock = cache.join(format!("{}.lock", self.engine));
        let held = File::create(&lock).map_err(EngineError::io(wording("create", &lock)))?;
        held.lock().map_err(EngineError::io(wording("lock", &lock)))?;
        // Another process may have fetched them while this one waited.
        if !ready.is_dir() {
            self.fetch(&cache, &ready)?;
        }
        Ok(ready.join("lib"))
    }

    /// The directory's name: the engine, and what decides about its content.
    fn key(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.pom);
        for word in self.goal {
            hash.update([0]);
            hash.update(word);
        }
        let hex: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{hex}", self.engine)
    }

    fn fetch(&self, cache: &Path, ready: &Path) -> Result<(), EngineError> {
        let mvn = programs::mvn()?;
        // The lock is held: a partial directory is one that a killed process left behind.
        let partial = cache.join(format!("{}.partial", self.engine));
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(EngineError::io(format!("remove {}", partial.display())))?;
        }
        fs::create_dir_all(partial.join("lib"))
            .map_err(EngineError::io(format!("create {}", partial.display())))?;
        let pom = partial.join("pom.xml");
        fs::write(&pom, self.pom).map_err(EngineError::io(format!("write {}", pom.display())))?;

        let output = Command::new(mvn)
            .args(["-q", "-B"])
            .args(self.goal)
            .arg(format!("-DoutputDirectory={}", partial.join("lib").display()))
            .current_dir(&partial)
            .output()
            .map_err(EngineError::io("run mvn"))?;
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            return Err(EngineError::Fetch {
                engine: self.engine,
                status: output.status,
                output: crate::process::last_lines(&String::from_utf8_lossy(&text), 12),
            });
        }
        fs::rename(&partial, ready).map_err(EngineError::io(format!(
            "rename {} to {}",
            partial.display(),
            ready.display()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engine_has_a_directory_of_its_own() {
        assert!(KAFKA.key().starts_with("kafka-"));
        assert_ne!(KAFKA.key(), CASSANDRA.key());
    }

    #[test]
    fn another_version_goes_to_another_directory() {
        let newer = Artefacts { pom: "<version>4.2.0</version>", ..KAFKA };
        assert_ne!(KAFKA.key(), newer.key());
    }
}
