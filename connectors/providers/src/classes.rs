//! Classes of provider errors, and what each means for a call.
//!
//! The tables beside each provider's code are data: rows of [`ErrorRow`]. This module turns a row into a
//! [`CallResult`]; nothing else decides about an error with a known code.

use sluice_core::retry::GrowingWait;
use sluice_core::throttle::HoldReason;
use sluice_runtime::ports::caller::{CallResult, Concerns, Failure};
use std::time::Duration;

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Give up on this recipient for this message.
    PermanentRecipient,
    /// Every recipient would fail, unless it is this one's variables. Each fails by name, so that `retry-failed` reaches
    /// them; when some in a row have, the campaign waits on this page for a person.
    PermanentCampaign,
    /// The message's template is not taken at present, for whomever: its campaigns wait on this page.
    Template,
    /// Try again with backoff.
    Transient,
    /// Slow down; the scope says who.
    Throttle(Scope),
    /// The person wants no messages.
    OptOut,
    /// Credential, money or policy: the page waits for a person to act.
    Account,
    /// The provider says itself that the message may have been sent.
    MaySent,
    /// Codes of other products of the same API; treated as unknown codes.
    Foreign,
}

/// Whom a throttle concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The page, its account or the app: nobody got a message, the page waits.
    Page,
    /// This template or Flow: the recipient waits, other campaigns of the page do not.
    Template,
    /// This sender and this recipient: the recipient waits.
    Pair,
    /// This recipient alone.
    Recipient,
}

impl Class {
    /// The word of the protocol's fact sheet.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::PermanentRecipient => "permanent_recipient",
            Class::PermanentCampaign => "permanent_campaign",
            Class::Template => "template",
            Class::Transient => "transient",
            Class::Throttle(_) => "throttle",
            Class::OptOut => "opt_out",
            Class::Account => "account",
            Class::MaySent => "may_be_sent",
            Class::Foreign => "foreign",
        }
    }
}

/// One row of an error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorRow {
    /// The code, or the first of a range.
    pub code: u32,
    /// The last code of the range; `code` itself for a single one.
    pub code_last: u32,
    /// `None` stands for all subcodes without a row of their own.
    pub subcode: Option<u32>,
    /// What it is about.
    pub class: Class,
    /// Attempts it is worth, the first included; 0 leaves it to the campaign, 1 is final. For classes that
    /// end with another attempt of the same recipient.
    pub attempts_max: u8,
    /// Shortest wait in seconds, where the provider documents one; 0 where not.
    pub wait_s: u32,
    /// So many times as long it waits after each further attempt; 1 where it stays. For those whose recipient waits.
    pub wait_times: u32,
    /// The page slows down as well, for failures of one recipient.
    pub slows_page: bool,
    /// In our words.
    pub meaning: &'static str,
    /// Tag of the source that the meaning was read in; the tags are listed in the table's module.
    pub source: &'static str,
}

/// A row without wait: the attempts are the campaign's.
pub(crate) const fn row(code: u32, class: Class, meaning: &'static str, source: &'static str) -> ErrorRow {
    let (subcode, attempts_max, wait_s, wait_times, slows_page) = (None, 0, 0, 1, false);
    let code_last = code;
    ErrorRow {
        code,
        code_last,
        subcode,
        class,
        attempts_max,
        wait_s,
        wait_times,
        slows_page,
        meaning,
        source,
    }
}

impl ErrorRow {
    /// For one subcode only.
    pub(crate) const fn sub(mut self, subcode: u32) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// For a range of codes, both ends included.
    pub(crate) const fn to(mut self, code_last: u32) -> Self {
        self.code_last = code_last;
        self
    }

    /// Worth this many attempts, the first included.
    pub(crate) const fn attempts(mut self, attempts_max: u8) -> Self {
        self.attempts_max = attempts_max;
        self
    }

    /// Not before this many seconds.
    pub(crate) const fn wait(mut self, wait_s: u32) -> Self {
        self.wait_s = wait_s;
        self
    }

    /// So many times as long after each further attempt.
    pub(crate) const fn growing(mut self, wait_times: u32) -> Self {
        self.wait_times = wait_times;
        self
    }

    /// The page slows down as well.
    pub(crate) const fn slowing(mut self) -> Self {
        self.slows_page = true;
        self
    }

    const fn covers(&self, code: u32) -> bool {
        self.code <= code && code <= self.code_last
    }

    /// The call's result. `code` and `message` as the provider wrote them; a wait that the provider asked for
    /// in this answer wins over the table's.
    pub(crate) fn result(&self, code: String, message: String, asked: Option<Duration>) -> CallResult {
        let known = (self.wait_s > 0).then(|| Duration::from_secs(u64::from(self.wait_s)));
        let retry_after = asked.max(known);
        let growing = known.filter(|_| self.wait_times > 1);
        let growing = growing.map(|first| GrowingWait { first, times: self.wait_times });
        let failed = |transient, opted_out, attempts_max, retry_after| {
            let (code, message) = (code.clone(), message.clone());
            let growing_wait = growing.filter(|_| transient);
            let concerns = match self.class {
                _ if self.slows_page => Concerns::Page,
                Class::PermanentCampaign => Concerns::Campaign,
                _ => Concerns::Recipient,
            };
            CallResult::Failed(Failure {
                transient,
                attempts_max,
                opted_out,
                concerns,
                code,
                message,
                retry_after,
                growing_wait,
            })
        };
        match self.class {
            Class::PermanentRecipient | Class::PermanentCampaign => failed(false, false, 0, None),
            Class::Template => CallResult::Refused {
                reason: HoldReason::Template(format!("{code}: {message}")),
                retry_after,
            },
            Class::OptOut => failed(false, true, 0, None),
            Class::Transient => failed(true, false, self.attempts_max, retry_after),
            Class::Foreign => failed(true, false, UNKNOWN_ATTEMPTS_MAX, retry_after),
            Class::Throttle(Scope::Page) => CallResult::Refused {
                reason: HoldReason::Throttled(format!("{code}: {message}")),
                retry_after,
            },
            Class::Throttle(Scope::Template | Scope::Pair | Scope::Recipient) => {
                let retry_after = retry_after.filter(|_| self.attempts_max != 1);
                failed(self.attempts_max != 1, false, self.attempts_max, retry_after)
            }
            Class::Account => {
                CallResult::Refused { reason: HoldReason::Account(format!("{code}: {message}")), retry_after }
            }
            Class::MaySent => CallResult::Unknown { detail: format!("{code}: {message}") },
        }
    }
}

/// Attempts of an unknown code: two further ones, then a person has to look at it.
pub(crate) const UNKNOWN_ATTEMPTS_MAX: u8 = 3;

/// The row of a code: that of its subcode, otherwise that of the code alone. Single codes win over ranges.
pub(crate) fn find(table: &'static [ErrorRow], code: u32, subcode: Option<u32>) -> Option<&'static ErrorRow> {
    let exact =
        subcode.and_then(|wanted| table.iter().find(|row| row.covers(code) && row.subcode == Some(wanted)));
    let plain = || table.iter().filter(|row| row.covers(code) && row.subcode.is_none());
    exact.or_else(|| plain().min_by_key(|row| row.code_last - row.code))
}
