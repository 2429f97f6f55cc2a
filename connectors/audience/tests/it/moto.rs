//! A server that speaks S3's protocol: moto, in a virtual environment that is made once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A running server, ended on drop.
pub(crate) struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Somebody at all: moto lets nobody replace an object anonymously, and does not look at the signature.
const OWNER: &str = "AWS4-HMAC-SHA256 Credential=AKIATEST/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// One test at a time makes the environment.
static MAKING: Mutex<()> = Mutex::new(());

fn python() -> PathBuf {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto.requirements.txt");
    let digest = xxhash_rust::xxh3::xxh3_64(&std::fs::read(&requirements).unwrap());
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("moto-{digest:016x}"));
    let python = home.join("bin/python");
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if home.join("ready").exists() {
        return python;
    }
    let run = |command: &mut Command| {
        let done = command.output().expect("the tests of s3:// need python3 with venv and pip");
        assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements));
    std::fs::write(home.join("ready"), "").unwrap();
    python
}

impl Moto {
    pub(crate) fn start() -> Self {
        let python = python();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Moto { child, address };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return moto;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("moto does not answer at {address}");
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket, or an object with this content.
    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "PUT /{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: {OWNER}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            content.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(content).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}
