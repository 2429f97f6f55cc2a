//! Who in a group has which partition: decisions only.
//!
//! A partition that has to move is first asked back. Its former owner finishes, then the new one gets it; in
//! between nobody has it. As few as possible move.

use sluice_runtime::ports::log::Partition;
use std::collections::{BTreeMap, BTreeSet};

/// A member, numbered in the order of joining.
pub(crate) type MemberId = u64;

/// What a member is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The partition is the member's.
    Assigned(MemberId, Partition),
    /// The member is to finish with the partitions.
    Revoking(MemberId, Vec<Partition>),
    /// The member did not finish in time.
    Lost(MemberId, Vec<Partition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Member(MemberId),
    /// Still the member's, who was asked to finish.
    Leaving(MemberId),
}

/// The assignment of one group on one topic.
#[derive(Debug)]
pub(crate) struct Group {
    owners: Vec<Owner>,
    members: Vec<MemberId>,
}

impl Group {
    /// Without members.
    pub(crate) fn new(partitions: u32) -> Self {
        Self { owners: vec![Owner::Nobody; partitions as usize], members: Vec::new() }
    }

    /// Whether the member may commit: it has the partition, or is just finishing with it (hazard 6).
    pub(crate) fn owns(&self, member: MemberId, partition: Partition) -> bool {
        let owner = self.owners.get(partition.0 as usize);
        matches!(owner, Some(Owner::Member(id) | Owner::Leaving(id)) if *id == member)
    }

    /// The partitions that a member has, also one that is just finishing with it.
    pub(crate) fn assigned(&self) -> BTreeSet<Partition> {
        let owned = self.owners.iter().enumerate().filter(|(_, owner)| **owner != Owner::Nobody);
        owned.map(|(number, _)| Partition(number as u32)).collect()
    }

    /// Whether nobody is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A new member, with the highest number so far.
    pub(crate) fn join(&mut self, member: MemberId) -> Vec<Change> {
        self.members.push(member);
        self.balance()
    }

    /// A member is gone; what it had is free at once.
    pub(crate) fn leave(&mut self, member: MemberId) -> Vec<Change> {
        self.members.retain(|id| *id != member);
        for owner in &mut self.owners {
            if matches!(owner, Owner::Member(id) | Owner::Leaving(id) if *id == member) {
                *owner = Owner::Nobody;
            }
        }
        self.balance()
    }

    /// A member has finished with partitions that were asked back, or its time is over.
    pub(crate) fn finished(
        &mut self,
        member: MemberId,
        partitions: &[Partition],
        in_time: bool,
    ) -> Vec<Change> {
        let mut freed = Vec::new();
        for partition in partitions {
            if let Some(owner) = self.owners.get_mut(partition.0 as usize)
                && *owner == Owner::Leaving(member)
            {
                *owner = Owner::Nobody;
                freed.push(*partition);
            }
        }
        let mut changes = Vec::new();
        if !in_time && !freed.is_empty() {
            changes.push(Change::Lost(member, freed));
        }
        changes.extend(self.balance());
        changes
    }

