//! Runs the binary in a directory of its own, without the environment's settings.

use serde_json::{Value, json};
use sluice_simulator::{Sink, SinkHandle, SinkMode, SinkOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

/// A directory to work in.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// What a command ended with.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(arguments).current_dir(self.dir.path()).env_clear().stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        said(self.command(arguments).envs(environment.iter().copied()).output().unwrap())
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts the service on a free port, and waits until it listens.
    pub(crate) fn serve(&self) -> Service {
        let mut child = self
            .command(&["run", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = lines.by_ref().map(Result::unwrap).find(|line| line.contains("listens on")).unwrap();
        let server = listens.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let server = server.trim_end_matches(',').to_owned();
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        Service { child, server, rest }
    }

    /// A launch over HTTP for `rows` people, and their list.
    pub(crate) fn http_launch(&self, campaign: &str, rows: usize) -> PathBuf {
        let mut list = String::from("address,first_name\n");
        (0..rows).for_each(|row| list.push_str(&format!("p{row}@example.com,N{row}\n")));
        self.write(&format!("{campaign}.csv"), &list);
        let launch = json!({
            "campaign": campaign, "channel": "http", "pages": ["shop"],
            "audience": { "path": format!("{campaign}.csv") },
            "message": { "http": { "body": { "to": "{{address}}", "text": "Hi {{first_name}}" } } },
        });
        self.write(&format!("{campaign}.json"), &launch.to_string())
    }
}

/// A running service.
pub(crate) struct Service {
    child: Child,
    /// Its address.
    pub(crate) server: String,
    /// What it says after it listens.
    rest: JoinHandle<String>,
}

impl Service {
    /// SIGTERM; its log is in `err`.
    pub(crate) fn stop(self) -> Said {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(told.unwrap().success());
        let ended = said(self.child.wait_with_output().unwrap());
        Said { err: self.rest.join().unwrap(), ..ended }
    }
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        exit: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A sink that counts by recipient.
pub(crate) fn sink() -> SinkHandle {
    let options = SinkOptions { mode: SinkMode::Record { log: None }, ..SinkOptions::default() };
    Sink::start("127.0.0.1:0".parse().unwrap(), options).unwrap()
}

pub(crate) fn url(sink: &SinkHandle) -> String {
    format!("http://{}/messages", sink.address())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
