//! Texts of providers, made fit to be shown and stored.

/// Characters of a provider's message that are kept.
const CHARS_MAX: usize = 300;
/// A run of this many letters and digits is a token or an id, not a word: messages such as "malformed access
/// token …" repeat what they were given.
const WORD_CHARS_MAX: usize = 32;

/// One line of bounded length, long tokens replaced by `***`.
pub(crate) fn for_people(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(CHARS_MAX + 4));
    let (mut run_start, mut run, mut kept) = (0, 0, 0);
    for c in text.chars() {
        if kept == CHARS_MAX {
            out.push('…');
            break;
        }
        let is_token =
            c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '|' | '.' | '~' | '+' | '/' | '=');
        if is_token {
            if run == 0 {
                run_start = out.len();
            }
            run += 1;
            match run {
                _ if run <= WORD_CHARS_MAX => out.push(c),
                _ if run == WORD_CHARS_MAX + 1 => {
                    out.truncate(run_start);
                    out.push_str("***");
                }
                _ => {}
            }
        } else {
            run = 0;
            out.push(if c.is_control() { ' ' } else { c });
        }
        kept += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_repeated_and_lines_stay_lines() {
        let token = "EAAB".repeat(40);
        assert_eq!(
            for_people(&format!("Malformed access token {token}\nagain")),
            "Malformed access token *** again"
        );
        assert_eq!(for_people("(#131026) Message undeliverable"), "(#131026) Message undeliverable");
        assert_eq!(for_people(&"a ".repeat(400)).chars().count(), CHARS_MAX + 1);
    }
}
