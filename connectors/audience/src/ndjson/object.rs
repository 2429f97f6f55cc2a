//! One JSON object to cells, without a tree in between.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Keys of a file with their columns.
#[derive(Debug, Default)]
pub(super) struct Keys {
    columns: HashMap<Arc<str>, usize>,
    names: Vec<Arc<str>>,
}

impl Keys {
    fn of(names: &[Arc<str>]) -> Self {
        let columns = names.iter().enumerate().map(|(column, name)| (Arc::clone(name), column)).collect();
        Keys { columns, names: names.to_vec() }
    }

    /// Adds the keys of a line that is an object, up to `keys_max` in all; false if it is none.
    pub(super) fn collect(&mut self, line: &[u8], keys_max: usize) -> bool {
        let before = self.names.len();
        let mut reader = serde_json::Deserializer::from_slice(line);
        let read = reader.deserialize_map(KeyCollector { keys: self, keys_max });
        let whole = read.is_ok() && reader.end().is_ok();
        if !whole {
            // The row will be malformed: its keys are no columns.
            for name in self.names.drain(before..) {
                self.columns.remove(&name);
            }
        }
        whole
    }

    pub(super) fn into_names(self) -> Vec<Arc<str>> {
        self.names
    }
}

struct KeyCollector<'k> {
    keys: &'k mut Keys,
    keys_max: usize,
}

impl<'de> Visitor<'de> for KeyCollector<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(NewKey { keys: self.keys, keys_max: self.keys_max })?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct NewKey<'k> {
    keys: &'k mut Keys,
    keys_max: usize,
}

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<(), D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        if !self.keys.columns.contains_key(key) && self.keys.names.len() < self.keys_max {
            let name: Arc<str> = key.into();
            self.keys.columns.insert(Arc::clone(&name), self.keys.names.len());
            self.keys.names.push(name);
        }
        Ok(())
    }
}

/// Reads objects whose keys are known.
#[derive(Debug)]
pub(super) struct ObjectReader {
    keys: Keys,
    /// Values in the object's order.
    values: String,
    /// Where each column's value stands in `values`; `None`: not there.
    spans: Vec<Option<(u32, u32)>>,
    text: String,
    ends: Vec<u32>,
}

impl ObjectReader {
    pub(super) fn new(header: &[Arc<str>]) -> Self {
        ObjectReader {
            keys: Keys::of(header),
            values: String::new(),
            spans: vec![None; header.len()],
            text: String::new(),
            ends: Vec::new(),
        }
    }

    /// The cells of one line in the order of the columns; what is not there, and null, is empty.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<(&str, &[u32]), String> {
        self.values.clear();
        self.spans.fill(None);
        let mut reader = serde_json::Deserializer::from_slice(line);
        let cells = CellCollector { keys: &self.keys, values: &mut self.values, spans: &mut self.spans };
        let read = reader.deserialize_map(cells).and_then(|()| reader.end());
        if let Err(error) = read {
            return Err(format!("not a JSON object: {}", without_line(&error)));
        }
        self.text.clear();
        self.ends.clear();
        for span in &self.spans {
            if let Some((from, to)) = *span {
                self.text.push_str(&self.values[from as usize..to as usize]);
            }
            self.ends.push(self.text.len() as u32);
        }
        Ok((&self.text, &self.ends))
    }
}

/// The parser counts lines from the slice it got: its column is of use, its line is always 1.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

struct CellCollector<'r> {
    keys: &'r Keys,
    values: &'r mut String,
    spans: &'r mut [Option<(u32, u32)>],
}

impl<'de> Visitor<'de> for CellCollector<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(KnownKey(self.keys))? {
            let from = self.values.len() as u32;
            map.next_value_seed(Value(self.values))?;
            let span = &mut self.spans[column];
            if span.is_some() {
                return Err(A::Error::custom(format_args!(
                    "key `{}` is there twice",
                    self.keys.names[column]
                )));
            }
            *span = Some((from, self.values.len() as u32));
        }
        Ok(())
    }
}

struct KnownKey<'k>(&'k Keys);

impl<'de> DeserializeSeed<'de> for KnownKey<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<usize, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownKey<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<usize, E> {
        // Unknown only where the file has more keys than can be, or changed meanwhile (which its pin shows).
        self.0
            .columns
            .get(key)
            .copied()
            .ok_or_else(|| E::custom(format_args!("too many keys in the file: `{key}`")))
    }
}

/// Appends a value as text: scalars as they read, null as nothing, the rest as compact JSON.
struct Value<'v>(&'v mut String);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl Value<'_> {
    fn push<E: serde::de::Error>(self, value: impl fmt::Display) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.push(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.push(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.push(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        match serde_json::Number::from_f64(value) {
            Some(number) => self.push(number),
            None => Err(E::custom("a number that JSON does not have")),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        let document = serde::de::value::SeqAccessDeserializer::new(items);
        let value: serde_json::Value = serde::Deserialize::deserialize(document)?;
        self.push(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        let document = serde::de::value::MapAccessDeserializer::new(entries);
        let value: serde_json::Value = serde::Deserialize::deserialize(document)?;
        self.push(value)
    }
}
