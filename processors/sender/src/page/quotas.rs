//! Limits above the page: what it wants of them, and what they leave it.
//!
//! A page wants tokens for what is granted and not called, and for what it would grant next if they did not limit it. It
//! grants no more than it has tokens for, so that grants do not run out in masses while tokens are awaited. They have to
//! be there before the slot is: otherwise campaigns that need none get every slot of a page (G6).

use super::Page;
use crate::quotas::{CallTokens, QuotaPlace, User};
use sluice_core::{CampaignId, PageId};
use sluice_schemas::Priority;
use std::collections::BTreeMap;
use std::time::Duration;

/// How much earlier than a slot is granted a page wants tokens for it: what a lease takes where the store is busy, or
/// another process wrote first. Together with the time for which slots are granted ahead less than the life of any
/// token.
pub(crate) const TOKENS_AHEAD: Duration = Duration::from_millis(100);

/// A page's tokens, and what it would do with more.
#[derive(Debug)]
pub(super) struct PageTokens {
    user: User,
    /// Of each quota: calls that could be granted beyond those that are, as far as is known.
    more: Vec<usize>,
}

impl PageTokens {
    pub(super) fn new(user: User) -> Self {
        let more = vec![0; user.quotas()];
        Self { user, more }
    }

    /// Learns of quotas that are new or gone.
    pub(super) fn renew(&mut self) {
        self.user.renew();
        self.more = vec![0; self.user.quotas()];
    }

    /// See [`crate::quotas::User::of`].
    pub(super) fn of(&self, page: &PageId, tenant: &str) -> Vec<QuotaPlace> {
        self.user.of(page, tenant)
    }

    /// Resolves when tokens have come.
    pub(super) async fn came(&self) {
        self.user.tokens_came().await;
    }

    /// Why nothing can be leased for what is wanted.
    pub(super) fn trouble(&self) -> Option<String> {
        self.user.trouble()
    }

    /// Nothing more could be granted, as far as is known.
    pub(super) fn forget_more(&mut self) {
        self.more.fill(0);
    }

    /// Takes the tokens of a call at `start`; `None`: it can't be made now.
    pub(super) fn take(&self, places: &[QuotaPlace], start: Duration) -> Option<CallTokens> {
        self.user.take(places, start)
    }

    /// Whether a call at `start` could be made, as far as quotas go.
    pub(super) fn has_each(&self, places: &[QuotaPlace], start: Duration) -> bool {
        self.user.has_each(places, start)
    }

    /// The call may have been made, and started before `started_by` if it was.
    pub(super) fn called(&self, tokens: CallTokens, started_by: Duration) {
        self.user.called(tokens, started_by);
    }

    /// See [`crate::quotas::User::lives_long`].
    pub(super) fn live_long(&self, place: QuotaPlace) -> bool {
        self.user.lives_long(place)
    }

    /// How much later than its slot a call under these may start, where they say so.
    pub(super) fn late(&self, places: &[QuotaPlace]) -> Option<Duration> {
        self.user.late(places)
    }

    /// The call was certainly not made.
    pub(super) fn give_back(&self, tokens: CallTokens, now: Duration) {
        self.user.give_back(tokens, now);
    }
}

impl Page {
    /// Cuts what each campaign could be granted down to the tokens that are there, divided as the page itself is; notes
    /// what it could use.
    pub(super) fn keep_within_quotas(
        &mut self,
        candidates: &mut [(CampaignId, Priority, usize)],
        limit: usize,
        now: Duration,
    ) {
        let start = self.next_start(now);
        let is_under = |id: &CampaignId, place: QuotaPlace| {
            self.lanes.get(id).is_some_and(|state| state.quotas.contains(&place))
        };
        // A quota that lets nothing through for long makes tokens of others useless to its campaigns.
        let has_others = |id: &CampaignId, place: QuotaPlace| {
            let quotas = self.lanes.get(id).map_or(&[][..], |state| &state.quotas);
            quotas.iter().all(|other| *other == place || !self.tokens.user.is_dry(*other, now))
        };
        let places = self.tokens.more.len();
        let more = |place: QuotaPlace| {
            let under = candidates.iter().filter(|(id, ..)| is_under(id, place) && has_others(id, place));
            under.map(|(.., available)| available).sum::<usize>().min(limit)
        };
        let more: Vec<usize> = (0..places).map(more).collect();
        for place in 0..places {
            let under: Vec<(CampaignId, Priority, usize)> =
                candidates.iter().filter(|(id, ..)| is_under(id, place)).copied().collect();
            let granted = self.lanes.values().filter(|state| state.quotas.contains(&place));
            let granted: usize = granted.map(|state| state.granted.len()).sum();
            let left = self.tokens.user.available(place, start).saturating_sub(granted);
            if under.iter().map(|(.., available)| available).sum::<usize>() <= left {
                continue;
            }
            let given: BTreeMap<CampaignId, usize> =
                self.shares.clone().allot(&under, left).into_iter().collect();
            for (id, _, available) in candidates.iter_mut().filter(|(id, ..)| is_under(id, place)) {
                *available = given.get(id).copied().unwrap_or(0);
            }
        }
        self.tokens.more = more;
    }

