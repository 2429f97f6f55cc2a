//! TLS and SASL: what is asked for, whether this build can do it, and librdkafka's names for it.

use super::options::{KafkaOptions, SaslMechanism, SecurityProtocol};
use rdkafka::ClientConfig;

const HAS_TLS: bool = cfg!(feature = "tls");

impl SecurityProtocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn is_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl SaslMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

pub(crate) fn validate(options: &KafkaOptions) -> Result<(), String> {
    let (protocol, mechanism) = (options.security_protocol, options.sasl_mechanism);
    if protocol.is_tls() && !HAS_TLS {
        return Err(format!(
            "security_protocol: `{}` needs TLS, which this build does not have: build with the cargo feature `tls`",
            protocol.name()
        ));
    }
    if protocol.is_sasl() {
        if mechanism != SaslMechanism::Plain && !HAS_TLS {
            return Err(format!(
                "sasl_mechanism: `{}` is not in this build: build with the cargo feature `tls`",
                mechanism.name()
            ));
        }
        if options.sasl_username.is_empty() {
            return Err("sasl_username: is empty, and the security protocol asks for a user".to_owned());
        }
        if options.sasl_password.is_empty() {
            return Err("sasl_password: is empty, and the security protocol asks for one".to_owned());
        }
    } else if !options.sasl_username.is_empty() {
        return Err(format!(
            "sasl_username: is not used with the security protocol `{}`; set `sasl_ssl`",
            protocol.name()
        ));
    }
    let files = [
        ("ca_file", &options.ca_file),
        ("certificate_file", &options.certificate_file),
        ("key_file", &options.key_file),
    ];
    for (field, file) in files {
        let Some(file) = file else { continue };
        if !protocol.is_tls() {
            return Err(format!("{field}: is not used with the security protocol `{}`", protocol.name()));
        }
        if !file.is_file() {
            return Err(format!("{field}: there is no file `{}`", file.display()));
        }
    }
    Ok(())
}

pub(crate) fn apply(options: &KafkaOptions, config: &mut ClientConfig) {
    let protocol = options.security_protocol;
    config.set("security.protocol", protocol.name());
    if protocol.is_sasl() {
        config
            .set("sasl.mechanism", options.sasl_mechanism.name())
            .set("sasl.username", &options.sasl_username)
            .set("sasl.password", options.sasl_password.expose());
    }
    if protocol.is_tls() {
        let files = [
            ("ssl.ca.location", &options.ca_file),
            ("ssl.certificate.location", &options.certificate_file),
            ("ssl.key.location", &options.key_file),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file.to_string_lossy());
            }
        }
        if !options.key_password.is_empty() {
            config.set("ssl.key.password", options.key_password.expose());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_build_can_not_do_is_said_with_what_to_do() {
        let mut options = KafkaOptions {
            security_protocol: SecurityProtocol::SaslSsl,
            sasl_username: "user".to_owned(),
            sasl_password: "hush".into(),
            ..KafkaOptions::default()
        };
        assert_eq!(options.validate().is_ok(), HAS_TLS);
        if let Err(reason) = options.validate() {
            assert!(reason.contains("`tls`"), "{reason}");
        }
        options.security_protocol = SecurityProtocol::SaslPlaintext;
        assert_eq!(options.validate(), Ok(()));
        options.sasl_mechanism = SaslMechanism::ScramSha512;
        assert_eq!(options.validate().is_ok(), HAS_TLS);
    }

    #[test]
    fn a_user_without_a_protocol_for_it_is_refused() {
        let options = KafkaOptions { sasl_username: "user".to_owned(), ..KafkaOptions::default() };
        assert!(options.validate().unwrap_err().starts_with("sasl_username: "));
        let options =
            KafkaOptions { security_protocol: SecurityProtocol::SaslPlaintext, ..KafkaOptions::default() };
        assert!(options.validate().unwrap_err().starts_with("sasl_username: "));
    }
}
