//! Which partition a key belongs to: the same answer as Java's default partitioner, whoever produces.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// The partition of `key`, below `partitions`; 0 where there are none.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    // Java's `toPositive` drops the sign bit; it does not negate.
    (murmur2(key) & 0x7fff_ffff).checked_rem(partitions).unwrap_or(0)
}

/// The 32-bit murmur2 of Kafka's Java client.
pub fn murmur2(data: &[u8]) -> u32 {
    // Java hashes the length as a 32-bit number; keys are far below that.
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(MULTIPLIER);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MULTIPLIER) ^ k.wrapping_mul(MULTIPLIER);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        for (at, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * at);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `UtilsTest.testMurmur2` in Kafka's Java client.
    const JAVA: [(&str, i32); 6] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];

    #[test]
    fn hashes_are_those_of_java() {
        for (key, expected) in JAVA {
            assert_eq!(murmur2(key.as_bytes()) as i32, expected, "{key}");
        }
    }

    #[test]
    fn partitions_are_those_of_java() {
        for (key, hash) in JAVA {
            for partitions in [1, 3, 12, 64, 1_000] {
                let expected = (hash & 0x7fff_ffff) as u32 % partitions;
                assert_eq!(partition_of(key.as_bytes(), partitions), expected, "{key} of {partitions}");
            }
        }
        assert_eq!(partition_of(b"abc", 0), 0);
    }
}
