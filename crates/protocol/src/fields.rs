//! Field types that carry their own limits.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::limits::MAX_INTEGER;

/// A text of `MIN` to `MAX` characters without U+0000.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

/// Why a text does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// It is shorter than the least.
    #[error("must have at least {0} characters")]
    TooShort(usize),
    /// It is longer than the most.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// It has the character U+0000.
    #[error("must not contain U+0000")]
    Nul,
}

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// Checks a text.
    ///
    /// # Errors
    /// [`InvalidText`] says which limit it breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidText> {
        let text = text.into();
        if text.as_bytes().contains(&0) {
            return Err(InvalidText::Nul);
        }
        // A text of few bytes cannot have too many characters, so most texts are never counted.
        if text.len() > MAX && text.chars().count() > MAX {
            return Err(InvalidText::TooLong(MAX));
        }
        if text.len() < MIN || (MIN > 1 && text.chars().count() < MIN) {
            return Err(InvalidText::TooShort(MIN));
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// Whether it has no characters.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl<const MIN: usize, const MAX: usize> schemars::JsonSchema for Text<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Text_{MIN}_{MAX}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = schemars::json_schema!({ "type": "string", "maxLength": MAX, "pattern": "^[^\\u0000]*$" });
        if MIN > 0 {
            schema.insert("minLength".into(), MIN.into());
        }
        schema
    }
}

/// A whole number from 0 to 2^53 − 1. Read from any JSON number of such a value, `5.0` and `5e0` included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Integer(pub u64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Integer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 2^53-1")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Integer, E> {
                if value > MAX_INTEGER {
                    return Err(E::custom("must be a whole number from 0 to 2^53-1"));
                }
                Ok(Integer(value))
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Integer, E> {
                self.visit_u64(u64::try_from(value).unwrap_or(u64::MAX))
            }

            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "the value is checked to be whole and in range"
            )]
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Integer, E> {
                if value.fract() == 0.0 && (0.0..=MAX_INTEGER as f64).contains(&value) {
                    Ok(Integer(value as u64))
                } else {
                    self.visit_u64(u64::MAX)
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Integer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Integer".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 0, "maximum": MAX_INTEGER })
    }
}

/// Reads an optional field. `null` is taken for its absence, since many an encoder writes what is not there so.
///
/// # Errors
/// Those of the field's own type.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Reads a field in which `null` means something else than its absence: `null` is `Some(None)`.
///
/// # Errors
/// Those of the field's own type.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Reads a struct from a JSON object only. (Derived code would take an array of its fields as well.)
///
/// # Errors
/// Those of the struct, or that the value is no object.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Strict::deserialize(deserializer).map(|strict| strict.0)
}

/// Reads an optional struct from a JSON object only; see [`object`] and [`present`].
///
/// # Errors
/// Those of the struct, or that the value is no object.
pub fn maybe_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(present::<D, Strict<T>>(deserializer)?.map(|strict| strict.0))
}

/// Reads a list whose items are objects; see [`object`].
///
/// # Errors
/// Those of the items, or that the value is no list of objects.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = Vec::<Strict<T>>::deserialize(deserializer)?;
    Ok(items.into_iter().map(|strict| strict.0).collect())
}

/// Reads a field that must be there and may be `null`. (Derived code would take its absence for `null`.)
///
/// # Errors
/// Those of the field's own type.
pub fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Reads an [`Integer`] as a plain number.
///
/// # Errors
/// That it is no whole number from 0 to 2^53 − 1.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Integer::deserialize(deserializer).map(|integer| integer.0)
}

/// Reads an optional [`Integer`] as a plain number; see [`present`].
///
/// # Errors
/// As [`number`].
pub fn maybe_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(present::<D, Integer>(deserializer)?.map(|integer| integer.0))
}

/// Reads an optional JSON object and keeps its text; see [`present`].
///
/// # Errors
/// That the value is no object.
pub fn maybe_raw_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    let Some(raw) = present::<D, Box<RawValue>>(deserializer)? else { return Ok(None) };
    if raw.get().starts_with('{') { Ok(Some(raw)) } else { Err(serde::de::Error::custom("must be an object")) }
}

/// Reads an optional list whose items are objects; see [`object`] and [`present`].
///
/// # Errors
/// Those of the items, or that the value is no list of objects.
pub fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    let items: Option<Vec<Strict<T>>> = present(deserializer)?;
    Ok(items.map(|items| items.into_iter().map(|strict| strict.0).collect()))
}

/// A struct that is read from a JSON object only.
pub(crate) struct Strict<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<T> {
            type Value = Strict<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Strict<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Strict)
            }
        }

        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_whole_and_exact() {
        for (text, value) in [("5", 5), ("5.0", 5), ("5e0", 5), ("-0", 0), ("9007199254740991", MAX_INTEGER)] {
            assert_eq!(serde_json::from_str::<Integer>(text).unwrap().0, value, "{text}");
        }
        for text in ["-1", "5.5", "9007199254740992", "1e400", "1e300", "\"5\"", "null", "true"] {
            assert!(serde_json::from_str::<Integer>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert!(Text::<1, 2>::new("ää").is_ok());
        assert_eq!(Text::<1, 2>::new("äää"), Err(InvalidText::TooLong(2)));
        assert_eq!(Text::<1, 2>::new(""), Err(InvalidText::TooShort(1)));
        assert_eq!(Text::<0, 2>::new("\0"), Err(InvalidText::Nul));
    }
}
