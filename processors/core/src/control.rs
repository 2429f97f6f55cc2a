//! What a command does to a campaign, by the state it is in: one table.
//!
//! | state | pause | resume | cancel | retry failed | change terms |
//! |---|---|---|---|---|---|
//! | scheduled | – | – | → cancelling | – | changed |
//! | running | → paused | done | → cancelling | – | changed |
//! | paused | done | → running | → cancelling | – | changed |
//! | cancelling | – | – | done | – | – |
//! | completed | – | – | – | → running, next run | – |
//! | cancelled | – | – | done | – | – |
//! | failed | – | – | – | – | – |
//!
//! "done": it is so already, and asking again is harmless. "–": refused, with the reason. Nobody starts a campaign by a
//! command: a scheduled one starts at its time ([`crate::schedule`]), which `change terms` moves. A retry that is given again
//! while its run is under way is "done" as well: which run that is stands in the row, not in its state.

use crate::campaign::CampaignState;

/// What a person wants of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Send nothing more for now.
    Pause,
    /// Go on.
    Resume,
    /// End it; who was not called is counted as cancelled.
    Cancel,
    /// Another run for those whose state says failed.
    RetryFailed,
    /// Other limits, window, priority, start or end.
    ChangeTerms,
}

/// What comes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The campaign goes to this state (the same one where only terms change).
    Step(CampaignState),
    /// It is so already.
    Already,
    /// Impossible, and why: a sentence that goes on after the campaign's name.
    Refused(&'static str),
}

impl Command {
    /// Every command, for tests and documentation.
    pub const ALL: [Command; 5] =
        [Command::Pause, Command::Resume, Command::Cancel, Command::RetryFailed, Command::ChangeTerms];
}

/// The table above.
pub fn decide(state: CampaignState, command: Command) -> Decision {
    use CampaignState::{Cancelled, Cancelling, Completed, Failed, Paused, Running, Scheduled};
    use Command::{Cancel, ChangeTerms, Pause, Resume, RetryFailed};
    use Decision::{Already, Refused, Step};
    match (command, state) {
        (Pause, Running) => Step(Paused),
        (Pause, Paused) => Already,
        (Pause, Scheduled) => Refused("has not started; move its start, or cancel it"),
        (Resume, Paused) => Step(Running),
        (Resume, Running) => Already,
        (Resume, Scheduled) => Refused("has not started; move its start to now"),
        (Cancel, Scheduled | Running | Paused) => Step(Cancelling),
        (Cancel, Cancelling | Cancelled) => Already,
        (RetryFailed, Completed) => Step(Running),
        (RetryFailed, Scheduled | Running | Paused) => {
            Refused("is not completed; failed recipients are tried again after its end")
        }
        (RetryFailed, Cancelling | Cancelled) => Refused("was cancelled; launch the rest as a new campaign"),
        (ChangeTerms, Scheduled | Running | Paused) => Step(state),
        (Pause | Resume | ChangeTerms, Cancelling) => Refused("is being cancelled"),
        (Pause | Resume | Cancel | ChangeTerms, Completed) => Refused("is completed"),
        (Pause | Resume | ChangeTerms, Cancelled) => Refused("was cancelled"),
        (Pause | Resume | Cancel | RetryFailed | ChangeTerms, Failed) => {
            Refused("could not be expanded; mend the cause and launch it under another name")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::*;

    const STATES: [CampaignState; 7] = [Scheduled, Running, Paused, Cancelling, Completed, Cancelled, Failed];

    #[test]
    fn g7_every_step_of_the_table_is_one_that_the_campaign_can_make() {
        for state in STATES {
            for command in Command::ALL {
                if let Decision::Step(to) = decide(state, command) {
                    let changes_terms = command == Command::ChangeTerms && to == state;
                    assert!(changes_terms || state.may_become(to), "{state:?} {command:?}");
                }
            }
        }
    }

    #[test]
    fn c5_a_command_that_was_carried_out_is_harmless_when_given_again() {
        for state in STATES {
            for command in [Command::Pause, Command::Resume, Command::Cancel] {
                if let Decision::Step(to) = decide(state, command) {
                    assert_eq!(decide(to, command), Decision::Already, "{state:?} {command:?}");
                }
            }
        }
    }

    #[test]
    fn c5_a_pause_can_be_taken_back_and_what_has_ended_stays_so() {
        assert_eq!(decide(Running, Command::Pause), Decision::Step(Paused));
        assert_eq!(decide(Paused, Command::Resume), Decision::Step(Running));
        for state in [Completed, Cancelled, Failed] {
            assert!(matches!(decide(state, Command::Pause), Decision::Refused(_)));
            assert!(matches!(decide(state, Command::ChangeTerms), Decision::Refused(_)));
        }
    }
}
