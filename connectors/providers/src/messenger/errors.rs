//! Error codes of the Messenger Platform and of Instagram messaging, as data. Here the subcode matters.
//!
//! Sources: `F1` Meta Messenger, "Common Error Codes", 2026-06; `F2` Meta Messenger, "Send a Message", 2026-05;
//! `G1` Meta, Graph "Rate limits"; `W1` Meta, "Error codes" of the WhatsApp Business Platform, for codes that
//! the whole Graph API shares; `P5` client libraries. The class is our judgement of the meaning.

use crate::classes::Class::{
    Account, MaySent, OptOut, PermanentCampaign as Campaign, PermanentRecipient as Recipient, Throttle,
    Transient,
};
use crate::classes::{ErrorRow, Scope, row};

const PAGE: Scope = Scope::Page;

/// The table.
#[rustfmt::skip]
pub static TABLE: &[ErrorRow] = &[
    row(0, Account, "the app user could not be authenticated: a new token is needed", "W1"),
    row(1, Transient, "unknown error, possible server fault", "W1").attempts(4),
    row(1, Account, "unknown error, often a missing permission", "F1").sub(99),
    // The messages were sent and only the reply is broken: a repetition would be a second message (G1).
    row(1, MaySent, "invalid reply although messages were sent", "F1").sub(1_357_046),
    row(2, Transient, "temporary fault, also when the person blocked the page", "F1").attempts(4),
    row(2, Account, "label terms not accepted", "F1").sub(2_018_344),
    row(3, Account, "capability or permission missing", "W1"),
    row(4, Throttle(PAGE), "request limit of the app", "F1"),
    row(4, Throttle(PAGE), "too many sends to phone numbers", "P5").sub(2_018_022),
    // One per person in 12 h.
    row(4, Throttle(Scope::Recipient), "minimum delay between two marketing messages", "F1").sub(2_018_354).attempts(2).wait(43_200),
    row(9, Throttle(PAGE), "opt-in requests exceeded", "F1").sub(2_018_352),
    row(10, Account, "permission missing", "F1"),
    row(10, Recipient, "outside of the allowed window", "F1").sub(2_018_278),
    row(10, Recipient, "outside of the allowed window", "F1").sub(2_534_022),
    row(10, Recipient, "outside of the window, and no permission for news", "F1").sub(2_018_065),
    row(10, Recipient, "the person can't receive messages now", "F1").sub(2_018_108),
    row(10, Recipient, "impact on the person's thread", "F1").sub(2_018_336),
    row(10, OptOut, "the person stopped this notification topic", "F1").sub(1_893_015),
    row(10, Account, "the page is restricted for some time", "F1").sub(1_893_063),
    row(10, Account, "the page is restricted for some time", "F1").sub(1_404_170),
    row(10, Account, "link between Instagram account and page broken, or second factor missing", "F1").sub(2_534_077),
    row(32, Throttle(PAGE), "page calls with a user token are limited", "G1"),
    row(100, Campaign, "bad parameter, dead token or retired message tag", "F1"),
    row(100, Account, "object missing, or no permission for it", "F1").sub(33),
    row(100, Recipient, "no matching user", "F1").sub(2_018_001),
    row(100, Transient, "a file could not be fetched", "F1").sub(2_018_008).attempts(3),
    row(100, Transient, "a video took too long", "F1").sub(2_018_294).attempts(3),
    row(100, Campaign, "media type not allowed", "F1").sub(2_018_047),
    row(100, Campaign, "attachment id invalid", "F1").sub(2_018_074),
    row(100, Campaign, "attachment too large", "F1").sub(2_018_109),
    row(100, Campaign, "app id invalid", "F1").sub(2_018_164),
    row(100, Campaign, "product id invalid", "F1").sub(2_018_320),
    row(100, Campaign, "version not supported", "F1").sub(2_018_328),
    row(100, Account, "the page has no linked Instagram account", "F1").sub(2_534_013),
    row(100, Recipient, "no matching Instagram user", "F1").sub(2_534_014),
    row(100, Campaign, "invalid message data", "F1").sub(2_534_015),
    row(100, Campaign, "invalid private reply", "F1").sub(2_534_025),
    row(100, Account, "the business is blocked from Instagram messaging", "F1").sub(2_534_029),
    row(100, Account, "not the owner of the thread", "F1").sub(2_534_037),
    row(190, Account, "the token is invalid", "F1"),
    row(200, Account, "the app is not live, or a permission is not approved", "F1").to(299),
    row(200, Account, "the app is not live, or a permission is not approved", "F1").sub(2_018_021),
    row(200, Account, "the app is not live, or a permission is not approved", "F1").sub(2_018_027),
    row(200, Account, "the app is not live, or a permission is not approved", "F1").sub(2_018_028),
    row(200, Recipient, "the person is not available, or the window is closed", "F1").sub(1_545_041),
    row(200, Account, "the account's owner switched message access off", "F1").sub(2_534_041),
    row(368, Account, "restricted or disabled for a policy violation; may be timed", "W1").wait(600),
    row(551, Recipient, "the person does not receive messages", "F1"),
    row(551, Recipient, "the person does not receive messages", "F1").sub(1_545_041),
    row(613, Throttle(PAGE), "call rate exceeded", "F1"),
    row(613, Recipient, "second opt-in request on a topic", "F1").sub(1_893_016),
    // Another message to this person would make it worse; others may go on, slower from now on.
    row(613, Throttle(Scope::Recipient), "warning: abuse of tags towards this person", "F1").sub(2_018_338).attempts(1).slowing(),
    row(613, Throttle(PAGE), "call rate exceeded", "F1").sub(2_534_040),
    row(1_200, Transient, "temporary failure to send", "P5"),
    row(2_022, Account, "commerce messages are disabled after a violation", "F1"),
    row(80_001, Throttle(PAGE), "limit of the business use case: pages", "G1"),
    row(80_002, Throttle(PAGE), "limit of the business use case: Instagram", "G1"),
    row(80_006, Throttle(PAGE), "limit of the business use case: Messenger", "G1"),
    row(2_018_171, Transient, "another app controls the thread", "F1").wait(60),
    row(2_018_300, Transient, "another app controls the thread", "F1").wait(60),
    row(2_018_321, Transient, "another app controls the thread", "F1").wait(60),
    row(9_000_001, Recipient, "the message was deleted", "F1"),
];
