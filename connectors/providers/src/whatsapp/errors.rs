//! Error codes of the WhatsApp Cloud API, as data.
//!
//! Sources: `W1` Meta, "Error codes" of the WhatsApp Business Platform, 2026-09; `W7` Meta, "Per-user marketing
//! template message limits", 2026-04; `W4` Meta, "About the WhatsApp Business Platform", 2025-12; `W9` Meta, "Send
//! Marketing Messages", 2026-05; `G1` Meta, Graph "Rate limits"; `P1` source of the library pywa, 2026-08;
//! `P2` a public specification set of Graph v26.0, 2026-10; `P4` docs of the SDK meta-cloud-api, 2026-09; `P5` other
//! client libraries; `M` from memory, not verified. The class is our judgement of the meaning.

use crate::classes::Class::{
    Account, Foreign, OptOut, PermanentCampaign as Campaign, PermanentRecipient as Recipient, Template,
    Throttle, Transient,
};
use crate::classes::{ErrorRow, Scope, row};

const PAGE: Scope = Scope::Page;

/// The table. `error_subcode` is deprecated on WhatsApp: no row looks at it.
#[rustfmt::skip]
pub static TABLE: &[ErrorRow] = &[
    row(0, Account, "the app user could not be authenticated: a new token is needed", "W1"),
    row(1, Transient, "bad request or possible server fault", "W1").attempts(4),
    row(2, Transient, "service down or overloaded", "W1"),
    row(3, Account, "capability or permission missing", "W1"),
    row(4, Throttle(PAGE), "call-rate limit of the app", "W1"),
    row(10, Account, "permission missing or removed, or not eligible", "W1"),
    row(33, Account, "the business phone number was deleted", "W1"),
    row(100, Campaign, "unsupported, misspelled or too long parameter, or no recipient", "W1"),
    row(190, Account, "the access token has expired", "W1"),
    row(200, Account, "no token given, or a permission is missing", "W1").to(299),
    row(368, Account, "restricted or disabled for a policy violation; may be timed", "W1").wait(600),
    row(613, Throttle(PAGE), "custom call-rate limit of the Graph API", "M"),
    row(80_007, Throttle(PAGE), "rate limit of the WhatsApp Business Account", "W1"),
    row(80_008, Throttle(PAGE), "rate limit of the business management API", "G1"),
    row(130_403, Recipient, "the business has blocked this user", "W1"),
    row(130_429, Throttle(PAGE), "throughput of the sender reached", "W1"),
    row(130_472, Recipient, "the user is part of an experiment: not sent", "W1"),
    // Concerns recipients of one country: to hold the page would stop all others, so each fails by name.
    row(130_497, Recipient, "restricted from messaging users in that country", "W1"),
    row(131_000, Transient, "unknown error", "W1").attempts(4),
    row(131_005, Account, "access denied", "W1"),
    row(131_008, Campaign, "a required parameter is missing", "W1"),
    row(131_009, Campaign, "a parameter's value is invalid", "W1"),
    row(131_016, Transient, "service temporarily unavailable", "W1"),
    row(131_020, Foreign, "groups API", "P1"),
    row(131_021, Recipient, "recipient and sender are the same", "W1"),
    row(131_026, Recipient, "undeliverable: not on WhatsApp, terms not accepted, or a very old client", "W1"),
    row(131_030, Recipient, "not in the allowed list of a test number", "P1"),
    row(131_031, Account, "account locked, or PIN or data check failed", "W1"),
    row(131_037, Account, "555 number without approved display name", "W1"),
    row(131_041, Foreign, "groups API", "P1"),
    row(131_042, Account, "payment problem", "W1"),
    row(131_043, Recipient, "the message expired", "P5"),
    row(131_044, Account, "payment problem for calling", "P1"),
    row(131_045, Account, "registration or certificate error of the sender's number", "W1"),
    row(131_047, Recipient, "more than 24 h since the user's last message", "W1"),
    // Not over by itself before hours or days, and until then for everybody: a person has to look at what is sent, and
    // once an hour one call asks.
    row(131_048, Account, "spam limit: restricted because of blocks and reports", "W1").wait(3_600),
    row(131_049, Throttle(Scope::Recipient), "not delivered: limit of marketing messages per user; not again within 24 h", "W1").attempts(1),
    row(131_050, OptOut, "the recipient stopped marketing messages from this business", "W1"),
    row(131_051, Campaign, "unsupported message type", "W1"),
    row(131_052, Recipient, "the user's media could not be downloaded", "W1"),
    row(131_053, Campaign, "the message's media could not be uploaded", "W1"),
    row(131_055, Campaign, "this endpoint takes marketing templates only", "W1"),
    // "After 4^X seconds", X counted up from 0; its own interval is 6 s, so a second would be for nothing.
    row(131_056, Throttle(Scope::Pair), "too many messages from this sender to this recipient", "W4").wait(4).growing(4),
    row(131_057, Throttle(PAGE), "account in maintenance for at most a minute", "W1").wait(60),
    row(131_059, Foreign, "groups API", "P1"),
    row(131_060, Recipient, "inbound message unsupported", "P2"),
    row(131_061, Campaign, "template with a maximum price sent through the wrong endpoint", "P4"),
    row(131_062, Recipient, "a business-scoped user id can't receive this message", "W9"),
    row(131_063, Campaign, "marketing templates are disabled on the Cloud API for this account", "W1"),
    row(131_064, Account, "messaging limit after template misclassification", "W1").wait(3_600),
    row(131_200, Foreign, "groups API", "P1").to(131_299),
    row(132_000, Campaign, "number of parameters does not match the template", "W1"),
    row(132_001, Campaign, "the template does not exist in that language, or is not approved", "W1"),
    row(132_005, Recipient, "the filled-in text is too long", "W1"),
    row(132_007, Campaign, "the content violates a policy", "W1"),
    row(132_008, Campaign, "parameter values wrongly formatted", "P1"),
    row(132_012, Campaign, "the format of a parameter does not match the template", "W1"),
    row(132_015, Template, "the template is paused for low quality", "W1"),
    row(132_016, Template, "the template is disabled for good", "W1"),
    row(132_018, Campaign, "template validation error", "W1"),
    row(132_068, Template, "the Flow is blocked", "W1"),
    row(132_069, Throttle(Scope::Template), "the Flow is throttled to 10 messages an hour", "W1").wait(3_600),
    row(133_000, Account, "an earlier deregistration failed", "W1"),
    row(133_004, Transient, "server temporarily unavailable", "W1"),
    row(133_005, Account, "two-step PIN wrong", "W1"),
    row(133_006, Account, "the number must be verified first", "W1"),
    row(133_008, Account, "too many PIN guesses", "W1"),
    row(133_009, Account, "PIN entered too fast", "W1"),
    row(133_010, Account, "the sender's number is not registered", "W1"),
    row(133_015, Account, "the number was deleted recently", "W1").wait(300),
    row(133_016, Account, "too many attempts to register or deregister", "W1"),
    row(134_011, Account, "payments terms not accepted", "W1"),
    row(134_100, Campaign, "this endpoint takes marketing templates only", "W1"),
    row(134_101, Transient, "the template is still syncing", "W1").wait(600),
    row(134_102, Account, "template unavailable or account not eligible, whatever the status says", "W1"),
    row(135_000, Campaign, "unknown error with the request's parameters", "W1"),
    row(137_000, Recipient, "the recipient's identity key does not match", "P1"),
    row(138_000, Foreign, "calling API", "P1").to(138_099),
    row(139_000, Foreign, "Flows API", "P1").to(139_099),
    row(139_100, Foreign, "block list API", "P1").to(139_109),
    row(1_752_041, Account, "duplicate onboarding request", "W1"),
    row(2_388_019, Account, "too many templates in the account", "W1"),
    row(2_388_040, Campaign, "template creation: format fault", "W1"),
    row(2_388_047, Campaign, "template creation: format fault", "W1"),
    row(2_388_072, Campaign, "template creation: format fault", "W1"),
    row(2_388_073, Campaign, "template creation: format fault", "W1"),
    row(2_388_293, Campaign, "template creation: format fault", "W1"),
    row(2_388_299, Campaign, "template creation: format fault", "W1"),
    row(2_494_100, Throttle(PAGE), "the number is in maintenance", "W1").wait(60),
];
