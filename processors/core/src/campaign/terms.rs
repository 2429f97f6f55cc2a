//! The terms of a campaign: what may be changed while it goes on.

use super::CampaignRow;
use crate::launch::{LaunchProblem, ValidRules};
use serde::{Deserialize, Serialize};
use sluice_schemas::{CampaignLaunch, Rules};

/// What may be changed while a campaign goes on. The rest of a launch is frozen: chunks depend on it (hazard 1).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Limit of the campaign over all its pages.
    pub rate: Option<String>,
    /// When and in which order.
    pub rules: Rules,
    /// When a scheduled campaign starts, or a recurring one next: ms since 1970. Means nothing once it has started.
    #[serde(default)]
    pub starts_at_ms: Option<i64>,
    /// The run in which also those are tried again of whom nobody knows whether they got the message: somebody asked
    /// for it, knowing that some will get it twice.
    #[serde(default)]
    pub unknown_in_run: Option<u32>,
    /// The occurrence of a recurring campaign that is to be launched now, if it was not launched already: ms since
    /// 1970. It is booked here first, so that whoever cancels the campaign or changes its terms knows of it.
    #[serde(default)]
    pub occurrence_ms: Option<i64>,
    /// Whom the newest run tries again.
    #[serde(default)]
    pub retried: Option<Retried>,
}

/// The recipients of a run that tries some again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Which run.
    pub run: u32,
    /// How many there were when somebody asked for it. A webhook that comes in that moment may still make one less of it.
    pub recipients: u64,
}

impl Terms {
    /// The terms as rules of a launch, checked.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn check(&self, launch: &CampaignLaunch) -> Result<ValidRules, Vec<LaunchProblem>> {
        // Without the audience, which may be large and says nothing about them.
        // Of the pages only how many there are is looked at; there may be thousands.
        let pages = vec![String::new(); launch.pages.len()];
        ValidRules::of(&CampaignLaunch {
            rate: self.rate.clone(),
            max_retries: launch.max_retries,
            on_unknown: launch.on_unknown,
            time_zone: launch.time_zone.clone(),
            rules: self.rules.clone(),
            ..CampaignLaunch::bare("", launch.channel, pages)
        })
    }
}

impl CampaignRow {
    /// The limit in force.
    pub fn rate(&self) -> Option<&str> {
        let changed = self.changed.as_ref().map(|terms| &terms.rate);
        changed.unwrap_or(&self.launch.rate).as_deref()
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        self.changed.as_ref().map_or(&self.launch.rules, |terms| &terms.rules)
    }

    /// The terms in force, to be changed.
    pub fn terms(&self) -> Terms {
        let Some(changed) = &self.changed else {
            return Terms {
                rate: self.launch.rate.clone(),
                rules: self.launch.rules.clone(),
                ..Terms::default()
            };
        };
        changed.clone()
    }

    /// The rules in force, checked.
    ///
    /// # Errors
    /// Everything that is wrong with them: they were written by another version.
    pub fn valid_rules(&self) -> Result<ValidRules, Vec<LaunchProblem>> {
        self.terms().check(&self.launch)
    }

    /// Whether its present run tries also those again of whom nobody knows whether they got the message.
    pub fn retries_unknown(&self) -> bool {
        self.changed.as_ref().is_some_and(|terms| terms.unknown_in_run == Some(self.run))
    }

    /// How many recipients its present run tries again; `None`: it is the first one, or another version began it.
    pub fn retried(&self) -> Option<u64> {
        let retried = self.changed.as_ref()?.retried?;
        (retried.run == self.run).then_some(retried.recipients)
    }
}
