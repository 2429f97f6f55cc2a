//! Sets of sends inside one chunk.

use std::fmt;

const WORD: usize = 64;

/// A set of indexes 0..[`crate::CHUNK_ROWS_MAX`], as a bitmap.
///
/// At most 1 KiB; union, difference and membership cost a few instructions a word.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct IndexSet {
    /// Without trailing zero words, so that equal sets have equal words.
    words: Vec<u64>,
}

impl IndexSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// 0..`size`.
    pub fn full(size: u32) -> Self {
        let mut set = Self::new();
        if size > 0 {
            set.insert_range(0, (size - 1) as u16);
        }
        set
    }

    /// Adds one index; says whether it is new.
    pub fn insert(&mut self, index: u16) -> bool {
        let word = usize::from(index) / WORD;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1u64 << (usize::from(index) % WORD);
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Adds `first..=last`.
    pub fn insert_range(&mut self, first: u16, last: u16) {
        for index in first..=last {
            self.insert(index);
        }
    }

    /// Takes one index out; says whether it was there.
    pub fn remove(&mut self, index: u16) -> bool {
        let Some(word) = self.words.get_mut(usize::from(index) / WORD) else { return false };
        let bit = 1u64 << (usize::from(index) % WORD);
        let was = *word & bit != 0;
        *word &= !bit;
        self.trim();
        was
    }

    /// Whether the index is in the set.
    pub fn contains(&self, index: u16) -> bool {
        self.words
            .get(usize::from(index) / WORD)
            .is_some_and(|word| word >> (usize::from(index) % WORD) & 1 == 1)
    }

    /// How many indexes there are.
    pub fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The smallest index.
    pub fn first(&self) -> Option<u16> {
        self.iter().next()
    }

    /// Adds all of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// Takes all of `other` out.
    pub fn subtract(&mut self, other: &Self) {
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= !theirs;
        }
        self.trim();
    }

    /// Keeps what is also in `other`.
    pub fn intersect_with(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= theirs;
        }
        self.trim();
    }

    /// Whether the sets share an index.
    pub fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(mine, theirs)| mine & theirs != 0)
    }

    /// The indexes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.words.iter().enumerate().flat_map(|(position, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                Some((position * WORD + bit) as u16)
            })
        })
    }

    /// The indexes as ascending ranges `(first, last)`, both included.
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for index in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => ranges.push((index, index)),
            }
        }
        ranges
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

impl FromIterator<u16> for IndexSet {
    fn from_iter<I: IntoIterator<Item = u16>>(indexes: I) -> Self {
        let mut set = Self::new();
        set.extend(indexes);
        set
    }
}

impl Extend<u16> for IndexSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, indexes: I) {
        for index in indexes {
            self.insert(index);
        }
    }
}

impl fmt::Debug for IndexSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (position, (first, last)) in self.ranges().into_iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}..={last}")?;
            }
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn indexes() -> impl Strategy<Value = BTreeSet<u16>> {
        prop::collection::btree_set(0u16..8_192, 0..200)
    }

    proptest! {
        #[test]
        fn it_behaves_like_an_ordinary_set(a in indexes(), b in indexes()) {
            let (left, right): (IndexSet, IndexSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            let mut union = left.clone();
            union.union_with(&right);
            let mut difference = left.clone();
            difference.subtract(&right);
            let mut common = left.clone();
            common.intersect_with(&right);
            prop_assert!(union.iter().eq(a.union(&b).copied()));
            prop_assert!(difference.iter().eq(a.difference(&b).copied()));
            prop_assert!(common.iter().eq(a.intersection(&b).copied()));
            prop_assert_eq!(left.intersects(&right), !common.is_empty());
            prop_assert_eq!(left.len() as usize, a.len());
        }

        #[test]
        fn ranges_name_exactly_its_members(a in indexes()) {
            let set: IndexSet = a.iter().copied().collect();
            let mut again = IndexSet::new();
            for (first, last) in set.ranges() {
                again.insert_range(first, last);
            }
            prop_assert_eq!(again, set);
        }

        #[test]
        fn what_was_added_and_removed_leaves_no_trace(a in indexes(), extra in 0u16..8_192) {
            let set: IndexSet = a.iter().copied().filter(|&index| index != extra).collect();
            let mut changed = set.clone();
            changed.insert(extra);
            changed.remove(extra);
            prop_assert_eq!(changed, set);
        }
    }
}
