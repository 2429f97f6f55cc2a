//! What an engine shows to clients that connect by TLS.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::EngineError;
use crate::process::{self, Launch};

/// A certificate for 127.0.0.1 that signs itself.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// With its key, PKCS #12.
    pub(crate) key_store: PathBuf,
    /// The certificate alone, PEM: what clients trust.
    pub(crate) trusted: PathBuf,
}

impl Certificate {
    /// Of the key store, which lives as long as the engine.
    pub(crate) const PASSWORD: &str = "only-for-tests";

    /// Makes one with the tool that comes with Java.
    pub(crate) fn make(java: &Path, directory: &Path) -> Result<Self, EngineError> {
        let made = Self { key_store: directory.join("engine.p12"), trusted: directory.join("ca.pem") };
        // The program in the search path may be a link to Java's own directory, where the tool is.
        let tool = fs::canonicalize(java).unwrap_or_else(|_| java.to_owned()).with_file_name("keytool");
        let keytool = |arguments: &[&str]| {
            let mut command: Vec<OsString> = vec![tool.clone().into_os_string()];
            command.extend(arguments.iter().map(OsString::from));
            command.extend(["-alias", "engine", "-storetype", "PKCS12"].map(OsString::from));
            command.extend(["-storepass".into(), Self::PASSWORD.into(), "-keystore".into()]);
            command.push(made.key_store.clone().into_os_string());
            process::run(&Launch {
                name: "keytool".to_owned(),
                command,
                directory: directory.to_owned(),
                log: directory.join("keytool.log"),
                remove: directory.to_owned(),
            })
        };
        keytool(&[
            "-genkeypair",
            "-keyalg",
            "EC",
            "-validity",
            "30",
            "-dname",
            "CN=sluice-tests",
            "-ext",
            "SAN=ip:127.0.0.1,dns:localhost",
        ])?;
        let trusted = made.trusted.display().to_string();
        keytool(&["-exportcert", "-rfc", "-file", &trusted])?;
        Ok(made)
    }
}
