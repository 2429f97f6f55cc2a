//! `sluice`: messaging campaigns from one command.

use sluice::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    sluice::arenas::bound();
    sluice_log::kafka::keep_tls_until_exit();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let json = cli.common.json;
    match cli::run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.show(json);
            failure.exit.into()
        }
    }
}
