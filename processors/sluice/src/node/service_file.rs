//! Where the service listens that has a data directory open. Its configuration may be another one than that of a command
//! that looks at the directory, and the service of the command's may have another directory with campaigns of the same names.

use sluice_engine::holder;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Beside the lock: the process and its URL, in two lines.
const FILE: &str = "sluice.service";

/// Notes that this process serves the directory. A process that died leaves it behind: then the lock is another one's.
///
/// # Errors
/// The file can't be written.
pub fn tell(data_dir: &Path, address: SocketAddr) -> io::Result<()> {
    fs::write(data_dir.join(FILE), format!("{}\n{}\n", std::process::id(), url(address)))
}

/// The service ends.
pub fn forget(data_dir: &Path) {
    // What is left behind is no service's: the lock goes with the process.
    let _left = fs::remove_file(data_dir.join(FILE));
}

/// The URL of the service that has the directory open; `None`: no service has it.
pub fn of(data_dir: &Path) -> Option<String> {
    let noted = fs::read_to_string(data_dir.join(FILE)).ok()?;
    let (process, url) = noted.trim_end().split_once('\n')?;
    (holder(data_dir)?.to_string() == process).then(|| url.to_owned())
}

/// Whoever listens everywhere is asked at home.
fn url(address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(host, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_directory_is_its_service() {
        let dir = tempfile::tempdir().unwrap();
        let lock = |holder: &str| fs::write(dir.path().join("sluice.lock"), holder).unwrap();
        assert_eq!(of(dir.path()), None);
        tell(dir.path(), "0.0.0.0:7400".parse().unwrap()).unwrap();
        assert_eq!(of(dir.path()), None);
        lock(&format!("{}\n", std::process::id()));
        assert_eq!(of(dir.path()).as_deref(), Some("http://127.0.0.1:7400"));
        lock("1\n");
        assert_eq!(of(dir.path()), None);
        forget(dir.path());
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn a_service_that_listens_everywhere_is_asked_at_home() {
        assert_eq!(url("[::]:1".parse().unwrap()), "http://[::1]:1");
        assert_eq!(url("10.0.0.7:7400".parse().unwrap()), "http://10.0.0.7:7400");
    }
}
