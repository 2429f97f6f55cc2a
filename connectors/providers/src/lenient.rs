//! Reading documents of other people: one odd element does not spoil the rest.

use serde::de::{DeserializeOwned, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;
use std::marker::PhantomData;

/// A list whose elements are read one by one; those that are not as expected are counted. Anything else in its
/// place is an empty list with one odd element.
#[derive(Debug)]
pub(crate) struct Lenient<T> {
    pub(crate) items: Vec<T>,
    pub(crate) odd: u32,
}

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self { items: Vec::new(), odd: 0 }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for List<T> {
            type Value = Lenient<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Lenient<T>, A::Error> {
                let mut read = Lenient::default();
                while let Some(element) = list.next_element::<&serde_json::value::RawValue>()? {
                    match serde_json::from_str(element.get()) {
                        Ok(item) => read.items.push(item),
                        Err(_) => read.odd += 1,
                    }
                }
                Ok(read)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Lenient<T>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Lenient { items: Vec::new(), odd: 1 })
            }

            fn visit_unit<E: Error>(self) -> Result<Lenient<T>, E> {
                Ok(Lenient::default())
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Lenient<T>, E> {
                Ok(Lenient { items: Vec::new(), odd: 1 })
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Lenient<T>, E> {
                Ok(Lenient { items: Vec::new(), odd: 1 })
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Lenient<T>, E> {
                Ok(Lenient { items: Vec::new(), odd: 1 })
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Lenient<T>, E> {
                Ok(Lenient { items: Vec::new(), odd: 1 })
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Lenient<T>, E> {
                Ok(Lenient { items: Vec::new(), odd: 1 })
            }
        }
        deserializer.deserialize_any(List(PhantomData))
    }
}

/// A text, or a number that stands for one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text(pub(crate) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
                Ok(Text(text))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A whole number, or a text of one: WhatsApp writes seconds as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) i64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                i64::try_from(number).map(Number).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number(number))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
