//! The strict reading of a request target: percent escapes, and a query as pairs.
//!
//! Libraries decode leniently (`%ZZ` stays as it is, `+` becomes a blank); the HSS API does not.
//! Holds: what decodes is UTF-8, `+` is a plus, and pairs keep the order in which they were sent.

use std::borrow::Cow;

/// A `%` without two hex digits behind it, or bytes that are not UTF-8.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} has a bad percent escape or is not UTF-8")]
pub struct BadEscape {
    /// Which part of the target: `path` or `query`.
    pub part: &'static str,
}

/// Decodes one path segment, or one name or value of a query.
///
/// # Errors
/// A bad escape, or bytes that are not UTF-8.
pub fn percent_decode<'a>(text: &'a str, part: &'static str) -> Result<Cow<'a, str>, BadEscape> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex))
        else {
            return Err(BadEscape { part });
        };
        decoded.push(high << 4 | low);
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| BadEscape { part })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// A decoded query: its pairs, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// A parameter that may stand once was given twice.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenTwice;

impl<'a> Query<'a> {
    /// Decodes a raw query (without its `?`). Empty pieces between `&` are passed over; a name
    /// without `=` has the empty value.
    ///
    /// # Errors
    /// A bad escape, or bytes that are not UTF-8.
    pub fn decode(raw: &'a str) -> Result<Self, BadEscape> {
        let mut pairs = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            pairs.push((
                percent_decode(name, "query")?,
                percent_decode(value, "query")?,
            ));
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter that may stand once.
    ///
    /// # Errors
    /// It stands more than once, with whatever values.
    pub fn single(&self, name: &str) -> Result<Option<&str>, GivenTwice> {
        let mut values = self.pairs.iter().filter(|(given, _)| given == name);
        let first = values.next().map(|(_, value)| value.as_ref());
        if values.next().is_some() {
            Err(GivenTwice)
        } else {
            Ok(first)
        }
    }
}

/// A parameter whose value is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {allowed}, got {}", cut(given))]
pub struct ParameterFault {
    /// The parameter.
    pub name: &'static str,
    /// What is allowed, as the end of "must be …".
    pub allowed: &'static str,
    /// What was given.
    pub given: String,
}

/// Values from outside stand in messages, but not at any length.
fn cut(given: &str) -> Cow<'_, str> {
    const SHOWN_CHARS: usize = 64;
    match given.char_indices().nth(SHOWN_CHARS) {
        None if given.is_empty() => Cow::Borrowed("nothing"),
        None => Cow::Borrowed(given),
        Some((end, _)) => Cow::Owned(format!("{}…", given.get(..end).unwrap_or(""))),
    }
}

/// One known parameter of a call: its name and what it may be.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// The name, as sent.
    pub name: &'static str,
    /// What is allowed, as the end of "must be …".
    pub allowed: &'static str,
}

impl Parameter {
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
                allowed: "given once",
                given: "it twice".into(),
            }),
        }
    }

    /// The fault of a value that is not allowed; an empty one is told as nothing.
    pub(crate) fn fault(&self, given: &str) -> ParameterFault {
        ParameterFault {
            name: self.name,
            allowed: self.allowed,
            given: given.to_owned(),
        }
    }
}

/// Reads a plain ASCII decimal within a range: no sign, blank, leading zero or fraction.
pub fn integer(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let value = plain.then(|| text.parse().ok()).flatten()?;
    range.contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_is_a_plus_and_escapes_are_strict() {
        assert_eq!(percent_decode("a+b%20%e4%b8%AD", "path").unwrap(), "a+b 中");
        for bad in ["%", "%a", "%zz", "%FF", "%C3%28", "a%"] {
            assert_eq!(
                percent_decode(bad, "path"),
                Err(BadEscape { part: "path" }),
                "{bad}"
            );
        }
    }

    #[test]
    fn empty_pieces_are_passed_over_and_names_may_repeat_only_where_unknown() {
        let query = Query::decode("&&limit=20&&a=1&a=2&b").unwrap();
        assert_eq!(query.single("limit"), Ok(Some("20")));
        assert_eq!(query.single("a"), Err(GivenTwice));
        assert_eq!(query.single("b"), Ok(Some("")));
        assert_eq!(query.single("c"), Ok(None));
    }

    #[test]
    fn integers_are_plain_ascii_decimals_within_their_range() {
        assert_eq!(integer("0", 0..=9), Some(0));
        assert_eq!(integer("9", 0..=9), Some(9));
        for bad in [
            "10",
            "-0",
            "+1",
            "01",
            "1.0",
            "1e1",
            " 1",
            "",
            "١",
            "99999999999999999999",
        ] {
            assert_eq!(integer(bad, 0..=9), None, "{bad}");
        }
    }

    #[test]
    fn a_long_value_is_cut_in_the_message() {
        let fault = ParameterFault {
            name: "type",
            allowed: "TCP",
            given: "x".repeat(65),
        };
        assert_eq!(
            fault.to_string(),
            format!("type must be TCP, got {}…", "x".repeat(64))
        );
    }
}
