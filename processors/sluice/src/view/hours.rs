//! Hours as people write them and read them: `mon-fri 09:00-12:00`.

use sluice_schemas::{OpenHours, SendWindow, Weekday, WindowClock};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// Reads `[DAYS ]FROM-TO`: days as a list of `mon` and `mon-fri`, without them every day; times as `HH:MM`, which
/// the service checks.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse(text: &str) -> Result<OpenHours, String> {
    let how =
        || format!("`{text}` are no hours; write for example \"mon-fri 09:00-12:00\" or \"22:00-06:00\"");
    let mut words = text.split_whitespace();
    let (days, times) = match (words.next(), words.next(), words.next()) {
        (Some(times), None, None) => (Vec::new(), times),
        (Some(days), Some(times), None) => (days_of(days).ok_or_else(how)?, times),
        _ => return Err(how()),
    };
    let (from, to) = times.split_once('-').filter(|(from, _)| from.contains(':')).ok_or_else(how)?;
    Ok(OpenHours { days, from: from.to_owned(), to: to.to_owned() })
}

fn days_of(text: &str) -> Option<Vec<Weekday>> {
    let place = |name: &str| DAYS.iter().position(|(known, _)| name.eq_ignore_ascii_case(known));
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (place(first)?, place(last)?);
        // Over the end of the week: fri-mon.
        let count = (last + DAYS.len() - first) % DAYS.len() + 1;
        days.extend((first..first + count).map(|day| DAYS[day % DAYS.len()].1));
    }
    days.sort_unstable();
    days.dedup();
    Some(days)
}

/// Writes hours as [`parse`] reads them, and what else the window says: `mon-fri 09:00-12:00, 14:00-18:00 on the clock of
/// each recipient, not on 2026-12-24`.
pub fn written(window: &SendWindow) -> String {
    let hours = |open: &OpenHours| {
        let days = if open.days.is_empty() { String::new() } else { days_written(&open.days) + " " };
        format!("{days}{}-{}", open.from, open.to)
    };
    let mut text = window.open.iter().map(hours).collect::<Vec<_>>().join(", ");
    if window.clock == WindowClock::Recipient {
        text.push_str(" on the clock of each recipient");
    }
    if !window.closed_on.is_empty() {
        text.push_str(", not on ");
        text.push_str(&window.closed_on.join(", "));
    }
    text
}

/// `mon-fri`, `sat,sun`.
fn days_written(days: &[Weekday]) -> String {
    let week: Vec<(&str, bool)> = DAYS.iter().map(|(name, day)| (*name, days.contains(day))).collect();
    let runs = week.chunk_by(|(_, one), (_, next)| one == next).filter(|run| run[0].1);
    let run = |run: &[(&str, bool)]| match run {
        [(first, _), _, .., (last, _)] => format!("{first}-{last}"),
        _ => run.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(","),
    };
    runs.map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};

    #[test]
    fn b1_hours_are_written_with_days_or_for_every_day() {
        let hours = |text: &str| parse(text).map(|hours| (hours.days, hours.from, hours.to));
        let at = |days: &[Weekday], from: &str, to: &str| Ok((days.to_vec(), from.to_owned(), to.to_owned()));
        assert_eq!(hours("09:00-18:00"), at(&[], "09:00", "18:00"));
        assert_eq!(hours("mon-fri 09:00-12:00"), at(&[Mon, Tue, Wed, Thu, Fri], "09:00", "12:00"));
        assert_eq!(hours("Sat,sun 10:00-24:00"), at(&[Sat, Sun], "10:00", "24:00"));
        assert_eq!(hours("fri-mon,mon 22:00-06:00"), at(&[Mon, Fri, Sat, Sun], "22:00", "06:00"));
        for wrong in ["", "mon-fri", "someday 09:00-10:00", "mon 09:00", "mon 09:00-10:00 11:00-12:00"] {
            assert!(hours(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn b1_hours_are_written_as_they_are_read() {
        for text in
            ["09:00-18:00", "mon-fri 09:00-12:00", "sat,sun 10:00-24:00", "mon,wed-fri,sun 22:00-06:00"]
        {
            let open = vec![parse(text).unwrap()];
            let window = SendWindow { open, clock: WindowClock::Campaign, closed_on: Vec::new() };
            assert_eq!(written(&window), text);
        }
        let open = vec![parse("mon-fri 09:00-12:00").unwrap(), parse("14:00-18:00").unwrap()];
        let closed_on = vec!["2026-12-24".to_owned()];
        let window = SendWindow { open, clock: WindowClock::Recipient, closed_on };
        assert_eq!(
            written(&window),
            "mon-fri 09:00-12:00, 14:00-18:00 on the clock of each recipient, not on 2026-12-24"
        );
    }
}
