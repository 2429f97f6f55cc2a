//! What waits on a page because of its provider, as the page's ledger has it: whichever process is asked can tell it,
//! and the next owner goes on waiting where the last one stood (B6).

use super::{Damaged, take_small};
use crate::ids::CampaignId;
use crate::number::put_number;
use crate::throttle::{HoldReason, TemplateKey};

/// Holds that are kept, at most: a page with more templates that wait has told enough.
pub const HOLDS_MAX: usize = 32;

/// Bytes of a text that are kept, at most: the ledger is written with every grant.
const TEXT_MAX: usize = 240;

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// All of the page.
    Page,
    /// The campaigns of one template.
    Template(TemplateKey),
}

/// One wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerHold {
    /// What waits.
    pub what: Held,
    /// What the provider said, cut where it is long.
    pub reason: HoldReason,
    /// When it was written, ms since 1970 on the owner's clock.
    pub since_ms: i64,
    /// When one call finds out whether it is over, ms since 1970 on the owner's clock.
    pub until_ms: i64,
    /// Refusals since the last call that was taken: the next wait follows from them.
    pub in_a_row: u32,
    /// The ledger's `control` that the owner had heard of. A command that came later lifts a hold that needs a person.
    pub control: u64,
}

impl LedgerHold {
    /// Whether nothing is called because of it, in a ledger with this `control`. What ends by itself no command ends: a
    /// provider that asks for time gets it.
    pub fn waits(&self, control: u64, now_ms: i64) -> bool {
        (control <= self.control || !self.reason.needs_a_person()) && now_ms < self.until_ms
    }

    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        match &self.what {
            Held::Page => out.push(0),
            Held::Template(TemplateKey::Named(name)) => {
                out.push(1);
                put_text(out, name);
            }
            Held::Template(TemplateKey::Of(id)) => {
                out.push(2);
                out.extend_from_slice(&id.0);
            }
        }
        out.push(match &self.reason {
            HoldReason::Unreachable(_) => 0,
            HoldReason::Throttled(_) => 1,
            HoldReason::Account(_) => 2,
            HoldReason::Template(_) => 3,
        });
        put_text(out, self.reason.detail());
        out.extend_from_slice(&self.since_ms.to_be_bytes());
        out.extend_from_slice(&self.until_ms.to_be_bytes());
        put_number(out, self.in_a_row.into());
        out.extend_from_slice(&self.control.to_be_bytes());
    }

    pub(super) fn decode_from(rest: &mut &[u8]) -> Result<Self, Damaged> {
        let what = match take_byte(rest)? {
            0 => Held::Page,
            1 => Held::Template(TemplateKey::Named(take_text(rest)?)),
            2 => Held::Template(TemplateKey::Of(CampaignId(take_array(rest)?))),
            _ => return Err(Damaged("unknown kind of a hold")),
        };
        let reason = match take_byte(rest)? {
            0 => HoldReason::Unreachable,
            1 => HoldReason::Throttled,
            2 => HoldReason::Account,
            3 => HoldReason::Template,
            _ => return Err(Damaged("unknown reason of a hold")),
        };
        let reason = reason(take_text(rest)?);
        let since_ms = i64::from_be_bytes(take_array(rest)?);
        let until_ms = i64::from_be_bytes(take_array(rest)?);
        let in_a_row = take_small(rest)?;
        Ok(Self {
            what,
            reason,
            since_ms,
            until_ms,
            in_a_row,
            control: u64::from_be_bytes(take_array(rest)?),
        })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(TEXT_MAX)];
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text(rest: &mut &[u8]) -> Result<String, Damaged> {
    let length = take_small(rest)? as usize;
    let (text, after) = rest.split_at_checked(length).ok_or(Damaged("cut short"))?;
    *rest = after;
    String::from_utf8(text.to_vec()).map_err(|_| Damaged("a text is not UTF-8"))
}

fn take_byte(rest: &mut &[u8]) -> Result<u8, Damaged> {
    take_array::<1>(rest).map(|[byte]| byte)
}

fn take_array<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], Damaged> {
    let (bytes, after) = rest.split_first_chunk().ok_or(Damaged("cut short"))?;
    *rest = after;
    Ok(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hold() -> impl Strategy<Value = LedgerHold> {
        let what = prop_oneof![
            Just(Held::Page),
            "[a-zäß_]{0,40}".prop_map(|name| Held::Template(TemplateKey::Named(name))),
            any::<[u8; 8]>().prop_map(|id| Held::Template(TemplateKey::Of(CampaignId(id)))),
        ];
        let reason = ("[ -~ä€]{0,60}", 0..4u8).prop_map(|(detail, kind)| match kind {
            0 => HoldReason::Unreachable(detail),
            1 => HoldReason::Throttled(detail),
            2 => HoldReason::Account(detail),
            _ => HoldReason::Template(detail),
        });
        let numbers = (any::<i64>(), any::<i64>(), any::<u32>(), any::<u64>());
        (what, reason, numbers).prop_map(|(what, reason, (since_ms, until_ms, in_a_row, control))| {
            LedgerHold { what, reason, since_ms, until_ms, in_a_row, control }
        })
    }

    proptest! {
        #[test]
        fn the_stored_form_holds_all_of_it(hold in hold()) {
            let mut bytes = Vec::new();
            hold.encode_into(&mut bytes);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(LedgerHold::decode_from(&mut rest), Ok(hold));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _either = LedgerHold::decode_from(&mut bytes.as_slice());
        }
    }

    #[test]
    fn b6_a_hold_ends_with_its_time_or_with_a_command_that_its_owner_had_not_heard_of() {
        let reason = HoldReason::Account("190".to_owned());
        let hold =
            LedgerHold { what: Held::Page, reason, since_ms: 0, until_ms: 1_000, in_a_row: 1, control: 7 };
        assert!(hold.waits(7, 999));
        assert!(!hold.waits(7, 1_000) && !hold.waits(8, 0));
    }

    #[test]
    fn b6_no_command_ends_a_wait_that_the_provider_asked_for() {
        let reason = HoldReason::Throttled("429".to_owned());
        let hold =
            LedgerHold { what: Held::Page, reason, since_ms: 0, until_ms: 1_000, in_a_row: 1, control: 7 };
        assert!(hold.waits(8, 999) && !hold.waits(8, 1_000));
    }

    #[test]
    fn g9_a_long_text_is_cut_between_characters() {
        let long = LedgerHold {
            what: Held::Page,
            reason: HoldReason::Account("ä".repeat(1_000)),
            since_ms: 0,
            until_ms: 0,
            in_a_row: 1,
            control: 0,
        };
        let mut bytes = Vec::new();
        long.encode_into(&mut bytes);
        let read = LedgerHold::decode_from(&mut bytes.as_slice()).unwrap();
        assert_eq!(read.reason.detail(), "ä".repeat(120));
    }
}
