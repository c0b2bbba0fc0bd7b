//! Looks things up in raw JSON text, to show a fault as it was written.
//!
//! Raw text and not a parsed tree: a tree keeps only the last of two equal names, rounds numbers, and
//! takes many times the memory of its text. Only faulty items come here, so nothing is kept or indexed.
//! Holds: text that cannot be read to its end gives what stands before the fault.

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::caps;

/// The first value under `name` in the object that `text` is.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    each_field(text, |key, value| {
        if found.is_none() && key == name {
            found = Some(value);
        }
    });
    found
}

/// The first name, of those that `known` accepts, that the object `text` gives twice.
pub(crate) fn repeated(text: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    let mut twice = None;
    each_field(text, |key, _| {
        if twice.is_none() && known(&key) {
            twice = seen.replace(key);
        }
    });
    twice
}

/// The first name of the object `text` that `known` does not accept.
pub(crate) fn unknown(text: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    let mut found = None;
    each_field(text, |key, _| {
        if found.is_none() && !known(&key) {
            found = Some(key);
        }
    });
    found
}

/// How long a string is, for a message that must not show it.
pub(crate) fn length(text: &str) -> String {
    match serde_json::from_str::<String>(text) {
        Ok(text) => format!("one of {} characters", text.chars().count()),
        Err(_) => "no string".to_owned(),
    }
}

/// Whether all names of the object that `text` is can be read; half a surrogate pair can not.
pub(crate) fn has_readable_names(text: &str) -> bool {
    serde_json::Deserializer::from_str(text)
        .deserialize_map(Fields(|_, _| {}))
        .is_ok()
}

/// The value at `index` in the array that `text` is.
pub(crate) fn entry(text: &str, index: usize) -> Option<&str> {
    let mut found = None;
    let mut at = 0;
    each_entry(text, |value| {
        if at == index {
            found = Some(value);
        }
        at += 1;
    });
    found
}

/// How many values the array `text` has.
pub(crate) fn count(text: &str) -> usize {
    let mut count = 0;
    each_entry(text, |_| count += 1);
    count
}

/// JSON text for a message: without the white space between its tokens, and at most
/// [`caps::FAULT_VALUE_CHARS_MAX`] characters, of which the last is an ellipsis where it was cut.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let (mut in_string, mut escaped) = (false, false);
    let significant = text.chars().filter(|c| {
        let keep = in_string || !c.is_ascii_whitespace();
        if *c == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && *c == '\\' && !escaped;
        keep
    });
    for (at, c) in significant
        .take(caps::FAULT_VALUE_CHARS_MAX + 1)
        .enumerate()
    {
        if at == caps::FAULT_VALUE_CHARS_MAX {
            shown.pop();
            shown.push('…');
        } else {
            shown.push(c);
        }
    }
    shown
}

fn each_field<'a>(text: &'a str, visit: impl FnMut(String, &'a str)) {
    let _as_far_as_readable =
        serde_json::Deserializer::from_str(text).deserialize_map(Fields(visit));
}

fn each_entry<'a>(text: &'a str, visit: impl FnMut(&'a str)) {
    let _as_far_as_readable =
        serde_json::Deserializer::from_str(text).deserialize_seq(Entries(visit));
}

struct Fields<F>(F);

impl<'de, F: FnMut(String, &'de str)> Visitor<'de> for Fields<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            (self.0)(name, value.get());
        }
        Ok(())
    }
}

struct Entries<F>(F);

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&RawValue>()? {
            (self.0)(value.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_loses_white_space_between_tokens_only() {
        assert_eq!(
            shown(" [ 1,\n\t\"a b\\\" c\" , { } ] "),
            r#"[1,"a b\" c",{}]"#
        );
    }

    #[test]
    fn shown_text_is_cut_to_64_characters() {
        let exact = "é".repeat(64);
        assert_eq!(shown(&exact), exact);
        assert_eq!(shown(&"é".repeat(65)), "é".repeat(63) + "…");
    }

    #[test]
    fn the_first_of_equal_names_is_found_and_told() {
        let text = r#"{"a":1,"b":2,"a":3,"b":4}"#;
        assert_eq!(field(text, "b"), Some("2"));
        assert_eq!(field(text, "c"), None);
        assert_eq!(repeated(text, |_| true).as_deref(), Some("a"));
        assert_eq!(repeated(text, |name| name == "b").as_deref(), Some("b"));
        assert_eq!(repeated(text, |name| name == "c"), None);
    }

    #[test]
    fn half_a_surrogate_pair_is_no_readable_name() {
        assert!(has_readable_names(r#"{"a":"\ud800"}"#));
        assert!(!has_readable_names(r#"{"\ud800":1}"#));
        assert_eq!(field(r#"{"a":1,"\ud800":1,"b":1}"#, "a"), Some("1"));
        assert_eq!(field(r#"{"a":1,"\ud800":1,"b":1}"#, "b"), None);
    }

    #[test]
    fn entries_are_found_by_index_and_counted() {
        assert_eq!(entry("[1, [2], 1e999]", 2), Some("1e999"));
        assert_eq!(entry("[1]", 1), None);
        assert_eq!(count("[1, [2, 3], {}]"), 3);
        assert_eq!(count("{}"), 0);
    }
}
