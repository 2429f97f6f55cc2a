//! A whole campaign.

use super::given::{End, Given, rulebook};
use super::history::{History, histories};
use super::rules::{self, Kept};
use super::{Line, Violation, Violations};
use crate::rules::Rules;
use serde::Deserialize;
use sluice_schemas::{CampaignEvent, CampaignEventKind};
use sluice_simulator::Channel;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Attempts after the first one, as the launches ask for.
pub const RETRIES_MAX: usize = 3;

/// One recipient as `campaign export --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Exported {
    /// Normalised address.
    pub address: String,
    /// Line of the audience.
    pub line: u64,
    /// The page that sends.
    pub page: String,
    /// Where it is.
    pub status: String,
    /// Attempts beyond the first.
    pub retry_count: u64,
    /// Why it failed.
    pub reason: Option<String>,
}

/// Everything that is known about one campaign after its end.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Its name.
    pub campaign: &'a str,
    /// Its channel.
    pub channel: Channel,
    /// Everybody of the audience, as the provider writes their addresses.
    pub audience: &'a BTreeSet<String>,
    /// What it was launched with.
    pub rules: &'a Rules,
    /// What persons did to it, in order.
    pub given: &'a [Given],
    /// Calls and webhooks of everybody, in order of time.
    pub lines: &'a [Line],
    /// The program's states.
    pub people: &'a [Exported],
    /// The program's recount, `verify --json`.
    pub verified: &'a serde_json::Value,
    /// All records of `campaign.events`.
    pub events: &'a [CampaignEvent],
    /// Every fault until the campaign's end let processes end in order: nobody may be `unknown` by one.
    pub clean: bool,
}

/// What the judge found. Moments in microseconds since 1970.
#[derive(Debug, Default)]
pub struct Judged {
    /// Broken guarantees, the first of each.
    pub violations: Vec<Violation>,
    /// How many more there were.
    pub left_out: u64,
    /// Accepted calls.
    pub sent: Vec<u64>,
    /// Calls that should not have been.
    pub doubled: Vec<u64>,
    /// People whom no call reached and no state explains.
    pub lost: Vec<u64>,
    /// People who are `unknown` because the provider never answered.
    pub unknown_by_provider: Vec<u64>,
    /// People who are `unknown` because of a fault, called or not.
    pub unknown_by_fault: Vec<u64>,
    /// Of these, those who were never called.
    pub never_called: u64,
    /// How far its rules were used.
    pub kept: Kept,
}

/// Judges one campaign.
pub fn judge(evidence: &Evidence<'_>) -> Judged {
    let mut violations = Violations::default();
    let mut judged = Judged::default();
    let histories = histories(evidence.lines, evidence.channel);
    let of_campaign =
        || histories.iter().filter(|(to, _)| evidence.audience.contains(&***to)).map(|(_, history)| history);
    for call in of_campaign().flat_map(|history| &history.calls).filter(|call| call.outcome.is_accepted()) {
        judged.sent.push(call.t_us);
    }
    check_calls(evidence, &histories, &mut judged, &mut violations);
    check_everybody_once(evidence, &mut violations, &mut judged);
    check_states(evidence, &histories, &mut judged, &mut violations);
    check_counters(evidence, &mut violations);
    check_end(evidence, &mut violations);
    if evidence.clean && !judged.unknown_by_fault.is_empty() {
        let count = judged.unknown_by_fault.len();
        violations.add(
            "G2",
            format!("{}: {count} are unknown, though processes ended in order", evidence.campaign),
        );
    }
    let book = rulebook(evidence.rules, evidence.given);
    let (breaches, kept) =
        rules::check(evidence.campaign, evidence.channel, evidence.audience, evidence.lines, &book);
    (judged.violations, judged.left_out) = violations.into_parts();
    judged.violations.extend(breaches);
    judged.kept = kept;
    judged
}

/// G1: nobody is called again whose last call was not failed by the provider, and nobody too often.
fn check_calls(
    evidence: &Evidence<'_>,
    histories: &HashMap<Arc<str>, History>,
    judged: &mut Judged,
    violations: &mut Violations,
) {
    for to in evidence.audience {
        let Some(history) = histories.get(to.as_str()) else { continue };
        for call in history.doubles() {
            judged.doubled.push(call.t_us);
            violations
                .add("G1", format!("{}: {to} was called again: {:?}", evidence.campaign, history.calls));
        }
        if history.failed() > 1 + RETRIES_MAX {
            let times = history.failed();
            violations.add("G1", format!("{}: {to} was tried {times} times", evidence.campaign));
        }
    }
}

/// G2: the export holds everybody of the audience once, and nobody else.
fn check_everybody_once(evidence: &Evidence<'_>, violations: &mut Violations, judged: &mut Judged) {
    let mut seen = BTreeSet::new();
    for person in evidence.people {
        let to = to_of(person);
        if !evidence.audience.contains(to) {
            violations.add("G2", format!("{}: {to} is not in the audience", evidence.campaign));
        }
        if !seen.insert(to) {
            violations.add("G2", format!("{}: {to} is there twice", evidence.campaign));
        }
    }
    for to in evidence.audience.iter().filter(|to| !seen.contains(to.as_str())) {
        judged.lost.push(0);
        violations.add("G2", format!("{}: {to} has no state", evidence.campaign));
    }
}

