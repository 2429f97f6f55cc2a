//! `--watch`: commands that look, look again and again until Ctrl-C.

use super::Common;
use super::look::{Look, Place};
use super::signals::Signals;
use crate::error::{Exit, Failure, Outcome};
use crate::view::moment::at_second;
use crate::view::numbers::duration;
use crate::view::out;
use crate::view::screen::{Screen, append};
use clap::Args;
use serde_json::{Value, json};
use sluice_runtime::{Clock, SystemClock};
use std::time::Duration;

/// Shortest and longest pause between two looks, in seconds.
const PAUSE_S: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

/// Whether to look again.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct WatchArgs {
    /// Look again every so many seconds until Ctrl-C [default: 2]; redrawn on a terminal, appended elsewhere
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = pause)]
    watch: Option<Duration>,
}

/// What a command found.
pub(super) struct View {
    /// For people.
    pub(super) lines: Vec<String>,
    /// For programs: an object.
    pub(super) json: Value,
}

/// Shows what `read` finds: once, or as often as `args` want it.
pub(super) async fn show(
    common: &Common,
    args: &WatchArgs,
    place: Place,
    read: impl AsyncFn(&Look) -> Outcome<View>,
) -> Outcome {
    let Some(every) = args.watch else {
        let view = read(&place.open().await?).await?;
        match common.json {
            true => out::line(view.json),
            false => view.lines.iter().for_each(out::line),
        }
        return Ok(Exit::Done);
    };
    let mut signals = Signals::new()?;
    let screen = (!common.json).then(Screen::new);
    let heading = format!("every {}, until Ctrl-C", duration(every));
    let ended = tokio::select! {
        biased;
        () = signals.next() => Ok(Exit::Done),
        ended = again_and_again(every, screen.as_ref(), &heading, place, read) => ended,
    };
    screen.iter().for_each(Screen::leave);
    ended
}

/// Ends when nobody reads what is shown any more, or when looking is of no use.
async fn again_and_again(
    every: Duration,
    screen: Option<&Screen>,
    heading: &str,
    place: Place,
    read: impl AsyncFn(&Look) -> Outcome<View>,
) -> Outcome {
    let (mut kept, mut has_shown): (Option<Look>, bool) = (None, false);
    loop {
        let found = looked(&place, &mut kept, &read).await;
        let now_ms = SystemClock.wall_ms();
        let is_read = match (found, screen) {
            (Ok(view), Some(screen)) => {
                screen.show(&format!("{}  {heading}", at_second(now_ms, None)), &view.lines)
            }
            (Ok(view), None) => append(&format!("{}\n", timed(view.json, now_ms))),
            // The service is started again, an engine is away: it is shown, and waited for.
            (Err(failure), screen) if has_shown && passes(&failure) => match screen {
                Some(screen) => {
                    screen.show(&format!("{}  {heading}", at_second(now_ms, None)), &said(&failure))
                }
                None => true,
            },
            (Err(failure), _) => return Err(failure),
        };
        if !is_read {
            return Ok(Exit::Done);
        }
        has_shown = true;
        tokio::time::sleep(every).await;
    }
}

/// One look. What was opened is kept where that keeps nobody else out.
async fn looked(
    place: &Place,
    kept: &mut Option<Look>,
    read: &impl AsyncFn(&Look) -> Outcome<View>,
) -> Outcome<View> {
    let mut look = match kept.take() {
        Some(look) => look,
        None => place.open().await?,
    };
    look.renew();
    let found = read(&look).await;
    match (look.is_shared(), &found) {
        (true, Ok(_)) => *kept = Some(look),
        // Whoever does not answer may be gone, and somebody else be there.
        _ => look.close().await,
    }
    found
}

/// Whether it may be over by itself.
pub(super) fn passes(failure: &Failure) -> bool {
    failure.exit == Exit::TryAgain || failure.code == "data_dir_in_use"
}

fn said(failure: &Failure) -> Vec<String> {
    let details = failure.details.iter().map(|detail| format!("  {detail}"));
    std::iter::once(format!("error: {}", failure.message)).chain(details).collect()
}

/// The object with the time at which it was so.
fn timed(mut json: Value, now_ms: i64) -> Value {
    if let Value::Object(fields) = &mut json {
        fields.insert("at_ms".to_owned(), json!(now_ms));
    }
    json
}

fn pause(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if PAUSE_S.contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err(format!("write {} to {} seconds", PAUSE_S.start(), PAUSE_S.end())),
        Err(_) => {
            Err("write a number of seconds, for example --watch 5; a name goes before --watch".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f7_a_pause_is_a_number_of_seconds_that_makes_sense() {
        assert_eq!(pause("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "shop"] {
            assert!(pause(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_passes_by_itself_is_waited_for_and_what_does_not_ends_the_command() {
        assert!(passes(&Failure::new(Exit::TryAgain, "engine_away", "", "")));
        assert!(passes(&Failure::refused("data_dir_in_use", "", "")));
        assert!(!passes(&Failure::refused("no_such_page", "", "")));
        assert_eq!(timed(json!({"a": 1}), 7), json!({"a": 1, "at_ms": 7}));
    }
}
