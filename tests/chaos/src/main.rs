//! `cargo run -p chaos -- --minutes 60`: the soak.

use chaos::{Kind, Settings};
use clap::Parser;
use sluice_runtime::{Clock, SystemClock};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs three Sluice processes on a real Kafka and a real Cassandra, does harm to all of them, and judges what they
/// did by what the simulated providers noted. Exit codes: 0 every guarantee held, 1 one was broken, 2 it could not be
/// carried through.
#[derive(Debug, Parser)]
struct Arguments {
    /// New rounds begin for so long
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// What all schedules follow from [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// People of a round at most, over two campaigns; they last for about 100 seconds
    #[arg(long, default_value_t = 30_000)]
    recipients: u64,
    /// Which faults, separated by commas: kill, freeze, terminate, add, broker-kill, broker-pause, store-kill,
    /// store-pause, log-cut, log-hang, log-delay, store-cut, store-hang, store-delay, webhooks [default: all]
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Kind>,
    /// Faults of a round
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Logs of everything, the schedules, what the providers noted; kept when a guarantee was broken
    /// [default: a new directory under the temporary one]
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Keep the directory in any case
    #[arg(long)]
    keep: bool,
    /// The program [default: the one beside this, built if `cargo run` is used]
    #[arg(long)]
    program: Option<PathBuf>,
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the result")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = match settings(arguments) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let seed = settings.seed;
    let outcome = chaos::drive::run::on_runtime(settings);
    match outcome {
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
        Ok(outcome) => {
            print!("{}", chaos::report::summary(seed, &outcome));
            ExitCode::from(u8::from(!outcome.violations.is_empty()))
        }
    }
}

fn settings(arguments: Arguments) -> chaos::Result<Settings> {
    let seed = arguments.seed.unwrap_or_else(|| SystemClock.wall_ms().unsigned_abs());
    let directory =
        arguments.directory.unwrap_or_else(|| std::env::temp_dir().join(format!("sluice-chaos-{seed}")));
    let program = match arguments.program {
        Some(program) => std::path::absolute(&program).unwrap_or(program),
        None => chaos::drive::program::beside(&here()?, true)?,
    };
    Ok(Settings {
        seed,
        minutes: arguments.minutes,
        recipients: arguments.recipients,
        kinds: if arguments.faults.is_empty() { Kind::ALL.to_vec() } else { arguments.faults },
        steps: arguments.steps,
        gap_ms: 5_000,
        overlap_one_in: 4,
        directory: std::path::absolute(&directory).unwrap_or(directory),
        keep: arguments.keep,
        program,
    })
}

/// Where this program is.
fn here() -> chaos::Result<PathBuf> {
    let failed = |source| chaos::Error::Io { what: "find this program".to_owned(), source };
    std::env::current_exe().map_err(failed).map(|path| path.parent().map(Path::to_owned).unwrap_or_default())
}