    /// Granted sends that can be called. Those of campaigns whose tokens were used or ran out since the grant wait
    /// beside the page's slots, for the life of their grant at most, and leave them to others (G6).
    pub(super) fn granted_callable(&self, now: Duration) -> usize {
        if self.tokens.more.is_empty() {
            return self.granted_sends();
        }
        let start = self.next_start(now);
        let granted = self.lanes.values().map(|state| (state.quotas.as_slice(), state.granted.len()));
        callable(granted, |place| self.tokens.user.available(place, start))
    }

    /// When the page's next call may start.
    fn next_start(&self, now: Duration) -> Duration {
        self.ownership.as_ref().map_or(now, |ownership| ownership.slots.next(now).max(now))
    }

    /// Says what tokens could be used for within a moment.
    pub(super) fn want_tokens(&mut self) {
        if self.tokens.more.is_empty() {
            return;
        }
        let now = self.now();
        let mut wanted = vec![0; self.tokens.more.len()];
        if self.stop.is_none() {
            let mut count = |id: &CampaignId, calls: usize| {
                for place in self.lanes.get(id).map_or(&[][..], |state| &state.quotas) {
                    wanted[*place] += calls;
                }
            };
            self.lanes.iter().for_each(|(id, state)| count(id, state.granted.len()));
            let batch = self.grant.as_ref().map_or(&[][..], |grant| &grant.batch);
            batch.iter().for_each(|(id, _)| count(id, 1));
            let ahead = self.ms(self.context.options.ahead_ms) + TOKENS_AHEAD;
            let soon = self.grantable_until(now, now + ahead).saturating_sub(batch.len());
            for (place, (wanted, more)) in wanted.iter_mut().zip(&self.tokens.more).enumerate() {
                let next = soon.min(*more);
                // What is being granted was part of what could be. Where tokens live long, one too many costs nothing,
                // and one that is wanted only when the one before is used comes late where the store takes a while.
                *wanted =
                    if self.tokens.user.lives_long(place) { *wanted + next } else { (*wanted).max(next) };
            }
        }
        let wanted = wanted.into_iter().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        self.tokens.user.want(wanted.collect(), now);
    }
}

/// Of granted sends, by the quotas that they are under, how many can be called with the tokens that are `available`.
fn callable<'a>(
    granted: impl Iterator<Item = (&'a [QuotaPlace], usize)>,
    available: impl Fn(QuotaPlace) -> usize,
) -> usize {
    let mut left: BTreeMap<QuotaPlace, usize> = BTreeMap::new();
    let mut callable = 0;
    for (places, mut count) in granted {
        for place in places {
            count = count.min(*left.entry(*place).or_insert_with(|| available(*place)));
        }
        for place in places {
            left.entry(*place).and_modify(|left| *left -= count);
        }
        callable += count;
    }
    callable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g6_granted_sends_take_room_of_the_page_as_far_as_they_have_tokens() {
        let of =
            |granted: &[(&[QuotaPlace], usize)]| callable(granted.iter().copied(), |place| [3, 0, 5][place]);
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[(&[], 4), (&[0], 2)]), 6);
        assert_eq!(of(&[(&[0], 2), (&[0], 2), (&[], 1)]), 4, "tokens are used once");
        assert_eq!(of(&[(&[1], 7), (&[], 2)]), 2, "who has none leaves the room to others");
        assert_eq!(of(&[(&[0, 1], 2), (&[2, 0], 9)]), 3, "each of its quotas has to have one");
    }
}
