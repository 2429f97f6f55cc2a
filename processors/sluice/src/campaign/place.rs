//! A place in the list of a campaign's recipients. Pure.

use crate::error::{Failure, Outcome};
use sluice_core::ChunkRow;
use std::fmt;

/// One recipient, as `<chunk number>.<index>`; lists go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of its chunk.
    pub chunk: u32,
    /// Its index in it.
    pub index: u16,
}

impl Place {
    /// Reads what a person or a program gives.
    pub fn parse(id: &str) -> Outcome<Self> {
        let parsed = id
            .split_once('.')
            .and_then(|(chunk, index)| Some(Self { chunk: chunk.parse().ok()?, index: index.parse().ok()? }));
        parsed.ok_or_else(|| {
            let to_do = "use the id of the last recipient, for example 3.120";
            Failure::usage("after", format!("`{id}` is not an id"), to_do)
        })
    }

    /// The last one of a chunk.
    pub fn last_of(chunk: &ChunkRow) -> Self {
        Self { chunk: chunk.id.number(), index: (chunk.size.max(1) - 1) as u16 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.chunk, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_places() {
        let place = Place::parse("3.120").unwrap();
        assert_eq!((place, place.to_string().as_str()), (Place { chunk: 3, index: 120 }, "3.120"));
        assert!(place < Place::parse("10.0").unwrap());
        for wrong in ["three", "3", "3.x", "3.70000"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
