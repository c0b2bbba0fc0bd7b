//! Says what is wrong with an item that could not be read: the field, what is allowed, what was given.
//!
//! Good items never come here. A faulty one is read a second time with its path tracked, and the
//! value is taken from the raw text, so that it is shown as it was written.
//! Holds: the fault told is the first of the text; fields missing from an object come after those it
//! has. Limit: [`crate::caps::FAULT_VALUE_CHARS_MAX`] characters of a value.

use std::fmt::{self, Write as _};

use serde_path_to_error::{Path, Segment, Track};

use super::Fault;
use super::read::{Object, Read as _, Shape};
use super::rule::{Form, Rule};
use super::text::{FromText as _, HostIdText};
use crate::error::ErrorCode;
use crate::json;

/// One item of a request, or a body that is one.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    /// What is known of its kind.
    pub(crate) form: &'static Form,
    /// Its place in the request's list, from 0; of a body that is the item itself none.
    pub(crate) index: Option<usize>,
    /// Its text.
    pub(crate) text: &'a str,
}

impl<'a> Item<'a> {
    /// The item, read by its shape.
    pub(crate) fn read<S: Shape>(self) -> Result<S::Value, Fault> {
        let mut json = serde_json::Deserializer::from_str(self.text);
        Object::<S>::read(&mut json).map_err(|_| self.explain::<S>())
    }

    /// The item, read by its shape, where it has no field but those that are known.
    pub(crate) fn read_closed<S: Shape>(self) -> Result<S::Value, Fault> {
        let fields = || self.form.fields("").map(|(name, _)| name);
        match json::unknown(self.text, |found| fields().any(|name| name == found)) {
            Some(name) => {
                let known = fields().collect::<Vec<_>>().join(", ");
                let name = json::shown(&name);
                Err(self.field_invalid(name, format_args!("is no known field; known are {known}")))
            }
            None => self.read::<S>(),
        }
    }

    /// A fault of a field of the item itself; `must` is what it must do.
    pub(crate) fn fault(self, name: &str, must: fmt::Arguments<'_>) -> Fault {
        let mut place = self.place();
        place.enter_field(name);
        let given = json::shown(place.text);
        self.field_invalid(place.shown, format_args!("must {must}, got {given}"))
    }

    fn explain<S: Shape>(self) -> Fault {
        let mut track = Track::new();
        let mut json = serde_json::Deserializer::from_str(self.text);
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        let _faulty_as_before = Object::<S>::read(tracked);
        let mut place = self.place();
        place.follow(&track.path());
        let rule = self
            .form
            .row(&place.pattern)
            .map_or(Rule::Object, |row| row.rule);
        match rule {
            Rule::Object if place.text.starts_with('{') => self.explain_fields(place),
            Rule::List { max } if place.text.starts_with('[') => self.too_many(place, max),
            Rule::Integer { min, max } if is_fraction(place.text) => {
                let given = json::shown(place.text);
                let what = format_args!("must be an integer from {min} to {max}, got {given}");
                self.field_invalid(place.shown, what)
            }
            rule => {
                let given = match rule {
                    Rule::Secret { .. } => json::length(place.text),
                    _ => json::shown(place.text),
                };
                self.field_invalid(place.shown, format_args!("must {rule}, got {given}"))
            }
        }
    }

    /// The fault of an object all of whose values are fine.
    fn explain_fields(self, mut place: Place<'a>) -> Fault {
        let known = |found: &str| {
            self.form
                .fields(&place.pattern)
                .any(|(name, _)| name == found)
        };
        if let Some(name) = json::repeated(place.text, known) {
            place.enter_field(&name);
            return self.field_invalid(place.shown, format_args!("must be given once"));
        }
        if !json::has_readable_names(place.text) {
            let given = json::shown(place.text);
            let what = format_args!("must have names that are Unicode text, got {given}");
            return self.field_invalid(place.shown, what);
        }
        let is_missing = |name: &str| json::field(place.text, name).is_none();
        let missing = self
            .form
            .fields(&place.pattern)
            .find_map(|(name, row)| (row.required && is_missing(name)).then_some(name));
        // There is one: all values were read, each once, and only a missing field is left.
        place.enter_field(missing.unwrap_or_default());
        self.field_invalid(place.shown, format_args!("is required"))
    }

    fn too_many(self, place: Place<'_>, max: usize) -> Fault {
        let count = json::count(place.text);
        let what = format_args!("must have at most {max} entries, got {count}");
        let fault = self.field_invalid(place.shown, what);
        match place.pattern.as_str() {
            "open_ports" => Fault {
                code: ErrorCode::TooManyPorts,
                ..fault
            },
            _ => fault,
        }
    }

    fn field_invalid(self, mut field: String, what: fmt::Arguments<'_>) -> Fault {
        if field.is_empty() {
            field.push_str("the body");
        }
        let message = format!("{field} {what}");
        Fault {
            code: ErrorCode::FieldInvalid,
            field,
            message,
            host_id: self.host_id(),
        }
    }

    /// The host id, where there is a valid one.
    fn host_id(self) -> Option<String> {
        let value = self
            .form
            .host_id
            .iter()
            .try_fold(self.text, |text, name| json::field(text, name));
        HostIdText::from_text(&serde_json::from_str::<String>(value?).ok()?)
    }

    fn place(self) -> Place<'a> {
        let shown = match self.index {
            Some(index) => format!("{}[{index}]", self.form.list),
            None => String::new(),
        };
        Place {
            shown,
            pattern: String::new(),
            text: self.text,
        }
    }
}

/// Whether a value is a number with a fraction or an exponent, whole or not.
fn is_fraction(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && text.contains(['.', 'e', 'E'])
}

/// A place within an item.
struct Place<'a> {
    /// As people read it: `reports[2].open_ports[3].port`.
    shown: String,
    /// As rules name it: `open_ports[].port`.
    pattern: String,
    /// The value there; of a missing field, the object that lacks it.
    text: &'a str,
}

impl Place<'_> {
    /// Goes down a path, as far as the text has it.
    fn follow(&mut self, path: &Path) {
        for segment in path.iter() {
            match segment {
                Segment::Seq { index } => self.enter_entry(*index),
                Segment::Map { key } => self.enter_field(key),
                // Nothing here is an enum, and an unknown step is one that was not gone.
                Segment::Enum { .. } | Segment::Unknown => return,
            }
        }
    }

    fn enter_entry(&mut self, index: usize) {
        // Writing to a string does not fail.
        let _written = write!(self.shown, "[{index}]");
        self.pattern.push_str("[]");
        self.text = json::entry(self.text, index).unwrap_or(self.text);
    }

    fn enter_field(&mut self, name: &str) {
        if !self.shown.is_empty() {
            self.shown.push('.');
        }
        self.shown.push_str(name);
        if !self.pattern.is_empty() {
            self.pattern.push('.');
        }
        self.pattern.push_str(name);
        self.text = json::field(self.text, name).unwrap_or(self.text);
    }
}
