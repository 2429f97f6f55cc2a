//! Finds the programs that engines need, and says what to install when one is not there.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::EngineError;

/// The release of Java that all the engines run on: Cassandra 5.0 runs on 11 and 17 only, Kafka 4 needs 17.
const JAVA_RELEASE: u32 = 17;

const NO_JAVA: EngineError = EngineError::Missing {
    program: "java 17",
    why: "the tests run against a real Kafka, Cassandra and schema registry, and Cassandra 5.0 runs on no later Java",
    package: "openjdk-17-jre-headless",
    otherwise: ", or name one: export SLUICE_TEST_JAVA=<path of java>",
};

/// The Java program: `SLUICE_TEST_JAVA`, otherwise the first of release 17 in `JAVA_HOME`, in the search path
/// or where Debian puts it.
pub(crate) fn java() -> Result<&'static Path, EngineError> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let found = match env::var_os("SLUICE_TEST_JAVA") {
        Some(named) => PathBuf::from(named),
        None => {
            java_candidates().into_iter().find(|java| release(java) == Some(JAVA_RELEASE)).ok_or(NO_JAVA)?
        }
    };
    Ok(FOUND.get_or_init(|| found))
}

/// Maven, which fetches the engines.
pub(crate) fn mvn() -> Result<PathBuf, EngineError> {
    in_path("mvn").ok_or(EngineError::Missing {
        program: "mvn",
        why: "Maven fetches Kafka, Cassandra and the schema registry for the tests, once for a machine",
        package: "maven",
        otherwise: "",
    })
}

/// Prometheus: `SLUICE_TEST_PROMETHEUS`, otherwise the one in the search path.
pub(crate) fn prometheus() -> Result<PathBuf, EngineError> {
    env::var_os("SLUICE_TEST_PROMETHEUS")
        .map(PathBuf::from)
        .or_else(|| in_path("prometheus"))
        .filter(|path| path.is_file())
        .ok_or(EngineError::Missing {
            program: "prometheus",
            why: "the tests load the alert rules and run the dashboards' queries in a real Prometheus",
            package: "prometheus",
            otherwise: ", or name one: export SLUICE_TEST_PROMETHEUS=<path of prometheus>",
        })
}

fn java_candidates() -> Vec<PathBuf> {
    let home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let mut installed: Vec<PathBuf> = fs::read_dir("/usr/lib/jvm")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/java"))
        .collect();
    installed.sort();
    home.into_iter().chain(in_path("java")).chain(installed).filter(|java| java.is_file()).collect()
}

/// The program of this name in the search path.
fn in_path(name: &str) -> Option<PathBuf> {
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// The release of a Java program, as it prints it itself.
fn release(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").stdin(Stdio::null()).output().ok()?;
    parse_release(&String::from_utf8_lossy(&output.stderr))
}

/// Reads `openjdk version "17.0.15" …`. Releases before 9 call themselves 1.x and give 1.
fn parse_release(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("version \"")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_the_first_number_of_the_version() {
        assert_eq!(parse_release("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime"), Some(17));
        assert_eq!(parse_release("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(parse_release("java version \"1.8.0_402\""), Some(1));
        assert_eq!(parse_release("command not found"), None);
    }

    #[test]
    fn a_missing_program_is_told_in_three_lines_what_why_and_what_to_do() {
        let text = NO_JAVA.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("java 17"));
        assert!(lines[2].contains("apt-get install openjdk-17-jre-headless"));
    }
}
