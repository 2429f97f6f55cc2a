//! `sluice-engines with kafka,cassandra,registry -- command …`: runs a command with engines around it.
//!
//! The engines are started at once, named to the command by the environment variables that
//! `shared_kafka()` and its siblings read, and ended after it. One that is named already is not started.

use std::env;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::thread;

use sluice_engines::{
    CQL_VARIABLE, Cassandra, CassandraOptions, EngineError, KAFKA_VARIABLE, Kafka, KafkaOptions,
    REGISTRY_VARIABLE, Registry,
};

const USAGE: &str = "usage: sluice-engines with <kafka|cassandra|registry>[,…] -- <command> [argument …]";

/// What a wrong command line gives (sysexits.h, EX_USAGE).
const BAD_USAGE: u8 = 64;
/// What an engine that does not start gives (sysexits.h, EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// What a command that cannot be run gives, as in a shell.
const NOT_FOUND: u8 = 127;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kafka,
    Cassandra,
    Registry,
}

/// Held so that the engine lives.
#[derive(Debug)]
enum Engine {
    Kafka { _held: Kafka },
    Cassandra { _held: Cassandra },
    Registry { _held: Registry },
}

/// A variable, its value, and the engine behind it.
type Started = (&'static str, String, Engine);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((kinds, command)) = parse(&arguments) else {
        say(USAGE);
        return ExitCode::from(BAD_USAGE);
    };
    let wanted: Vec<Kind> = kinds.into_iter().filter(|kind| !kind.is_named()).collect();
    let engines = match start_all(&wanted) {
        Ok(engines) => engines,
        Err(error) => {
            say(&format!("error: {error}"));
            return ExitCode::from(UNAVAILABLE);
        }
    };
    let mut run = Command::new(&command[0]);
    run.args(&command[1..]);
    for (variable, address, _engine) in &engines {
        say(&format!("{variable}={address}"));
        run.env(variable, address);
    }
    match run.status() {
        Ok(status) => {
            let killed = status.signal().map(|signal| 128 + signal);
            let code = status.code().or(killed).unwrap_or(1);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
        Err(error) => {
            say(&format!("error: cannot run {}: {error}", command[0]));
            ExitCode::from(NOT_FOUND)
        }
    }
}

/// The engines and the command, which is not empty.
fn parse(arguments: &[String]) -> Option<(Vec<Kind>, &[String])> {
    match arguments {
        [with, kinds, dashes, command @ ..] if with == "with" && dashes == "--" && !command.is_empty() => {
            let kinds = kinds.split(',').map(Kind::parse).collect::<Option<_>>()?;
            Some((kinds, command))
        }
        _ => None,
    }
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "kafka" => Some(Self::Kafka),
            "cassandra" => Some(Self::Cassandra),
            "registry" => Some(Self::Registry),
            _ => None,
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Kafka => KAFKA_VARIABLE,
            Self::Cassandra => CQL_VARIABLE,
            Self::Registry => REGISTRY_VARIABLE,
        }
    }

    /// Whether the environment names one that runs.
    fn is_named(self) -> bool {
        env::var_os(self.variable()).is_some_and(|value| !value.is_empty())
    }

    fn start(self) -> Result<Started, EngineError> {
        let (address, engine) = match self {
            Self::Kafka => {
                let kafka = Kafka::start(KafkaOptions::default())?;
                (kafka.bootstrap(), Engine::Kafka { _held: kafka })
            }
            Self::Cassandra => {
                let cassandra = Cassandra::start(CassandraOptions::default())?;
                let address = cassandra.contact_point();
                (address, Engine::Cassandra { _held: cassandra })
            }
            Self::Registry => {
                let registry = Registry::start()?;
                (registry.url(), Engine::Registry { _held: registry })
            }
        };
        Ok((self.variable(), address, engine))
    }
}

fn start_all(kinds: &[Kind]) -> Result<Vec<Started>, EngineError> {
    thread::scope(|scope| {
        let starts: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| kind.start())).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// To standard error, since standard output is the command's.
fn say(line: &str) {
    // There is nobody left to tell if standard error is closed.
    let _closed = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn engines_come_before_the_dashes_and_the_command_after_them() {
        let arguments = words("with kafka,registry -- cargo test -- --nocapture");
        let (kinds, command) = parse(&arguments).unwrap();
        assert_eq!(kinds, [Kind::Kafka, Kind::Registry]);
        assert_eq!(command, words("cargo test -- --nocapture"));
    }

    #[test]
    fn an_unknown_engine_or_a_missing_command_is_refused() {
        for wrong in ["", "with", "with kafka --", "with redis -- true", "up kafka -- true"] {
            assert_eq!(parse(&words(wrong)), None, "{wrong}");
        }
    }
}
