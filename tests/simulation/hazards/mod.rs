//! One test a hazard, by its number: the real processors in the schedule that breaks senders, judged by the
//! provider's own list of calls.
//!
//! Where the hazard belongs to one crate, its test stands there; the table says where. `cargo test hazard_05`
//! finds every test of a hazard by its number here; in other crates the numbers below ten have one digit.
//!
//! | # | what is broken elsewhere | tests |
//! |---|---|---|
//! | 1 | indexes shift when somebody opts out | [`expansion`]; `expander::{encode, class, chunker}`, `expander/tests/it/{crashes, sources}` |
//! | 2 | two expanders commit overlapping chunks | [`expansion`], [`ownership`]; `store::conformance::campaigns`, `expander/tests/it/crashes` |
//! | 3 | a grant that hangs is applied after the next one | [`grants`]; `store::conformance::ledgers`, `store/tests/it/simulated` |
//! | 4 | claims are forgotten while their records can still be read | [`grants`]; `core::ledger` |
//! | 5 | a frozen owner wakes up and calls | [`takeover`]; `providers/tests/it/caller`, `simulation/tests/it/provider` |
//! | 6 | a former owner takes the page back | [`takeover`]; `log::conformance::groups`, `log/tests/it/simulated` |
//! | 7 | clocks of two processes are compared | [`takeover`]; `simulation/tests/it/world` |
//! | 9 | each page spends the campaign's whole limit | `core::rate` |
//! | 11 | what was granted ahead becomes unknown at a stop | [`grants`] |
//! | 12 | a crash between a failure and its retry | [`receipts`]; `receipts/tests/it/crashes` |
//! | 13 | a failed second attempt hides a first one that arrived | [`retries`]; `core::facts` |
//! | 14 | sent again while the old call may still arrive | [`retries`]; `receipts::decide`, `providers/tests/it/caller` |
//! | 15 | rows and counters diverge | [`receipts`]; `store::conformance::chunks`, `receipts/tests/it/{merging, crashes}` |
//! | 16 | one stamp, two values | [`receipts`]; `store::conformance::chunks`, `store/tests/it/reopen` |
//! | 17 | a topic was made anew | [`receipts`]; `receipts/tests/it/merging`, `core::chunk_state` |
//! | 18 | a clock that is ahead shadows facts | [`receipts`] |
//! | 19 | a webhook before its send | [`receipts`]; `receipts/tests/it/webhooks`, `store::conformance::correlation` |
//! | 20 | a page hears of a command too late | [`control`]; `completion/tests/it/cancelling` |
//! | 21 | last chunk done, then sealed: nobody looks | [`completion`]; `completion/tests/it/ending` |
//! | 22 | the end is told twice or never | [`completion`]; `completion/tests/it/ending`, `expander/tests/it/launches` |
//! | 23 | cancelled while most of it is not expanded | [`control`]; `completion/tests/it/cancelling`, `expander/tests/it/cancelling` |
//! | 24 | a failure told after the end starts a retry | [`completion`]; `receipts/tests/it/webhooks`, `core::facts` |
//! | 25 | failed ones are tried again twice | [`control`]; `completion/tests/it/retrying`, `core::facts` |
//! | 26 | retention was faster than a waiting lane | [`backlog`]; `log::conformance` |
//! | 27 | one old chunk pins the committed offset | [`backlog`]; `sender::watermark` |
//! | 28 | a slow source makes a chunk a row | [`expansion`]; `expander::chunker`, `expander/tests/it/sources` |
//! | 33 | a launch is kept only in its topic | `expander/tests/it/launches` |
//! | 34 | draining blocks polling | `log/tests/it/rebalance` |
//! | 35 | a condition on a row that does not exist | [`control`] |

mod backlog;
mod changed;
mod completion;
mod control;
mod expansion;
mod fresh;
mod grants;
mod ownership;
mod receipts;
mod restored;
mod retries;
mod run;
mod schedules;
mod stalled;
mod takeover;
