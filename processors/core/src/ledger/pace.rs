//! How fast a slowed page goes, in the ledger's stored form: four numbers, see [`CarriedPace`].

use super::{Damaged, take_small};
use crate::number::{put_number, take_number};
use crate::pace::CarriedPace;

pub(super) fn encode_into(pace: &CarriedPace, out: &mut Vec<u8>) {
    put_number(out, pace.level_permille.into());
    put_number(out, pace.per_s_permille.into());
    put_number(out, pace.full_per_1000_s);
    out.extend_from_slice(&pace.at_ms.to_be_bytes());
}

pub(super) fn decode_from(rest: &mut &[u8]) -> Result<CarriedPace, Damaged> {
    let (level_permille, per_s_permille) = (take_small(rest)?, take_small(rest)?);
    let full_per_1000_s = take_number(rest).map_err(Damaged)?;
    let (at_ms, after) = rest.split_first_chunk().ok_or(Damaged("cut short"))?;
    *rest = after;
    let at_ms = i64::from_be_bytes(*at_ms);
    Ok(CarriedPace { level_permille, per_s_permille, full_per_1000_s, at_ms })
}
