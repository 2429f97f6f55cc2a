//! Names of things: small, ordered, cheap to copy.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A campaign: the first 8 bytes of SHA-256 over tenant and name, so the same launch has the same id everywhere.
///
/// The campaign's row keeps both names; two names with one id are refused at creation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CampaignId(pub [u8; 8]);

impl CampaignId {
    /// The id of the campaign that `tenant` calls `name`.
    pub fn of(tenant: &str, name: &str) -> Self {
        let digest = Sha256::new().chain_update(tenant).chain_update([0]).chain_update(name).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }
}

impl fmt::Display for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for CampaignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A chunk: campaign (8 bytes), partition of `receipts` (2), expansion epoch (2), number (4), big-endian.
///
/// The partition is part of the name so that partitions can be added while chunks are on their way;
/// the epoch, so that what a crashed expansion left behind is never taken for a committed chunk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkId(pub [u8; 16]);

impl ChunkId {
    /// Composes the name.
    pub fn new(campaign: CampaignId, receipts_partition: u16, epoch: u16, number: u32) -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&campaign.0);
        id[8..10].copy_from_slice(&receipts_partition.to_be_bytes());
        id[10..12].copy_from_slice(&epoch.to_be_bytes());
        id[12..].copy_from_slice(&number.to_be_bytes());
        Self(id)
    }

    /// The campaign it belongs to.
    pub fn campaign(self) -> CampaignId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[..8]);
        CampaignId(id)
    }

    /// The partition of `receipts` that all its receipts go to.
    pub fn receipts_partition(self) -> u16 {
        u16::from_be_bytes([self.0[8], self.0[9]])
    }

    /// Its number inside the campaign.
    pub fn number(self) -> u32 {
        u32::from_be_bytes([self.0[12], self.0[13], self.0[14], self.0[15]])
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A sending identity; its own word on its channel (page id, phone number id, sender).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PageId(pub Arc<str>);

impl PageId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PageId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message to one recipient: named the same in claims, receipts and echo tags.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SendId {
    /// The chunk it is in.
    pub chunk: ChunkId,
    /// Its position there.
    pub index: u16,
}

/// One provider call for a send, as it travels to the provider and back: `<chunk in hex>.<index>.<attempt>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EchoTag {
    /// The send.
    pub send: SendId,
    /// From 1.
    pub attempt: u8,
}

impl fmt::Display for EchoTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.send.chunk, self.send.index, self.attempt)
    }
}

/// The text is no echo tag of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an echo tag: expected <32 hexadecimal digits>.<index>.<attempt>")]
pub struct NotATag;

impl FromStr for EchoTag {
    type Err = NotATag;

    fn from_str(text: &str) -> Result<Self, NotATag> {
        let mut parts = text.splitn(3, '.');
        let (Some(chunk), Some(index), Some(attempt)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NotATag);
        };
        let attempt: u8 = attempt.parse().map_err(|_| NotATag)?;
        let index: u16 = index.parse().map_err(|_| NotATag)?;
        if attempt == 0 || attempt > crate::ATTEMPTS_MAX || u32::from(index) >= crate::CHUNK_ROWS_MAX {
            return Err(NotATag);
        }
        Ok(Self { send: SendId { chunk: chunk.parse()?, index }, attempt })
    }
}

impl FromStr for ChunkId {
    type Err = NotATag;

    fn from_str(text: &str) -> Result<Self, NotATag> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(NotATag);
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let high = (pair[0] as char).to_digit(16).ok_or(NotATag)?;
            let low = (pair[1] as char).to_digit(16).ok_or(NotATag)?;
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(id))
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_names_its_campaign_and_its_receipts_partition() {
        let campaign = CampaignId::of("default", "spring-sale");
        let chunk = ChunkId::new(campaign, 7, 3, 42);
        assert_eq!((chunk.campaign(), chunk.receipts_partition(), chunk.number()), (campaign, 7, 42));
    }

    #[test]
    fn an_echo_tag_survives_the_way_to_the_provider_and_back() {
        let chunk = ChunkId::new(CampaignId::of("t", "c"), 1, 1, 9);
        let tag = EchoTag { send: SendId { chunk, index: 8_191 }, attempt: 13 };
        assert_eq!(tag.to_string().parse(), Ok(tag));
    }

    #[test]
    fn foreign_tags_are_refused() {
        for text in ["", "a.b.c", "cmp42:rcp981:att1", "00.1.1", &format!("{}.8192.1", "0".repeat(32))] {
            assert_eq!(text.parse::<EchoTag>(), Err(NotATag), "{text}");
        }
    }

    #[test]
    fn tenants_with_equally_named_campaigns_stay_apart() {
        assert_ne!(CampaignId::of("a", "bc"), CampaignId::of("ab", "c"));
    }
}
