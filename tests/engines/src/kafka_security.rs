//! What clients of a test broker have to bring: a login, trust in a certificate, both or nothing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{self, Launch};
use crate::{EngineError, Login};

/// The one user of brokers that ask for a login.
pub(crate) const LOGIN: Login = Login { username: "sluice", password: "kafka-knows-it" };

/// Of the key store, which lives as long as the broker.
const STORE_PASSWORD: &str = "only-for-tests";

/// How clients connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Security {
    pub(crate) asks_for_login: bool,
    /// With TLS.
    pub(crate) certificate: Option<Certificate>,
}

/// A certificate for 127.0.0.1 that signs itself.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    key_store: PathBuf,
    /// The certificate alone, PEM: what clients trust.
    pub(crate) trusted: PathBuf,
}

impl Security {
    /// Whether a client that brings nothing is let in.
    pub(crate) fn is_open(&self) -> bool {
        !self.asks_for_login && self.certificate.is_none()
    }

    /// Kafka's name of it.
    pub(crate) fn protocol(&self) -> &'static str {
        match (self.asks_for_login, &self.certificate) {
            (false, None) => "PLAINTEXT",
            (false, Some(_)) => "SSL",
            (true, None) => "SASL_PLAINTEXT",
            (true, Some(_)) => "SASL_SSL",
        }
    }

    /// What the listener `CLIENT` needs for it.
    pub(crate) fn settings(&self) -> Vec<String> {
        let mut settings = Vec::new();
        if self.asks_for_login {
            let Login { username, password } = LOGIN;
            settings.push("listener.name.client.sasl.enabled.mechanisms=PLAIN".to_owned());
            settings.push(format!(
                "listener.name.client.plain.sasl.jaas.config=\
                 org.apache.kafka.common.security.plain.PlainLoginModule required user_{username}=\"{password}\";"
            ));
        }
        if let Some(certificate) = &self.certificate {
            let key_store = certificate.key_store.display();
            settings.push("listener.name.client.ssl.keystore.type=PKCS12".to_owned());
            settings.push(format!("listener.name.client.ssl.keystore.location={key_store}"));
            settings.push(format!("listener.name.client.ssl.keystore.password={STORE_PASSWORD}"));
        }
        settings
    }
}

impl Certificate {
    /// Makes one with the tool that comes with Java.
    pub(crate) fn make(java: &Path, directory: &Path) -> Result<Self, EngineError> {
        let made = Self { key_store: directory.join("broker.p12"), trusted: directory.join("ca.pem") };
        // The program in the search path may be a link to Java's own directory, where the tool is.
        let tool = fs::canonicalize(java).unwrap_or_else(|_| java.to_owned()).with_file_name("keytool");
        let keytool = |arguments: &[&str]| {
            let mut command: Vec<OsString> = vec![tool.clone().into_os_string()];
            command.extend(arguments.iter().map(OsString::from));
            command.extend(["-alias", "broker", "-storetype", "PKCS12"].map(OsString::from));
            command.extend(["-storepass".into(), STORE_PASSWORD.into(), "-keystore".into()]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_and_a_certificate_go_together_or_alone() {
        let certificate = Certificate { key_store: "/d/broker.p12".into(), trusted: "/d/ca.pem".into() };
        let security = |asks_for_login, certificate| Security { asks_for_login, certificate };
        assert!(Security::default().is_open() && Security::default().settings().is_empty());
        assert_eq!(security(true, None).protocol(), "SASL_PLAINTEXT");
        assert_eq!(security(false, Some(certificate.clone())).protocol(), "SSL");
        let both = security(true, Some(certificate));
        assert_eq!((both.protocol(), both.is_open()), ("SASL_SSL", false));
        let settings = both.settings().join("\n");
        assert!(settings.contains("user_sluice=\"kafka-knows-it\";"), "{settings}");
        assert!(settings.contains("keystore.location=/d/broker.p12"), "{settings}");
    }
}
