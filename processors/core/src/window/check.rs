//! From the words of a launch to a window.

use super::{CLOSED_DAYS_MAX, DAY_MS, Hours, INTERVALS_MAX, Window, day_number, position};
use crate::launch::LaunchProblem;
use crate::moment;
use sluice_schemas::{OpenHours, SendWindow};

const MINUTE_MS: i64 = 60_000;

pub(super) fn check(spec: &SendWindow) -> Result<Window, Vec<LaunchProblem>> {
    let mut problems = Vec::new();
    let mut problem = |field: String, problem: String, hint: &str| {
        problems.push(LaunchProblem::new(format!("rules.window.{field}"), problem, hint));
    };
    if spec.open.is_empty() {
        let hint = "give hours such as {\"from\": \"09:00\", \"to\": \"18:00\"}, or leave the window out";
        problem("open".to_owned(), "it never opens".to_owned(), hint);
    }
    if spec.open.len() > INTERVALS_MAX {
        let hint = "join hours that are the same on several days";
        problem("open".to_owned(), format!("it has more than {INTERVALS_MAX} intervals"), hint);
    }
    if spec.closed_on.len() > CLOSED_DAYS_MAX {
        let hint = "leave days out that are over or far away";
        problem("closed_on".to_owned(), format!("it has more than {CLOSED_DAYS_MAX} days"), hint);
    }
    let mut week: [Vec<Hours>; 7] = Default::default();
    for (number, open) in spec.open.iter().enumerate().take(INTERVALS_MAX) {
        let mut at = |name: &str, text: &str, problem_of: &str, hint: &str| {
            problem(
                format!("open[{number}].{name}"),
                format!("`{}` {problem_of}", crate::launch::shown(text)),
                hint,
            );
        };
        let from = minutes(&open.from).filter(|from| *from < 24 * 60);
        let to = minutes(&open.to);
        if from.is_none() {
            at("from", &open.from, "is not a time of day", "write hours and minutes, 00:00 to 23:59");
        }
        if to.is_none() {
            at("to", &open.to, "is not a time of day", "write hours and minutes, 00:00 to 24:00");
        }
        let (Some(from), Some(to)) = (from, to) else { continue };
        if from == to {
            at("to", &open.to, "is also when it opens", "for the whole day write from 00:00 to 24:00");
            continue;
        }
        let to = if to < from { to + 24 * 60 } else { to };
        for day in days(open) {
            week[day].push(Hours { from: from * MINUTE_MS, to: to * MINUTE_MS });
        }
    }
    let mut closed_on = Vec::new();
    for (number, text) in spec.closed_on.iter().enumerate().take(CLOSED_DAYS_MAX) {
        match moment::date(text) {
            Some(date) => closed_on.push(day_number(date)),
            None => {
                let is_no_date = format!("`{}` is not a date", crate::launch::shown(text));
                problem(format!("closed_on[{number}]"), is_no_date, "write it as 2026-12-25");
            }
        }
    }
    debug_assert!(week.iter().flatten().all(|hours| hours.from < DAY_MS && hours.to < 2 * DAY_MS));
    if problems.is_empty() { Ok(Window::new(week, closed_on, spec.clock)) } else { Err(problems) }
}

/// The days of an interval; none are all.
fn days(open: &OpenHours) -> Vec<usize> {
    if open.days.is_empty() { (0..7).collect() } else { open.days.iter().map(|day| position(*day)).collect() }
}

/// Minutes after midnight of `HH:MM`, up to `24:00`.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let written = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        written.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= 24 * 60).then_some(hours * 60 + minutes)
}
