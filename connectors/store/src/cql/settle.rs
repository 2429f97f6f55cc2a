//! What became of a conditional write whose answer was lost: decided from what a serial read shows. Pure.
//!
//! Each write carries a nonce. The read before the verdict is serial, so it also finishes what hangs half done
//! in the replicas; a request that still wanders through the network can only be applied to the very row that
//! it names, and finds another one as soon as anybody wrote.

use sluice_runtime::ports::store::Fence;
use xxhash_rust::xxh3::Xxh3;

/// The name of one write.
pub(crate) type Nonce = [u8; 16];

/// Names that no other process gives: a number of this process under its session's random id.
#[derive(Debug)]
pub(crate) struct Nonces {
    session: [u8; 16],
    next: std::sync::atomic::AtomicU64,
}

impl Nonces {
    pub(crate) fn new(session: [u8; 16]) -> Self {
        Self { session, next: 0.into() }
    }

    pub(crate) fn next(&self) -> Nonce {
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut hash = Xxh3::new();
        hash.update(&self.session);
        hash.update(&number.to_le_bytes());
        hash.digest128().to_le_bytes()
    }
}

/// The nonces of a campaign row's last writes, newest first.
pub(crate) mod history {
    use super::Nonce;

    /// More writes than can pass a campaign row while one of them looks for its own.
    const KEPT: usize = 16;

    pub(crate) fn with(nonce: Nonce, before: &[u8]) -> Vec<u8> {
        let rest = before.len().min((KEPT - 1) * size_of::<Nonce>());
        [&nonce, &before[..rest]].concat()
    }

    pub(crate) fn has(nonces: &[u8], nonce: &Nonce) -> bool {
        nonces.as_chunks().0.iter().any(|known: &Nonce| known == nonce)
    }
}

/// A ledger as far as a verdict looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerHead {
    pub(crate) fence: Fence,
    pub(crate) is_owned: bool,
    /// Of the last write.
    pub(crate) nonce: Vec<u8>,
    /// Of the last write before the last take.
    pub(crate) former: Vec<u8>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is durable, whether or not others wrote since.
    Applied,
    /// It is not, and never will be.
    Refused,
    /// It is not, but its condition still holds: ask again, with the same nonce.
    Open,
}

/// Of a write of the page's owner under `asked`. A release does not look at the control value.
pub(crate) fn owners_write(now: &LedgerHead, asked: Fence, nonce: &Nonce, looks_at_control: bool) -> Verdict {
    let is_last = now.nonce == nonce && now.fence.epoch == asked.epoch;
    let was_last_before_a_take = now.former == nonce && now.fence.epoch == asked.epoch + 1;
    if is_last || was_last_before_a_take {
        return Verdict::Applied;
    }
    let is_as_asked = (now.fence.epoch, now.fence.seq) == (asked.epoch, asked.seq)
        && now.is_owned
        && (now.fence.control == asked.control || !looks_at_control);
    if is_as_asked { Verdict::Open } else { Verdict::Refused }
}

/// Of a take of the ledger that was at `before`.
pub(crate) fn take(now: &LedgerHead, before: Fence, nonce: &Nonce) -> Verdict {
    if now.nonce == nonce {
        return Verdict::Applied;
    }
    // A lost take that was overtaken by another one is of no use any more: refused, and taken again.
    if now.fence == before { Verdict::Open } else { Verdict::Refused }
}

/// Of a lease of the quota that is at `version` now, last written by `last`. One that is more than a version behind may
/// have been written before others were.
pub(crate) fn lease(version: u64, last: &str, expected: u64, writer: &str) -> Verdict {
    if version == expected {
        return Verdict::Open;
    }
    if version == expected + 1 && last == writer { Verdict::Applied } else { Verdict::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Fence = Fence { epoch: 3, seq: 7, control: 2 };
    const MINE: Nonce = [1; 16];
    const OTHER: Nonce = [2; 16];

    fn head(epoch: u64, seq: u64, control: u64, nonce: Nonce, former: Nonce) -> LedgerHead {
        let fence = Fence { epoch, seq, control };
        LedgerHead { fence, is_owned: true, nonce: nonce.to_vec(), former: former.to_vec() }
    }

    #[test]
    fn hazard_3_a_lost_answer_is_settled_by_who_wrote_last() {
        let settled = |now| owners_write(&now, ASKED, &MINE, true);
        assert_eq!(settled(head(3, 8, 2, MINE, OTHER)), Verdict::Applied);
        assert_eq!(settled(head(3, 8, 5, MINE, OTHER)), Verdict::Applied, "a command came after it");
        assert_eq!(settled(head(4, 9, 2, OTHER, MINE)), Verdict::Applied, "a take came after it");
        assert_eq!(settled(head(3, 7, 2, OTHER, OTHER)), Verdict::Open);
        assert_eq!(settled(head(3, 8, 2, OTHER, OTHER)), Verdict::Refused, "another grant of the same fence");
        assert_eq!(settled(head(3, 7, 3, OTHER, OTHER)), Verdict::Refused, "a command came before it");
        assert_eq!(settled(head(4, 8, 2, OTHER, OTHER)), Verdict::Refused);
        let mut given_up = head(3, 7, 2, OTHER, OTHER);
        given_up.is_owned = false;
        assert_eq!(settled(given_up), Verdict::Refused);
    }

    #[test]
    fn a_release_is_right_whatever_was_commanded() {
        assert_eq!(owners_write(&head(3, 7, 9, OTHER, OTHER), ASKED, &MINE, false), Verdict::Open);
    }

    #[test]
    fn an_ambiguous_take_is_recognised_by_its_own_name() {
        assert_eq!(take(&head(4, 8, 2, MINE, OTHER), ASKED, &MINE), Verdict::Applied);
        assert_eq!(take(&head(4, 8, 9, MINE, OTHER), ASKED, &MINE), Verdict::Applied);
        assert_eq!(take(&head(3, 7, 2, OTHER, OTHER), ASKED, &MINE), Verdict::Open);
        assert_eq!(take(&head(4, 8, 2, OTHER, OTHER), ASKED, &MINE), Verdict::Refused);
    }

    #[test]
    fn hazard_3_a_lost_lease_is_settled_by_who_wrote_last() {
        assert_eq!(lease(7, "other/3", 7, "me/1"), Verdict::Open);
        assert_eq!(lease(8, "me/1", 7, "me/1"), Verdict::Applied);
        assert_eq!(lease(8, "other/3", 7, "me/1"), Verdict::Refused);
        assert_eq!(lease(9, "me/1", 7, "me/1"), Verdict::Refused, "that was another write");
    }

    #[test]
    fn a_history_keeps_the_newest_names() {
        let mut nonces = Vec::new();
        for number in 0..40 {
            nonces = history::with([number; 16], &nonces);
        }
        assert_eq!(nonces.len(), 256);
        assert!(history::has(&nonces, &[39; 16]) && history::has(&nonces, &[24; 16]));
        assert!(!history::has(&nonces, &[23; 16]));
    }

    #[test]
    fn names_differ_between_writes_and_between_processes() {
        let (a, b) = (Nonces::new([1; 16]), Nonces::new([2; 16]));
        let mut all: Vec<Nonce> = (0..100).flat_map(|_| [a.next(), b.next()]).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 200);
    }
}