/// The address as the provider writes it.
fn to_of(person: &Exported) -> &str {
    person.address.trim_start_matches('+')
}

/// G2, G3: every state is one that the provider's log allows.
fn check_states(
    evidence: &Evidence<'_>,
    histories: &HashMap<Arc<str>, History>,
    judged: &mut Judged,
    violations: &mut Violations,
) {
    let nothing = History::default();
    let moments = moments(evidence.people, histories);
    for person in evidence.people {
        let to = to_of(person);
        let history = histories.get(to).unwrap_or(&nothing);
        let moment = moments.get(to).copied().unwrap_or(0);
        let allowed = history.allowed(End::of(evidence.given).may_leave_people());
        if !allowed.contains(person.status.as_str()) {
            let lost = !history.is_accepted() && !history.calls.iter().any(|call| call.outcome.is_answered());
            if lost {
                judged.lost.push(moment);
            }
            let what = format!(
                "{}: {to} is `{}` ({}), after {:?} told {:?} it can only be {allowed:?}",
                evidence.campaign,
                person.status,
                person.reason.as_deref().unwrap_or("no reason"),
                history.calls,
                history.told,
            );
            violations.add(if lost { "G2" } else { "G3" }, what);
        }
        if person.status == "unknown" {
            if history.is_unanswered() {
                judged.unknown_by_provider.push(moment);
            } else {
                judged.unknown_by_fault.push(moment);
                judged.never_called += u64::from(history.calls.is_empty());
            }
        }
    }
}

/// When each person's turn was: their last call, or the call before theirs on the same page where they had none.
fn moments<'a>(people: &'a [Exported], histories: &HashMap<Arc<str>, History>) -> HashMap<&'a str, u64> {
    let mut in_order: Vec<&Exported> = people.iter().collect();
    in_order.sort_by_key(|person| (&person.page, person.line));
    let mut moments = HashMap::new();
    let (mut page, mut latest) = ("", 0);
    for person in in_order {
        if person.page != page {
            (page, latest) = (&person.page, 0);
        }
        let to = to_of(person);
        let calls = histories.get(to).map(|history| &*history.calls).unwrap_or_default();
        // Retries come much later than the neighbours' first calls.
        latest = calls.first().map_or(latest, |call| call.t_us);
        moments.insert(to, calls.last().map_or(latest, |call| call.t_us));
    }
    moments
}

/// G3: the program's counters are a recount of its states, and its own recount agrees.
fn check_counters(evidence: &Evidence<'_>, violations: &mut Violations) {
    let campaign = evidence.campaign;
    if evidence.verified["agrees"] != true {
        let differences = &evidence.verified["differences"];
        violations.add("G3", format!("{campaign}: verify found differences: {differences}"));
    }
    let counters = &evidence.verified["counters"];
    for (name, recounted) in recount(evidence.people) {
        let counted = counters[name].as_u64();
        if counted != Some(recounted) {
            violations.add(
                "G3",
                format!("{campaign}: the counter {name} is {counted:?}, a recount gives {recounted}"),
            );
        }
    }
}

fn recount(people: &[Exported]) -> BTreeMap<&'static str, u64> {
    let count = |statuses: &[&str]| {
        people.iter().filter(|person| statuses.contains(&person.status.as_str())).count() as u64
    };
    BTreeMap::from([
        ("total", people.len() as u64),
        ("pending", count(&["pending"])),
        ("sent", count(&["sent", "delivered", "read", "responded"])),
        ("delivered", count(&["delivered", "read", "responded"])),
        ("read", count(&["read", "responded"])),
        ("responded", count(&["responded"])),
        ("failed", count(&["failed"])),
        ("opted_out", count(&["opted_out"])),
        ("skipped", count(&["skipped"])),
        ("cancelled", count(&["cancelled"])),
        ("unknown", count(&["unknown"])),
        ("retries", people.iter().map(|person| person.retry_count).sum()),
    ])
}

/// G8: one end, by its id, of the kind that commands allow.
fn check_end(evidence: &Evidence<'_>, violations: &mut Violations) {
    let is_end = |event: &&CampaignEvent| {
        event.campaign == evidence.campaign
            && matches!(
                event.kind,
                CampaignEventKind::Completed | CampaignEventKind::Cancelled | CampaignEventKind::Failed
            )
    };
    let ends: Vec<&CampaignEvent> = evidence.events.iter().filter(is_end).collect();
    let ids: BTreeSet<&str> = ends.iter().map(|event| event.id.as_str()).collect();
    if ids.len() != 1 {
        violations.add("G8", format!("{}: {} end events, {ids:?}", evidence.campaign, ids.len()));
    }
    let total = evidence.audience.len() as i64;
    let expected: &[CampaignEventKind] = match End::of(evidence.given) {
        End::Completed => &[CampaignEventKind::Completed],
        End::Cancelled => &[CampaignEventKind::Cancelled],
        End::Either => &[CampaignEventKind::Completed, CampaignEventKind::Cancelled],
    };
    for event in ends {
        if !expected.contains(&event.kind) || event.counters.get("total") != Some(&total) {
            violations.add("G8", format!("{}: it ended as {event:?}", evidence.campaign));
        }
    }
}

#[cfg(test)]
mod tests;
