//! `sluice campaign watch`: follows a campaign to its end.

use super::OneArgs;
use super::source::Source;
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::out;
use crate::view::progress::Progress;
use serde_json::json;
use sluice_runtime::{Clock, SystemClock};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(common: &Common, args: &OneArgs) -> Outcome {
    let source = Source::open(common, &args.source).await?;
    let mut progress = Progress::new(common.talk());
    loop {
        let status = source.one(&args.name).await?;
        progress.update(&status, SystemClock.monotonic());
        // A directory that nobody works in does not change.
        let changes = matches!(source, Source::Service(_)) && !status.state.is_ended();
        if common.json {
            out::line(json!(status));
        }
        if !changes {
            progress.finish();
            if !common.json {
                out::line(status.sentence());
            }
            return Ok(if status.state.is_ended() { Exit::Done } else { Exit::TryAgain });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
