//! A process that is killed while it grants. The test binary starts itself again as that process.

use crate::open;
use sluice_core::{CampaignId, ChunkId, IndexSet, LedgerBody, PageId};
use sluice_runtime::ports::store::{Granted, Predecessor, Store};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const DIR: &str = "SLUICE_TEST_KILL_DIR";

/// Not a test of its own: grants until it is killed, and prints each grant once it is durable.
#[tokio::test]
async fn child_that_grants_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = open(Path::new(&dir));
    let page = PageId::from("p");
    let taken = store.take(&page, &format!("process {}", std::process::id())).await.unwrap();
    writeln!(std::io::stdout(), "predecessor {:?}", taken.predecessor).unwrap();
    let (mut fence, mut body) = (taken.fence, taken.body);
    for number in body.chunks().len() as u32.. {
        let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, number);
        body.claim(chunk, 1, &IndexSet::full(50)).unwrap();
        let Granted::Yes(next) = store.grant(&page, fence, &body).await.unwrap() else { panic!("refused") };
        fence = next;
        writeln!(std::io::stdout(), "granted {number}").unwrap();
    }
}

#[tokio::test]
async fn g1_a_claim_that_was_granted_survives_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let mut granted = 0;
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child_that_grants_until_it_is_killed", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let predecessor = lines.by_ref().find(|line| line.contains("predecessor ")).unwrap();
        let expected = if round == 0 { Predecessor::HandedOver } else { Predecessor::Gone };
        assert!(predecessor.ends_with(&format!("{expected:?}")), "{predecessor}");
        let mut heard: Vec<String> = lines.by_ref().take(40).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        heard.extend(lines);
        let last = heard.iter().filter_map(|line| line.strip_prefix("granted ")?.parse::<u32>().ok()).max();
        granted = last.expect("it granted something").max(granted);

        let row = open(dir.path()).ledger(&PageId::from("p")).await.unwrap().unwrap();
        for number in 0..=granted {
            let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, number);
            assert_eq!(row.body.claimed(chunk), IndexSet::full(50), "claim {number} is lost");
        }
        assert_ne!(row.body, LedgerBody::new());
    }
}
