//! Labels that several components share.

use super::definition::Label;
use crate::ports::log::Topic;
use sluice_schemas::Channel;

/// Channels in the order of [`Channel`], and `unknown` for a page whose channel is not known here.
pub const CHANNEL: Label =
    Label { name: "channel", values: &["whatsapp", "messenger", "instagram", "sms", "http", "unknown"] };

/// Topics in the order of [`Topic`].
pub const TOPIC: Label = Label {
    name: "topic",
    values: &[
        "campaign.launches",
        "campaign.control",
        "sends",
        "chunks",
        "webhooks.raw",
        "receipts",
        "campaign.progress",
        "campaign.events",
        "dead.letters",
    ],
};

/// Consumer groups, each with the topic that it reads.
pub const GROUPS: &[(&str, Topic)] = &[
    ("expander", Topic::Launches),
    ("sender", Topic::Chunks),
    ("receipts", Topic::Receipts),
    ("webhooks", Topic::WebhooksRaw),
    ("completion", Topic::Progress),
    ("completion-control", Topic::Control),
];

/// [`GROUPS`] as label values.
pub const GROUP_ROWS: &[&[&str]] = &[
    &["expander", "campaign.launches"],
    &["sender", "chunks"],
    &["receipts", "receipts"],
    &["webhooks", "webhooks.raw"],
    &["completion", "campaign.progress"],
    &["completion-control", "campaign.control"],
];

/// The label names of [`GROUP_ROWS`].
pub const GROUP_NAMES: &[&str] = &["group", "topic"];

/// The place of a channel.
pub fn channel_place(channel: Option<Channel>) -> usize {
    match channel {
        Some(Channel::Whatsapp) => 0,
        Some(Channel::Messenger) => 1,
        Some(Channel::Instagram) => 2,
        Some(Channel::Sms) => 3,
        Some(Channel::Http) => 4,
        None => 5,
    }
}

/// The place of a topic.
pub fn topic_place(topic: Topic) -> usize {
    topic as usize
}

/// The place of a group; `None` for one that is none of the processors'.
pub fn group_place(group: &str, topic: Topic) -> Option<usize> {
    GROUPS.iter().position(|known| *known == (group, topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_words() {
        for topic in Topic::ALL {
            assert_eq!(TOPIC.values[topic_place(topic)], topic.name());
        }
        for channel in
            [Channel::Whatsapp, Channel::Messenger, Channel::Instagram, Channel::Sms, Channel::Http]
        {
            assert_eq!(CHANNEL.values[channel_place(Some(channel))], channel.as_str());
        }
        assert_eq!(CHANNEL.values[channel_place(None)], "unknown");
        for (row, (group, topic)) in GROUP_ROWS.iter().zip(GROUPS) {
            assert_eq!(*row, [*group, topic.name()]);
        }
        assert_eq!(GROUP_ROWS.len(), GROUPS.len());
    }
}
