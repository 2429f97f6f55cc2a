use std::fs;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs a command inside `sluice-engines with`.
fn with(engines: &str, command: &[&str]) -> Command {
    let mut with = Command::new(env!("CARGO_BIN_EXE_sluice-engines"));
    with.args(["with", engines, "--"])
        .args(command)
        .env_remove("SLUICE_TEST_KAFKA")
        .env_remove("SLUICE_TEST_CQL")
        .env_remove("SLUICE_TEST_REGISTRY");
    with
}

/// Looks every 100 ms, for up to a minute.
fn eventually(mut look: impl FnMut() -> bool) -> bool {
    (0..600).any(|_| {
        let seen = look();
        if !seen {
            thread::sleep(Duration::from_millis(100));
        }
        seen
    })
}

#[test]
fn a_command_finds_the_engine_in_its_environment_and_its_exit_code_is_kept() {
    let output = with("kafka", &["sh", "-c", "echo $SLUICE_TEST_KAFKA; exit 3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let address = String::from_utf8(output.stdout).unwrap();
    assert!(TcpStream::connect(address.trim()).is_err(), "the engine has outlived the command");
}

#[test]
fn an_engine_that_is_named_is_not_started() {
    let output = with("kafka", &["sh", "-c", "echo $SLUICE_TEST_KAFKA"])
        .env("SLUICE_TEST_KAFKA", "192.0.2.1:9092")
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"192.0.2.1:9092\n");
}

#[test]
fn an_engine_does_not_outlive_a_killed_process_and_leaves_no_directory() {
    let temporary = tempfile::tempdir().unwrap();
    let told = temporary.path().join("told");
    let script = format!("echo $SLUICE_TEST_KAFKA > {}; exec sleep 60", told.display());
    let mut process = with("kafka", &["sh", "-c", &script])
        .env("TMPDIR", temporary.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    assert!(eventually(|| {
        address = fs::read_to_string(&told).unwrap_or_default();
        address.ends_with('\n')
    }));
    assert!(TcpStream::connect(address.trim()).is_ok());

    process.kill().unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(9));

    assert!(
        eventually(|| TcpStream::connect(address.trim()).is_err()),
        "the broker has outlived the process that started it"
    );
    assert!(
        eventually(|| fs::read_dir(temporary.path()).unwrap().count() == 1),
        "the broker's directory is still there"
    );
}

#[test]
fn missing_programs_are_told_with_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let output = with("kafka", &["true"])
        .env("PATH", empty.path())
        .env("SLUICE_ENGINES_DIR", empty.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(text.starts_with("error: mvn is not there\n"), "{text}");
    assert!(text.contains("apt-get install maven"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}
