//! `--watch`: commands that look again and again.

use crate::support::{Place, object, said, sink, text, url};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A place where a campaign has ended.
fn place() -> Place {
    let (place, sink) = (Place::new(), sink());
    let launch = place.http_launch("spring", 20);
    let sent = place.run(&["send", text(&launch), "--data-dir", "data", "--provider-url", &url(&sink)]);
    assert_eq!(sent.exit, 0, "{sent:?}");
    place
}

fn watch(place: &Place, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = place.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Ctrl-C; the exit code.
fn interrupt(child: Child) -> i32 {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    said(child.wait_with_output().unwrap()).exit
}

#[test]
fn f7_what_is_watched_is_appended_with_its_time_and_ends_with_ctrl_c() {
    let place = place();
    for command in [&["queue"][..], &["explain", "spring"], &["page", "shop"]] {
        let once = place.run(&[command, &["--data-dir", "data"]].concat());
        assert_eq!(once.exit, 0, "{once:?}");
        let (child, mut lines) =
            watch(&place, &[command, &["--data-dir", "data", "--watch", "0.1"]].concat());
        for _ in 0..3 {
            let heading = lines.next().unwrap().unwrap();
            assert!(heading.contains(" UTC  every 0.1 s, until Ctrl-C"), "{heading}");
            let shown: Vec<String> =
                lines.by_ref().take(once.out.lines().count()).map(Result::unwrap).collect();
            assert_eq!(shown.join("\n"), once.out.trim_end_matches('\n'), "{command:?}");
            assert_eq!(lines.next().unwrap().unwrap(), "");
        }
        assert_eq!(interrupt(child), 0);
    }
}

#[test]
fn f7_programs_get_an_object_a_line_and_what_can_not_be_watched_is_said() {
    let place = place();
    place.write("sluice.toml", "data_dir = \"data\"\n[channels.http]\nurl = \"http://127.0.0.1:9\"\n");
    let (child, mut lines) = watch(&place, &["page", "shop", "--json", "--watch", "0.1"]);
    let mut next = || object(&lines.next().unwrap().unwrap());
    let (first, second) = (next(), next());
    assert!(first["at_ms"].as_i64().unwrap() < second["at_ms"].as_i64().unwrap(), "{first} {second}");
    assert_eq!((&first["page"], &first["live"]), (&"shop".into(), &serde_json::Value::Null));
    assert_eq!(interrupt(child), 0);
    let missing = place.run(&["page", "nobody", "--watch"]);
    assert_eq!(missing.exit, 3, "{missing:?}");
    assert_eq!(place.run(&["queue", "--watch", "shop"]).exit, 2);
}

#[test]
fn f7_a_reader_that_is_gone_ends_the_watching() {
    let place = place();
    let (child, lines) = watch(&place, &["queue", "--data-dir", "data", "--watch", "0.1"]);
    drop(lines);
    let ended = said(child.wait_with_output().unwrap());
    assert_eq!(ended.exit, 0, "{ended:?}");
}
