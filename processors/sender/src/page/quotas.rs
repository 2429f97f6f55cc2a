//! Limits above the page: what it wants of them, and what they leave it.
//!
//! A page wants tokens for what is granted and not called, and for what it would grant next if they did not limit it. It
//! grants no more than it has tokens for, so that grants do not run out in masses while tokens are awaited.

use super::Page;
use crate::quotas::{CallTokens, QuotaPlace, User};
use sluice_core::CampaignId;
use sluice_schemas::Priority;
use std::collections::BTreeMap;
use std::time::Duration;

/// A page's tokens, and what it would do with more.
#[derive(Debug)]
pub(super) struct PageTokens {
    user: User,
    /// Of each quota: calls that could be granted now beyond those that are.
    more: Vec<usize>,
}

impl PageTokens {
    pub(super) fn new(user: User) -> Self {
        let more = vec![0; user.quotas()];
        Self { user, more }
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

    /// Whether a call at `start` could be made.
    pub(super) fn has_each(&self, places: &[QuotaPlace], start: Duration) -> bool {
        self.user.has_each(places, start)
    }

    /// The call may have been made, and started before `started_by` if it was.
    pub(super) fn called(&self, tokens: CallTokens, started_by: Duration) {
        self.user.called(tokens, started_by);
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
            let left = self.tokens.user.available(place, now).saturating_sub(granted);
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

    /// Says what tokens could be used for within a moment.
    pub(super) fn want_tokens(&mut self) {
        if self.tokens.more.is_empty() {
            return;
        }
        let mut wanted = vec![0; self.tokens.more.len()];
        if self.stop.is_none() {
            let mut count = |id: &CampaignId, calls: usize| {
                for place in self.lanes.get(id).map_or(&[][..], |state| &state.quotas) {
                    wanted[*place] += calls;
                }
            };
            self.lanes.iter().for_each(|(id, state)| count(id, state.granted.len()));
            let granting = self.grant.as_ref().map_or(&[][..], |grant| &grant.batch);
            granting.iter().for_each(|(id, _)| count(id, 1));
            // What is being granted was part of what could be.
            for (wanted, more) in wanted.iter_mut().zip(&self.tokens.more) {
                *wanted = (*wanted).max(*more);
            }
        }
        let wanted = wanted.into_iter().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        self.tokens.user.want(wanted.collect());
    }
}
