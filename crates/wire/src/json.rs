//! Reads the outside of a request body: one named list, whose items stay raw text.
//!
//! Raw items, because a body that is deserialised whole fails for all its reports on one wrong type.
//! Holds: a body that is no JSON text at all is told apart from one that is, but has no usable list;
//! an item that comes out is a syntactically whole JSON value, nested within the limit.
//! Limits: [`caps::JSON_DEPTH_MAX`] levels, [`caps::BATCH_MAX`] items. Positions in messages count
//! lines and bytes of a line from 1.

mod depth;
mod look;

use std::ops::RangeInclusive;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

pub(crate) use look::{count, entry, field, has_readable_names, length, repeated, shown, unknown};

use crate::caps;
use crate::error::ErrorCode;
use crate::report::RequestFault;

/// The items of the list `name` in the object that `body` is, as many as `allowed`, which is
/// [`caps::BATCH_MAX`] at most.
///
/// # Errors
/// [`ErrorCode::NotJson`] where the body is not UTF-8, not one JSON text or nested too deep;
/// [`ErrorCode::BatchSize`] where it is JSON, but no object with a list of as many items
/// under that name.
pub(crate) fn items<'a>(
    body: &'a [u8],
    name: &str,
    allowed: RangeInclusive<usize>,
) -> Result<Vec<&'a RawValue>, RequestFault> {
    let text = text(body)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let outer = json.deserialize_map(Outer { name });
    let list = outer
        .and_then(|list| json.end().map(|()| list))
        .map_err(|fault| explain(text, name, &fault))?
        .ok_or_else(|| batch(format!("{name} is required")))?;
    if allowed.contains(&list.count) {
        return Ok(list.items);
    }
    let (least, most, count) = (allowed.start(), allowed.end(), list.count);
    Err(batch(format!(
        "{name} must have {least} to {most} entries, got {count}"
    )))
}

/// The one JSON value that `body` is, as text.
///
/// # Errors
/// [`ErrorCode::NotJson`] as [`items`] has it.
pub(crate) fn whole(body: &[u8]) -> Result<&str, RequestFault> {
    let text = text(body)?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(text.trim_ascii()),
        Err(syntax) => Err(RequestFault {
            code: ErrorCode::NotJson,
            message: syntax.to_string(),
        }),
    }
}

/// A body as text that is not nested too deep.
fn text(body: &[u8]) -> Result<&str, RequestFault> {
    let text = std::str::from_utf8(body)
        .map_err(|fault| not_json(body, fault.valid_up_to(), "invalid UTF-8"))?;
    match depth::beyond(body, caps::JSON_DEPTH_MAX) {
        None => Ok(text),
        Some(at) => {
            let what = format!("nested deeper than {} levels", caps::JSON_DEPTH_MAX);
            Err(not_json(body, at, &what))
        }
    }
}

/// Why the outer object could not be read; syntax comes first, wherever in the body it stands.
fn explain(text: &str, name: &str, fault: &serde_json::Error) -> RequestFault {
    if !fault.is_data() {
        return RequestFault {
            code: ErrorCode::NotJson,
            message: fault.to_string(),
        };
    }
    if let Err(syntax) = serde_json::from_str::<IgnoredAny>(text) {
        return RequestFault {
            code: ErrorCode::NotJson,
            message: syntax.to_string(),
        };
    }
    if !text.trim_start().starts_with('{') {
        return batch(format!(
            "the body must be an object with the list {name}, got {}",
            shown(text)
        ));
    }
    if repeated(text, |found| found == name).is_some() {
        return batch(format!("{name} must be given once"));
    }
    let given = field(text, name).unwrap_or("nothing");
    batch(format!("{name} must be an array, got {}", shown(given)))
}

fn batch(message: String) -> RequestFault {
    RequestFault {
        code: ErrorCode::BatchSize,
        message,
    }
}

/// A fault at a byte of the body, told by line and column as those of the JSON reader are.
fn not_json(body: &[u8], at: usize, what: &str) -> RequestFault {
    let before = body.get(..at).unwrap_or(body);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    RequestFault {
        code: ErrorCode::NotJson,
        message: format!("{what} at line {line} column {column}"),
    }
}

/// The items of the list, no more than the limit, and how many there were.
struct List<'a> {
    items: Vec<&'a RawValue>,
    count: usize,
}

struct Outer<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Outer<'_> {
    type Value = Option<List<'de>>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut list = None;
        while let Some(is_list) = map.next_key_seed(Key(self.name))? {
            if !is_list {
                map.next_value::<IgnoredAny>()?;
            } else if list.replace(map.next_value_seed(ListSeed)?).is_some() {
                return Err(A::Error::custom("given twice"));
            }
        }
        Ok(list)
    }
}

/// Whether a key is the name, without an allocation for the key.
struct Key<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<bool, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

struct ListSeed;

impl<'de> DeserializeSeed<'de> for ListSeed {
    type Value = List<'de>;

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<List<'de>, D::Error> {
        list.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed {
    type Value = List<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    // Beyond the limit items are counted, not kept: the count is told, and a syntax error in what
    // follows still outranks it.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<'de>, A::Error> {
        let mut items = Vec::new();
        while items.len() < caps::BATCH_MAX {
            match seq.next_element()? {
                Some(item) => items.push(item),
                None => {
                    return Ok(List {
                        count: items.len(),
                        items,
                    });
                }
            }
        }
        let mut count = items.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(List { items, count })
    }
}
