//! How single values are read: each type here is a JSON type with its limits, and nothing else.
//!
//! A value out of its limits fails where it stands, like a wrong JSON type, so that one mechanism
//! finds both and a good report is read in one pass, straight into its final form.
//! Holds: integers are written as integers (`12.0` is none); `null` is absent where a value is
//! optional and a fault everywhere else.

use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::rule::Rule;

/// One way to read a value, and the rule that it holds values to.
pub(crate) trait Read<'de> {
    /// What comes out.
    type Value;
    /// What is allowed.
    const RULE: Rule;
    /// Reads the value.
    fn read<D: Deserializer<'de>>(json: D) -> Result<Self::Value, D::Error>;
}

/// An integer from `MIN` to `MAX`, which must fit a `T`.
pub(crate) struct Int<T, const MIN: u64, const MAX: u64>(PhantomData<T>);

impl<'de, T: TryFrom<u64>, const MIN: u64, const MAX: u64> Read<'de> for Int<T, MIN, MAX> {
    type Value = T;
    const RULE: Rule = Rule::Integer { min: MIN, max: MAX };

    fn read<D: Deserializer<'de>>(json: D) -> Result<T, D::Error> {
        json.deserialize_u64(Self(PhantomData))
    }
}

impl<T: TryFrom<u64>, const MIN: u64, const MAX: u64> Visitor<'_> for Int<T, MIN, MAX> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it to {}", <Self as Read<'_>>::RULE)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        if (MIN..=MAX).contains(&number)
            && let Ok(number) = T::try_from(number)
        {
            return Ok(number);
        }
        Err(E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}

/// `true` or `false`.
pub(crate) struct Flag;

impl<'de> Read<'de> for Flag {
    type Value = bool;
    const RULE: Rule = Rule::Flag;

    fn read<D: Deserializer<'de>>(json: D) -> Result<bool, D::Error> {
        serde::Deserialize::deserialize(json)
    }
}

/// A value that may be `null`, which is the same as absent.
pub(crate) struct Maybe<R>(PhantomData<R>);

impl<'de, R: Read<'de>> Read<'de> for Maybe<R> {
    type Value = Option<R::Value>;
    const RULE: Rule = R::RULE;

    fn read<D: Deserializer<'de>>(json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_option(Self(PhantomData))
    }
}

impl<'de, R: Read<'de>> Visitor<'de> for Maybe<R> {
    type Value = Option<R::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it to {}", R::RULE)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        R::read(json).map(Some)
    }
}

/// A value that may be `null`, which is the same as zero or empty.
pub(crate) struct OrDefault<R>(PhantomData<R>);

impl<'de, R: Read<'de, Value: Default>> Read<'de> for OrDefault<R> {
    type Value = R::Value;
    const RULE: Rule = R::RULE;

    fn read<D: Deserializer<'de>>(json: D) -> Result<Self::Value, D::Error> {
        Maybe::<R>::read(json).map(Option::unwrap_or_default)
    }
}

/// A string that may be `null` or empty, both the same as absent.
pub(crate) struct Filled<R>(PhantomData<R>);

impl<'de, R: Read<'de, Value = String>> Read<'de> for Filled<R> {
    type Value = Option<String>;
    const RULE: Rule = R::RULE;

    fn read<D: Deserializer<'de>>(json: D) -> Result<Self::Value, D::Error> {
        Maybe::<R>::read(json).map(|text| text.filter(|text| !text.is_empty()))
    }
}

/// The fields of an object, each with the way it is read.
pub(crate) trait Shape {
    /// What comes out.
    type Value;
    /// Reads the fields of an object; unknown ones are passed over.
    fn fields<'de, D: Deserializer<'de>>(object: D) -> Result<Self::Value, D::Error>;
}

/// An object of a shape. Derived readers take arrays for objects too, so this stands before them.
pub(crate) struct Object<S>(PhantomData<S>);

impl<'de, S: Shape> Read<'de> for Object<S> {
    type Value = S::Value;
    const RULE: Rule = Rule::Object;

    fn read<D: Deserializer<'de>>(json: D) -> Result<S::Value, D::Error> {
        json.deserialize_map(Self(PhantomData))
    }
}

impl<'de, S: Shape> Visitor<'de> for Object<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it to {}", Rule::Object)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<S::Value, A::Error> {
        S::fields(MapAccessDeserializer::new(map))
    }
}

/// An array of at most `MAX` values.
pub(crate) struct List<R, const MAX: usize>(PhantomData<R>);

impl<'de, R: Read<'de>, const MAX: usize> Read<'de> for List<R, MAX> {
    type Value = Vec<R::Value>;
    const RULE: Rule = Rule::List { max: MAX };

    fn read<D: Deserializer<'de>>(json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(Self(PhantomData))
    }
}

impl<'de, R: Read<'de>, const MAX: usize> Visitor<'de> for List<R, MAX> {
    type Value = Vec<R::Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it to {}", <Self as Read<'_>>::RULE)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(Entry::<R>(PhantomData))? {
            if values.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            values.push(value);
        }
        Ok(values)
    }
}

struct Entry<R>(PhantomData<R>);

impl<'de, R: Read<'de>> DeserializeSeed<'de> for Entry<R> {
    type Value = R::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<R::Value, D::Error> {
        R::read(json)
    }
}
