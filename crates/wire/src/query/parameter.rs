//! The known parameters of calls: what each may be, said once, for its reader, for the text of a
//! fault and for the API's description.

use std::fmt;
use std::ops::RangeInclusive;

use crate::time::UnixMicros;

use super::{GivenTwice, ParameterFault, Query, integer};

/// What the value of a parameter may be. Its text is the end of "must be …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A plain decimal of this range.
    Integer(u32, u32),
    /// A text of so many characters.
    Text(usize, usize),
    /// One of these, in this case.
    OneOf(&'static [&'static str]),
    /// So many texts at most, each of so many characters at most, with commas between.
    List(usize, usize),
    /// One or more of these, in this case, with commas between.
    SomeOf(&'static [&'static str]),
    /// A moment in RFC 3339 that ends with `Z`.
    Moment,
    /// What another answer of the same call has named.
    Cursor,
    /// The id of a change.
    ChangeId,
    /// Anything that is allowed, but not twice.
    Once,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(min, max) => write!(f, "{min} to {max}"),
            Self::Text(min, max) => write!(f, "{min} to {max} characters"),
            Self::OneOf([]) => Ok(()),
            Self::OneOf([one]) => f.write_str(one),
            Self::OneOf([first @ .., last]) => write!(f, "{} or {last}", first.join(", ")),
            Self::List(values, chars) => write!(
                f,
                "1 to {values} values of 1 to {chars} characters, with commas between"
            ),
            Self::SomeOf(values) => write!(
                f,
                "one or more of {} with commas between",
                values.join(", ")
            ),
            Self::Moment => f.write_str("a moment such as 2026-11-24T02:13:00Z"),
            Self::Cursor => f.write_str("a next_cursor of this call"),
            Self::ChangeId => f.write_str("the id of a change, EPOCH-COMMIT-N"),
            Self::Once => f.write_str("given once"),
        }
    }
}

/// One known parameter of a call: its name and what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name, as sent.
    pub name: &'static str,
    /// What is allowed.
    pub allowed: Allowed,
}

impl Parameter {
    /// A decimal of this range.
    pub const fn integer(name: &'static str, min: u32, max: u32) -> Self {
        Self {
            name,
            allowed: Allowed::Integer(min, max),
        }
    }

    /// A text of so many characters.
    pub const fn text(name: &'static str, min: usize, max: usize) -> Self {
        Self {
            name,
            allowed: Allowed::Text(min, max),
        }
    }

