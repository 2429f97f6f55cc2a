//! A full disk: named, nothing acknowledged any more, and with more space the same command goes on.

use crate::launches;
use serde_json::json;
use sluice_tests::people::{by_status, judge};
use sluice_tests::{Chance, Place, Sink};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Set in the namespace in which the test runs again where mounting is not allowed.
const INSIDE: &str = "SLUICE_TEST_NAMESPACE";
const RECIPIENTS: u64 = 60_000;

/// A small file system on `dir`; unmounted when dropped.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(dir: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(dir))
    }

    fn grow(&self) {
        // The source is named so that options in force, such as the owner's number, are not given again: in a
        // namespace that is refused.
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "remount,size=1g", "tmpfs"]).arg(self.0);
        let grown = mount.status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // Lazily: a failed test may have left a process in it.
        Command::new("umount").arg("--lazy").arg(self.0).status().unwrap();
    }
}

#[test]
fn g1_g2_a_full_disk_is_named_and_with_more_space_the_same_command_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    if let Some(disk) = Disk::mount(directory.path(), "24m") {
        return fill_and_go_on(&disk);
    }
    assert!(
        std::env::var_os(INSIDE).is_none(),
        "mounting is not allowed, not even in a namespace of its own"
    );
    let test = "disk_full::g1_g2_a_full_disk_is_named_and_with_more_space_the_same_command_goes_on";
    let run = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap_or_else(|error| panic!("this test needs root, or `unshare` and user namespaces: {error}"));
    let said = [run.stdout, run.stderr].concat();
    assert!(
        run.status.success(),
        "this test needs root or user namespaces, or it failed in one:\n{}",
        String::from_utf8_lossy(&said)
    );
}

fn fill_and_go_on(disk: &Disk<'_>) {
    let mut chance = Chance::new("disk full");
    let place = Place::new().with_data(disk.0.join("data"));
    // Texts that don't compress: the campaign needs more than the disk has.
    let mut text = String::from("address,first_name,coupon\n");
    for number in 0..RECIPIENTS {
        let coupon: String = (0..20).map(|_| format!("{:016x}", chance.between(0, u64::MAX))).collect();
        writeln!(text, "person{number:06}@example.com,N{number},{coupon}").unwrap();
    }
    place.write("audience.csv", text);
    let mut launch = launches::http("disk");
    launch["variables"] = json!({});
    let launch = place.launch("launch.json", &launch);
    let sink = Sink::start(&place);

    let full = place.send(&launch, &sink.url()).expect(75);
    full.says(&["error: ", "full", "free some space and run the same command again"]);
    let before = sink.calls();
    assert!(before < RECIPIENTS, "the disk was large enough");
    // As long as nothing changes, it says the same again and does no harm.
    place.send(&launch, &sink.url()).expect(75).says(&["full"]);

    disk.grow();
    place.send(&launch, &sink.url()).expect(0);
    place.verify("disk");
    let people = place.people("disk");
    let unknown = judge(&people, &sink.stop());
    println!("{before} calls before the disk was full, {unknown} unknown");
    assert_eq!(people.len() as u64, RECIPIENTS);
    assert_eq!(by_status(&people)["sent"] + unknown, RECIPIENTS);
}
