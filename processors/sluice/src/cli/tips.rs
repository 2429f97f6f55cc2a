//! Tips for words that the command line does not know: most of them belong elsewhere.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands that are named at most.
const NAMED_MAX: usize = 4;

/// The error of a command line of these `words`, with a tip where its unknown word belongs, if it belongs anywhere.
pub(super) fn with_tip(mut error: clap::Error, program: &Command, words: &[String]) -> clap::Error {
    let said = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.clone()),
        _ => None,
    };
    let tip = match error.kind() {
        ErrorKind::UnknownArgument => {
            let Some(flag) = said(&error, ContextKind::InvalidArg).filter(|word| word.starts_with("--"))
            else {
                return error;
            };
            // Nobody means a value that begins with dashes.
            error.remove(ContextKind::Suggested);
            of_flag(flag.split('=').next().unwrap_or(&flag), program, words)
        }
        ErrorKind::InvalidSubcommand => {
            let word = said(&error, ContextKind::InvalidSubcommand);
            word.and_then(|word| named(commands(program, &|path, _| path.last() == Some(&word.as_str()))))
                .map(|commands| format!("{commands} may be meant"))
        }
        _ => None,
    };
    if let Some(tip) = tip {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

fn of_flag(flag: &str, program: &Command, words: &[String]) -> Option<String> {
    let (mut path, mut command) = (vec![program.get_name()], program);
    for word in words {
        if let Some(inner) = command.find_subcommand(word) {
            path.push(inner.get_name());
            command = inner;
        }
    }
    if takes(command, flag) {
        return Some(format!("{flag} goes after the command: '{} {flag}'", path.join(" ")));
    }
    named(commands(program, &|_, command| takes(command, flag)))
        .map(|commands| format!("'{}' takes no {flag}, unlike {commands}", path.join(" ")))
}

fn takes(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == flag.strip_prefix("--"))
}

/// The commands for which `is` holds, given its words and itself.
fn commands(program: &Command, is: &dyn Fn(&[&str], &Command) -> bool) -> Vec<String> {
    fn walk<'c>(
        command: &'c Command,
        path: &mut Vec<&'c str>,
        is: &dyn Fn(&[&str], &Command) -> bool,
        found: &mut Vec<String>,
    ) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            path.push(inner.get_name());
            if is(path, inner) {
                found.push(path.join(" "));
            }
            walk(inner, path, is, found);
            path.pop();
        }
    }
    let (mut path, mut found) = (vec![program.get_name()], Vec::new());
    walk(program, &mut path, is, &mut found);
    found
}

/// `'sluice explain', 'sluice page'`; nothing where there are none or too many to be a tip.
fn named(commands: Vec<String>) -> Option<String> {
    let quoted: Vec<String> = commands.iter().map(|command| format!("'{command}'")).collect();
    (1..=NAMED_MAX).contains(&quoted.len()).then(|| quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, Parser};

    fn said(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        with_tip(Cli::try_parse_from(&words).unwrap_err(), &Cli::command(), &words[1..]).to_string()
    }

    #[test]
    fn a_flag_before_its_command_is_told_to_go_after_it() {
        for line in ["sluice --server http://h campaign list", "sluice campaign --server=http://h list"] {
            let said = said(line);
            assert!(
                said.contains("tip: --server goes after the command: 'sluice campaign list --server'"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_flag_of_other_commands_names_them_and_never_itself_as_a_value() {
        let watched = said("sluice campaign status spring --watch");
        assert!(
            watched.contains("'sluice campaign status' takes no --watch, unlike 'sluice explain'"),
            "{watched}"
        );
        let asked = said("sluice verify spring --server http://h");
        assert!(!asked.contains("tip:"), "too many take it: {asked}");
    }

    #[test]
    fn a_command_of_a_group_is_found_without_it() {
        assert!(said("sluice status spring").contains("'sluice campaign status' may be meant"));
        assert!(said("sluice campaign explain spring").contains("'sluice explain' may be meant"));
        assert!(!said("sluice frobnicate").contains("tip:"));
    }
}