    /// One of these.
    pub const fn one_of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self {
            name,
            allowed: Allowed::OneOf(values),
        }
    }

    /// A list of texts, with commas between.
    pub const fn list(name: &'static str, values: usize, chars: usize) -> Self {
        Self {
            name,
            allowed: Allowed::List(values, chars),
        }
    }

    /// Some of these, with commas between.
    pub const fn some_of(name: &'static str, values: &'static [&'static str]) -> Self {
        Self {
            name,
            allowed: Allowed::SomeOf(values),
        }
    }

    /// A moment.
    pub const fn moment(name: &'static str) -> Self {
        Self {
            name,
            allowed: Allowed::Moment,
        }
    }

    /// Where the next page begins, as an answer of the same call said.
    pub const fn cursor(name: &'static str) -> Self {
        Self {
            name,
            allowed: Allowed::Cursor,
        }
    }

    /// The change behind which the answer begins.
    pub const fn change_id(name: &'static str) -> Self {
        Self {
            name,
            allowed: Allowed::ChangeId,
        }
    }

    /// Reads the parameter by `read`, which says `None` for a value that is not allowed.
    ///
    /// # Errors
    /// The value is not allowed, or the parameter was given twice.
    pub fn read<T>(
        &self,
        query: &Query<'_>,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParameterFault> {
        match query.single(self.name) {
            Ok(None) => Ok(None),
            Ok(Some(value)) => read(value).map(Some).ok_or_else(|| self.fault(value)),
            Err(GivenTwice) => Err(ParameterFault {
                name: self.name,
                allowed: Allowed::Once,
                given: "it twice".into(),
            }),
        }
    }

    /// Reads an [`Integer`](Allowed::Integer).
    ///
    /// # Errors
    /// It is no such number, or was given twice.
    pub fn read_integer(&self, query: &Query<'_>) -> Result<Option<u32>, ParameterFault> {
        let Allowed::Integer(min, max) = self.allowed else {
            return self.read(query, |_| None);
        };
        self.read(query, |text| integer(text, min..=max))
    }

    /// Reads a [`Text`](Allowed::Text), or [one of](Allowed::OneOf) several.
    ///
    /// # Errors
    /// It is no such text, or was given twice.
    pub fn read_text(&self, query: &Query<'_>) -> Result<Option<String>, ParameterFault> {
        self.read(query, |text| {
            let allowed = match self.allowed {
                Allowed::Text(min, max) => has_chars(text, min..=max),
                Allowed::OneOf(values) => values.contains(&text),
                _ => false,
            };
            allowed.then(|| text.to_owned())
        })
    }

    /// Reads a [`List`](Allowed::List).
    ///
    /// # Errors
    /// It is no such list, or was given twice.
    pub fn read_list(&self, query: &Query<'_>) -> Result<Option<Vec<String>>, ParameterFault> {
        let Allowed::List(values_max, chars_max) = self.allowed else {
            return self.read(query, |_| None);
        };
        self.read(query, |text| {
            let values: Vec<String> = text.split(',').map(str::to_owned).collect();
            let fits = |value: &String| has_chars(value, 1..=chars_max);
            (values.len() <= values_max && values.iter().all(fits)).then_some(values)
        })
    }

    /// Reads [some of](Allowed::SomeOf) several.
    ///
    /// # Errors
    /// There is none or another among them, or it was given twice.
    pub fn read_some(
        &self,
        query: &Query<'_>,
    ) -> Result<Option<Vec<&'static str>>, ParameterFault> {
        let Allowed::SomeOf(values) = self.allowed else {
            return self.read(query, |_| None);
        };
        let one = |text: &str| values.iter().copied().find(|value| *value == text);
        self.read(query, |text| text.split(',').map(one).collect())
    }

    /// Reads a [`Moment`](Allowed::Moment).
    ///
    /// # Errors
    /// It is no such moment, or was given twice.
    pub fn read_moment(&self, query: &Query<'_>) -> Result<Option<UnixMicros>, ParameterFault> {
        self.read(query, |text| text.parse().ok())
    }

    /// That `given` is not allowed; of an empty text it says that nothing was given.
    pub fn fault(&self, given: &str) -> ParameterFault {
        ParameterFault {
            name: self.name,
            allowed: self.allowed,
            given: given.to_owned(),
        }
    }
}

fn has_chars(text: &str, range: RangeInclusive<usize>) -> bool {
    range.contains(&text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_reads_as_the_end_of_a_sentence() {
        for (allowed, text) in [
            (Allowed::Integer(1, 65_535), "1 to 65535"),
            (Allowed::Text(0, 128), "0 to 128 characters"),
            (Allowed::OneOf(&["port"]), "port"),
            (Allowed::OneOf(&["asc", "desc"]), "asc or desc"),
            (Allowed::OneOf(&["TCP", "UDP", "TCP6"]), "TCP, UDP or TCP6"),
            (
                Allowed::SomeOf(&["opened", "closed"]),
                "one or more of opened, closed with commas between",
            ),
        ] {
            assert_eq!(allowed.to_string(), text);
        }
    }

    #[test]
    fn some_of_several_are_each_one_of_them() {
        let some = Parameter::some_of("kind", &["opened", "closed"]);
        let read = |raw| some.read_some(&Query::decode(raw).unwrap());
        assert_eq!(
            read("kind=closed,opened").unwrap().unwrap(),
            ["closed", "opened"]
        );
        assert_eq!(read("").unwrap(), None);
        for bad in [
            "kind=",
            "kind=opened,",
            "kind=Opened",
            "kind=opened&kind=opened",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_list_has_so_many_values_of_so_many_characters() {
        let list = Parameter::list("ids", 2, 3);
        let read = |raw| list.read_list(&Query::decode(raw).unwrap());
        assert_eq!(read("ids=abc,d").unwrap().unwrap(), ["abc", "d"]);
        for bad in ["ids=a,b,c", "ids=abcd", "ids=a,", "ids="] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
