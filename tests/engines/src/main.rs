//! `sluice-engines with kafka,cassandra,registry -- command …`: runs a command with engines around it.
//!
//! With `--bench` before the engines they are set up for measuring: all stages of Java's compiler, and a commit log
//! that is synchronised once a second.
//!
//! The engines are started at once, named to the command by the environment variables that
//! `shared_kafka()` and its siblings read, and ended after it. One that is named already is not started.

use std::env;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::thread;

use sluice_engines::{
    CQL_VARIABLE, Cassandra, CassandraOptions, CommitLog, EngineError, Jit, KAFKA_VARIABLE, Kafka,
    KafkaOptions, REGISTRY_VARIABLE, Registry,
};

const USAGE: &str =
    "usage: sluice-engines with [--bench] <kafka|cassandra|registry>[,…] -- <command> [argument …]";

/// What a wrong command line gives (sysexits.h, EX_USAGE).
const BAD_USAGE: u8 = 64;
/// What an engine that does not start gives (sysexits.h, EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// What a command that cannot be run gives, as in a shell.
const NOT_FOUND: u8 = 127;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish<'a> {
    /// Whether speed counts more than a quick start.
    is_bench: bool,
    kinds: Vec<Kind>,
    /// Not empty.
    command: &'a [String],
}

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
    let Some(Wish { is_bench, kinds, command }) = parse(&arguments) else {
        say(USAGE);
        return ExitCode::from(BAD_USAGE);
    };
    let wanted: Vec<Kind> = kinds.into_iter().filter(|kind| !kind.is_named()).collect();
    let engines = match start_all(&wanted, is_bench) {
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

fn parse(arguments: &[String]) -> Option<Wish<'_>> {
    let (with, rest) = arguments.split_first()?;
    let (is_bench, rest) = match rest.split_first()? {
        (flag, rest) if flag == "--bench" => (true, rest),
        _ => (false, rest),
    };
    match rest {
        [kinds, dashes, command @ ..] if with == "with" && dashes == "--" && !command.is_empty() => {
            let kinds = kinds.split(',').map(Kind::parse).collect::<Option<_>>()?;
            Some(Wish { is_bench, kinds, command })
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

    fn start(self, is_bench: bool) -> Result<Started, EngineError> {
        let (jit, commit_log) = match is_bench {
            true => (Jit::Full, CommitLog::Periodic),
            false => (Jit::default(), CommitLog::default()),
        };
        let (address, engine) = match self {
            Self::Kafka => {
                let kafka = Kafka::start(KafkaOptions { jit, ..KafkaOptions::default() })?;
                (kafka.bootstrap(), Engine::Kafka { _held: kafka })
            }
            Self::Cassandra => {
                let cassandra =
                    Cassandra::start(CassandraOptions { jit, commit_log, ..CassandraOptions::default() })?;
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

fn start_all(kinds: &[Kind], is_bench: bool) -> Result<Vec<Started>, EngineError> {
    thread::scope(|scope| {
        let starts: Vec<_> = kinds.iter().map(|kind| scope.spawn(move || kind.start(is_bench))).collect();
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
        let wish = parse(&arguments).unwrap();
        assert_eq!((wish.is_bench, wish.kinds), (false, vec![Kind::Kafka, Kind::Registry]));
        assert_eq!(wish.command, words("cargo test -- --nocapture"));
    }

    #[test]
    fn engines_for_measuring_are_asked_for_before_their_names() {
        let arguments = words("with --bench kafka,cassandra -- sluice bench");
        let wish = parse(&arguments).unwrap();
        assert_eq!((wish.is_bench, wish.kinds), (true, vec![Kind::Kafka, Kind::Cassandra]));
        assert_eq!(parse(&words("with kafka --bench -- true")), None);
    }

    #[test]
    fn an_unknown_engine_or_a_missing_command_is_refused() {
        for wrong in ["", "with", "with --bench", "with kafka --", "with redis -- true", "up kafka -- true"] {
            assert_eq!(parse(&words(wrong)), None, "{wrong}");
        }
    }
}
