//! How the engines' Java processes are run.

use std::ffi::OsString;
use std::path::Path;

/// How the Java compiler of an engine works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Jit {
    /// Only the quick first stage: starts in half the time, runs slower. For tests.
    #[default]
    Quick,
    /// All stages, and the garbage collector that a server has. For benchmarks.
    Full,
}

impl Jit {
    /// The options for a heap of `start_mib` to `max_mib`.
    pub(crate) fn options(self, start_mib: u32, max_mib: u32) -> Vec<OsString> {
        let mut options = vec![format!("-Xms{start_mib}m").into(), format!("-Xmx{max_mib}m").into()];
        if self == Self::Quick {
            options.push("-XX:+UseSerialGC".into());
            options.push("-XX:TieredStopAtLevel=1".into());
        }
        options
    }
}

/// All jars of a directory, as a class path.
pub(crate) fn class_path(lib: &Path) -> OsString {
    lib.join("*").into_os_string()
}

/// `-Dname=value`, where the value may be a path.
pub(crate) fn property(name: &str, value: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut option = OsString::from(format!("-D{name}="));
    option.push(value);
    option
}
