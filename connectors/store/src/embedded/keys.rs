//! The keys of the tables. Numbers are big-endian, so that keys lie in the order of their numbers.

use sluice_core::{CampaignId, ChunkId, SendId};
use sluice_runtime::ports::store::CorrelationKey;
use sluice_schemas::Channel;

/// A chunk's key begins with campaign and number, so that those of a campaign lie together and in order.
pub(crate) fn chunk(id: ChunkId) -> [u8; 16] {
    let mut key = id.0;
    key[8..12].copy_from_slice(&id.0[12..16]);
    key[12..16].copy_from_slice(&id.0[8..12]);
    key
}

/// The chunk that a key begins with.
pub(crate) fn chunk_of(key: &[u8]) -> Option<ChunkId> {
    let key = key.first_chunk::<16>()?;
    let mut id = *key;
    id[12..16].copy_from_slice(&key[8..12]);
    id[8..12].copy_from_slice(&key[12..16]);
    Some(ChunkId(id))
}

/// A campaign's key, and the prefix of all its chunks.
pub(crate) fn campaign(id: CampaignId) -> [u8; 8] {
    id.0
}

/// A part of something that belongs to a chunk.
pub(crate) fn chunk_part(id: ChunkId, part: &[u8]) -> Vec<u8> {
    [chunk(id).as_slice(), part].concat()
}

/// Stored; never given another meaning.
pub(crate) fn channel_code(channel: Channel) -> u8 {
    match channel {
        Channel::Whatsapp => 1,
        Channel::Messenger => 2,
        Channel::Instagram => 3,
        Channel::Sms => 4,
        Channel::Http => 5,
    }
}

fn channel_of(code: u8) -> Option<Channel> {
    Some(match code {
        1 => Channel::Whatsapp,
        2 => Channel::Messenger,
        3 => Channel::Instagram,
        4 => Channel::Sms,
        5 => Channel::Http,
        _ => return None,
    })
}

/// Lengths go before texts, so that no key is the beginning of another one.
fn put_text(key: &mut Vec<u8>, text: &str) {
    key.extend_from_slice(&(text.len() as u32).to_be_bytes());
    key.extend_from_slice(text.as_bytes());
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (text, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    String::from_utf8(text.to_vec()).ok()
}

const MESSAGE: u8 = 1;
const PERSON: u8 = 2;

/// What a webhook names, and the prefix of all that is noted under it.
pub(crate) fn correlation(key: &CorrelationKey) -> Vec<u8> {
    match key {
        CorrelationKey::Message(channel, id) => {
            let mut out = vec![MESSAGE, channel_code(*channel)];
            put_text(&mut out, id);
            out
        }
        CorrelationKey::Person(page, address) => {
            let mut out = vec![PERSON];
            put_text(&mut out, page.as_str());
            put_text(&mut out, address);
            out
        }
    }
}

/// Reads the beginning of a key back; what follows it stays in `rest`.
pub(crate) fn correlation_of(rest: &mut &[u8]) -> Option<CorrelationKey> {
    let (&kind, after) = rest.split_first()?;
    *rest = after;
    match kind {
        MESSAGE => {
            let (&channel, after) = rest.split_first()?;
            *rest = after;
            Some(CorrelationKey::Message(channel_of(channel)?, take_text(rest)?))
        }
        PERSON => {
            let page = take_text(rest)?;
            Some(CorrelationKey::Person(page.as_str().into(), take_text(rest)?))
        }
        _ => None,
    }
}

/// Times before 1970 lie before all others.
pub(crate) fn time(ms: i64) -> [u8; 8] {
    (ms as u64 ^ 1 << 63).to_be_bytes()
}

pub(crate) fn time_of(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63) as i64
}

/// A send and its attempt.
pub(crate) fn send(id: SendId, attempt: u8) -> [u8; 19] {
    let mut key = [attempt; 19];
    key[..16].copy_from_slice(&id.chunk.0);
    key[16..18].copy_from_slice(&id.index.to_be_bytes());
    key
}

pub(crate) fn send_of(bytes: &[u8; 19]) -> Option<(SendId, u8)> {
    let chunk = ChunkId(*bytes.first_chunk::<16>()?);
    Some((SendId { chunk, index: u16::from_be_bytes([bytes[16], bytes[17]]) }, bytes[18]))
}

/// The prefix of the suppressed addresses of a tenant on a channel.
pub(crate) fn suppressions(tenant: &str, channel: Channel) -> Vec<u8> {
    let mut key = Vec::new();
    put_text(&mut key, tenant);
    key.push(channel_code(channel));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_chunks_lie_by_campaign_and_number() {
        let campaign = CampaignId::of("t", "c");
        let (first, second) = (ChunkId::new(campaign, 9, 8, 1), ChunkId::new(campaign, 0, 0, 2));
        assert!(chunk(first) < chunk(second) && chunk(first).starts_with(&campaign.0));
        assert_eq!((chunk_of(&chunk(first)), chunk_of(&chunk(second))), (Some(first), Some(second)));
    }

    #[test]
    fn a_correlation_key_comes_back_with_what_follows_it() {
        for key in [
            CorrelationKey::Message(Channel::Instagram, "wamid.ü".to_owned()),
            CorrelationKey::Person("page".into(), String::new()),
        ] {
            let mut bytes = correlation(&key);
            bytes.extend_from_slice(b"rest");
            let mut rest = bytes.as_slice();
            assert_eq!((correlation_of(&mut rest), rest), (Some(key), b"rest".as_slice()));
        }
        assert_eq!(correlation_of(&mut [PERSON, 255, 255, 255, 255, 1].as_slice()), None);
    }

    #[test]
    fn times_lie_in_order_and_come_back() {
        let times = [i64::MIN, -5, 0, 7, i64::MAX];
        assert!(times.windows(2).all(|pair| time(pair[0]) < time(pair[1])));
        assert!(times.iter().all(|&ms| time_of(time(ms)) == ms));
    }
}
