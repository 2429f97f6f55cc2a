//! A Bloom filter in blocks of one cache line: one memory access a question, about 0.6 % false answers.

/// Bits a key.
const BITS_PER_KEY: usize = 12;
/// Bits set a key.
const PROBES: u32 = 6;
const BLOCK_WORDS: usize = 8;
const BLOCK_BITS: usize = BLOCK_WORDS * 64;

/// Which keys may be in a run.
#[derive(Debug)]
pub(super) struct Bloom {
    blocks: Vec<[u64; BLOCK_WORDS]>,
}

impl Bloom {
    pub(super) fn new(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BLOCK_BITS).max(1);
        Bloom { blocks: vec![[0; BLOCK_WORDS]; blocks] }
    }

    /// Keys are digests: the low half chooses the block, the high half the bits, nine each.
    fn block(&self, key: u128) -> usize {
        let low = u128::from(key as u64);
        ((low * self.blocks.len() as u128) >> 64) as usize
    }

    fn bits(key: u128) -> impl Iterator<Item = (usize, u64)> {
        let high = (key >> 64) as u64;
        (0..PROBES).map(move |probe| {
            let bit = (high >> (probe * 9)) as usize % BLOCK_BITS;
            (bit / 64, 1 << (bit % 64))
        })
    }

    pub(super) fn insert(&mut self, key: u128) {
        let block = self.block(key);
        for (word, bit) in Self::bits(key) {
            self.blocks[block][word] |= bit;
        }
    }

    pub(super) fn may_contain(&self, key: u128) -> bool {
        let block = &self.blocks[self.block(key)];
        Self::bits(key).all(|(word, bit)| block[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::Bloom;

    #[test]
    fn no_key_is_forgotten_and_few_are_made_up() {
        let key = |number: u64| xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
        let mut bloom = Bloom::new(50_000);
        (0..50_000).for_each(|number| bloom.insert(key(number)));
        assert!((0..50_000).all(|number| bloom.may_contain(key(number))));
        let false_answers = (50_000..150_000).filter(|number| bloom.may_contain(key(*number))).count();
        assert!(false_answers < 2_000, "{false_answers} of 100,000");
    }
}