    /// Asks back what a member has too much, gives out what is free.
    fn balance(&mut self) -> Vec<Change> {
        if self.members.is_empty() {
            return Vec::new();
        }
        let mut owned: BTreeMap<MemberId, Vec<Partition>> =
            self.members.iter().map(|member| (*member, Vec::new())).collect();
        for (number, owner) in self.owners.iter().enumerate() {
            if let Owner::Member(member) = owner
                && let Some(partitions) = owned.get_mut(member)
            {
                partitions.push(Partition(number as u32));
            }
        }
        // Who has more already keeps the one more that not everybody can have.
        let mut ranked = self.members.clone();
        ranked.sort_by_key(|member| (std::cmp::Reverse(owned[member].len()), *member));
        let (share, extra) = (self.owners.len() / ranked.len(), self.owners.len() % ranked.len());
        let quotas: Vec<(MemberId, usize)> = ranked
            .into_iter()
            .enumerate()
            .map(|(rank, member)| (member, share + usize::from(rank < extra)))
            .collect();

        let mut changes = Vec::new();
        for (member, quota) in &quotas {
            let partitions = owned.get_mut(member).map(std::mem::take).unwrap_or_default();
            let surplus = partitions.get(*quota..).unwrap_or_default().to_vec();
            for partition in &surplus {
                self.owners[partition.0 as usize] = Owner::Leaving(*member);
            }
            if !surplus.is_empty() {
                changes.push(Change::Revoking(*member, surplus));
            }
            let mut has = partitions.len().min(*quota);
            for number in 0..self.owners.len() {
                if has < *quota && self.owners[number] == Owner::Nobody {
                    self.owners[number] = Owner::Member(*member);
                    changes.push(Change::Assigned(*member, Partition(number as u32)));
                    has += 1;
                }
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn partitions(numbers: &[u32]) -> Vec<Partition> {
        numbers.iter().copied().map(Partition).collect()
    }

    #[test]
    fn a_partition_moves_only_after_its_owner_has_finished() {
        let mut group = Group::new(4);
        assert_eq!(group.join(1).len(), 4);
        assert_eq!(group.join(2), [Change::Revoking(1, partitions(&[2, 3]))]);
        assert!(group.owns(1, Partition(3)) && !group.owns(2, Partition(3)));
        let moved = group.finished(1, &partitions(&[2, 3]), true);
        assert_eq!(moved, [Change::Assigned(2, Partition(2)), Change::Assigned(2, Partition(3))]);
        assert!(!group.owns(1, Partition(3)) && group.owns(2, Partition(3)));
        assert_eq!(group.finished(1, &partitions(&[2, 3]), false), [], "late and twice");
    }

    #[test]
    fn who_does_not_finish_in_time_is_told_so() {
        let mut group = Group::new(2);
        group.join(1);
        group.join(2);
        let changes = group.finished(1, &partitions(&[1]), false);
        assert_eq!(changes, [Change::Lost(1, partitions(&[1])), Change::Assigned(2, Partition(1))]);
    }

    #[test]
    fn what_is_asked_back_returns_when_the_new_member_leaves_first() {
        let mut group = Group::new(2);
        group.join(1);
        group.join(2);
        assert_eq!(group.leave(2), []);
        assert_eq!(group.finished(1, &partitions(&[1]), true), [Change::Assigned(1, Partition(1))]);
    }

    #[test]
    fn more_members_than_partitions_leave_some_idle() {
        let mut group = Group::new(1);
        group.join(1);
        assert_eq!(group.join(2), []);
        assert_eq!(group.leave(1), [Change::Assigned(2, Partition(0))]);
    }

    proptest! {
        /// Each step: 0 joins, 1 leaves, 2 finishes in time, 3 too late.
        #[test]
        fn hazard_6_nobody_shares_a_partition_and_all_find_an_owner(
            count in 1u32..9, steps in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 1..40),
        ) {
            let mut group = Group::new(count);
            let mut members: Vec<MemberId> = Vec::new();
            let mut has: BTreeMap<MemberId, BTreeSet<Partition>> = BTreeMap::new();
            let mut asked: Vec<(MemberId, Vec<Partition>)> = Vec::new();
            let mut ids = 0;
            let tell = |changes: Vec<Change>, has: &mut BTreeMap<MemberId, BTreeSet<Partition>>,
                            asked: &mut Vec<(MemberId, Vec<Partition>)>| {
                for change in changes {
                    match change {
                        Change::Assigned(member, partition) => {
                            assert!(has.values().all(|partitions| !partitions.contains(&partition)));
                            has.entry(member).or_default().insert(partition);
                        }
                        Change::Revoking(member, partitions) => asked.push((member, partitions)),
                        Change::Lost(..) => {}
                    }
                }
            };
            for (step, pick) in steps {
                match step {
                    0 => {
                        ids += 1;
                        members.push(ids);
                        let changes = group.join(ids);
                        tell(changes, &mut has, &mut asked);
                    }
                    1 if !members.is_empty() => {
                        let member = members.remove(pick.index(members.len()));
                        has.remove(&member);
                        asked.retain(|(id, _)| *id != member);
                        let changes = group.leave(member);
                        tell(changes, &mut has, &mut asked);
                    }
                    2 | 3 if !asked.is_empty() => {
                        let (member, partitions) = asked.remove(pick.index(asked.len()));
                        for partition in &partitions {
                            prop_assert!(has.get_mut(&member).unwrap().remove(partition));
                        }
                        let changes = group.finished(member, &partitions, step == 2);
                        tell(changes, &mut has, &mut asked);
                    }
                    _ => {}
                }
            }
            while let Some((member, partitions)) = asked.pop() {
                has.get_mut(&member).unwrap().retain(|partition| !partitions.contains(partition));
                let changes = group.finished(member, &partitions, true);
                tell(changes, &mut has, &mut asked);
            }
            if !members.is_empty() {
                let counts: Vec<usize> = members.iter().map(|id| has.get(id).map_or(0, BTreeSet::len)).collect();
                prop_assert_eq!(counts.iter().sum::<usize>(), count as usize);
                prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
            }
        }
    }
}
