//! A limit above pages, with the real program.

use crate::support::{Place, said, sink, url};
use std::time::{Duration, Instant};

#[test]
#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
fn g4_g3_a_quota_that_is_used_up_holds_its_campaign_which_says_so_also_after_a_restart() {
    let (place, sink) = (Place::new(), sink());
    place.http_launch("spring", 100);
    place.write("sluice.toml", "[quotas.acme]\ndaily = \"40/day\"\ntenants = [\"default\"]\n");
    let sink_url = url(&sink);
    let send = ["send", "spring.json", "--data-dir", "data", "--provider-url", &sink_url];
    for _ in 0..2 {
        let child = place.start(&send);
        let limit = Instant::now() + Duration::from_secs(60);
        while sink.stats().requests < 40 && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(sink.stats().requests, 40);
        let stopped = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(stopped.unwrap().success());
        let said = said(child.wait_with_output().unwrap());
        assert_eq!(said.exit, 75, "{said:?}");
    }
    let explained = place.run(&["explain", "spring", "--data-dir", "data"]);
    assert!(explained.out.starts_with("spring stands still: nobody works on it;"), "{explained:?}");
    let holds = |line: &str| {
        line.contains("quota acme") && line.contains("40 of 40 in 24 h") && line.contains("holds")
    };
    assert!(explained.out.lines().any(holds) && !explained.out.contains("Expected end"), "{explained:?}");
}
