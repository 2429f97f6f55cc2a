//! Which events follow an accepted message, and when they are sent. Pure.

use super::event::EventKind;
use crate::channel::Channel;
use crate::dice::Dice;
use crate::faults::Faults;

/// A duplicate follows within so many milliseconds.
const DUPLICATE_AFTER_MS: u64 = 30;

/// One event of a plan; times are milliseconds after acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) kind: EventKind,
    pub(crate) happens_ms: u64,
    pub(crate) sent_ms: u64,
}

/// What follows one accepted message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Sent and answered before the call is answered.
    pub(crate) early: Option<Planned>,
    pub(crate) later: Vec<Planned>,
    /// Left out on purpose.
    pub(crate) withheld: Vec<EventKind>,
}

/// The plan of one attempt.
pub(crate) fn plan(faults: &Faults, channel: Channel, dice: &Dice) -> Plan {
    let mut events: Vec<Planned> = kinds(faults, channel, dice)
        .into_iter()
        .flatten()
        .map(|kind| {
            let happens_ms = delay_ms(faults, kind);
            Planned { kind, happens_ms, sent_ms: happens_ms }
        })
        .collect();
    if dice.happens("reordered", faults.webhook_reordered_percent) {
        let mut times: Vec<u64> = events.iter().map(|event| event.sent_ms).collect();
        // The last event goes first, but not before it happened in the receiver's eyes: only the order changes.
        times.reverse();
        events.iter_mut().zip(times).for_each(|(event, sent_ms)| event.sent_ms = sent_ms);
        events.sort_by_key(|event| event.sent_ms);
    }
    if dice.happens("late", faults.webhook_late_percent) {
        events
            .iter_mut()
            .for_each(|event| event.sent_ms = event.sent_ms.saturating_add(faults.webhook_late_ms));
    }
    let early = dice.happens("early", faults.webhook_early_percent);
    let mut plan = Plan::default();
    for event in events {
        let dice = dice.about(event.kind.as_str());
        if dice.happens("missing", faults.webhook_missing_percent) {
            plan.withheld.push(event.kind);
            continue;
        }
        if early && plan.early.is_none() {
            plan.early = Some(Planned { happens_ms: 0, sent_ms: 0, ..event });
        } else {
            plan.later.push(event);
        }
        if dice.happens("duplicated", faults.webhook_duplicated_percent) {
            let again = event.sent_ms.saturating_add(dice.up_to("duplicate after", DUPLICATE_AFTER_MS));
            plan.later.push(Planned { sent_ms: again, ..event });
        }
    }
    plan
}

/// In the order in which they happen. Messenger knows no `sent`, Instagram neither `sent` nor `delivered`.
fn kinds(faults: &Faults, channel: Channel, dice: &Dice) -> [Option<EventKind>; 4] {
    let can_fail = matches!(channel, Channel::WhatsApp | Channel::Http);
    if can_fail && dice.happens("failed", faults.webhook_failed_percent) {
        return [Some(EventKind::Failed), None, None, None];
    }
    let arrived = channel == Channel::Instagram || dice.happens("delivered", faults.delivered_percent);
    let read = arrived && dice.happens("read", faults.read_percent);
    let reply = arrived && channel != Channel::Http && dice.happens("reply", faults.reply_percent);
    [
        (channel == Channel::WhatsApp).then_some(EventKind::Sent),
        (arrived && channel != Channel::Instagram).then_some(EventKind::Delivered),
        read.then_some(EventKind::Read),
        reply.then_some(EventKind::Reply),
    ]
}

fn delay_ms(faults: &Faults, kind: EventKind) -> u64 {
    match kind {
        EventKind::Sent | EventKind::Failed => faults.sent_after_ms,
        EventKind::Delivered => faults.delivered_after_ms,
        EventKind::Read => faults.read_after_ms,
        EventKind::Reply => faults.reply_after_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults() -> Faults {
        Faults { read_percent: 100.0, reply_percent: 100.0, ..Faults::default() }
    }

    fn sent(plan: &Plan) -> Vec<EventKind> {
        let mut later = plan.later.clone();
        later.sort_by_key(|event| event.sent_ms);
        later.into_iter().map(|event| event.kind).collect()
    }

    #[test]
    fn each_channel_has_the_events_its_provider_knows() {
        let dice = Dice::new(7, "a", 1);
        let of = |channel| sent(&plan(&faults(), channel, &dice));
        assert_eq!(
            of(Channel::WhatsApp),
            [EventKind::Sent, EventKind::Delivered, EventKind::Read, EventKind::Reply]
        );
        assert_eq!(of(Channel::Messenger), [EventKind::Delivered, EventKind::Read, EventKind::Reply]);
        assert_eq!(of(Channel::Instagram), [EventKind::Read, EventKind::Reply]);
        assert_eq!(of(Channel::Http), [EventKind::Delivered, EventKind::Read]);
    }

    #[test]
    fn reordered_events_come_in_reverse_and_keep_the_time_at_which_they_happened() {
        let faults = Faults { webhook_reordered_percent: 100.0, reply_percent: 0.0, ..faults() };
        let plan = plan(&faults, Channel::WhatsApp, &Dice::new(7, "a", 1));
        assert_eq!(sent(&plan), [EventKind::Read, EventKind::Delivered, EventKind::Sent]);
        assert!(plan.later.iter().any(|e| e.kind == EventKind::Read && e.happens_ms == faults.read_after_ms));
    }

    #[test]
    fn a_failed_message_is_never_delivered() {
        let faults = Faults { webhook_failed_percent: 100.0, ..faults() };
        assert_eq!(sent(&plan(&faults, Channel::WhatsApp, &Dice::new(7, "a", 1))), [EventKind::Failed]);
    }

    #[test]
    fn only_the_first_event_is_early() {
        let faults = Faults { webhook_early_percent: 100.0, reply_percent: 0.0, ..faults() };
        let plan = plan(&faults, Channel::WhatsApp, &Dice::new(7, "a", 1));
        assert_eq!(plan.early.map(|event| event.kind), Some(EventKind::Sent));
        assert_eq!(sent(&plan), [EventKind::Delivered, EventKind::Read]);
    }
}
