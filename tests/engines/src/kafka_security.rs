//! What clients of a test broker have to bring: a login, trust in a certificate, both or nothing.

use crate::Login;
use crate::certificate::Certificate;

/// The one user of brokers that ask for a login.
pub(crate) const LOGIN: Login = Login { username: "sluice", password: "kafka-knows-it" };

/// How clients connect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Security {
    pub(crate) asks_for_login: bool,
    /// With TLS.
    pub(crate) certificate: Option<Certificate>,
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
            settings.push(format!("listener.name.client.ssl.keystore.password={}", Certificate::PASSWORD));
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_and_a_certificate_go_together_or_alone() {
        let certificate = Certificate { key_store: "/d/engine.p12".into(), trusted: "/d/ca.pem".into() };
        let security = |asks_for_login, certificate| Security { asks_for_login, certificate };
        assert!(Security::default().is_open() && Security::default().settings().is_empty());
        assert_eq!(security(true, None).protocol(), "SASL_PLAINTEXT");
        assert_eq!(security(false, Some(certificate.clone())).protocol(), "SSL");
        let both = security(true, Some(certificate));
        assert_eq!((both.protocol(), both.is_open()), ("SASL_SSL", false));
        let settings = both.settings().join("\n");
        assert!(settings.contains("user_sluice=\"kafka-knows-it\";"), "{settings}");
        assert!(settings.contains("keystore.location=/d/engine.p12"), "{settings}");
    }
}
