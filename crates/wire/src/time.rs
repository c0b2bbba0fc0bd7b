//! Moments as every border shows them: RFC 3339 in UTC, to the microsecond.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds in a day: in UTC all are equal here, leap seconds are not counted.
const DAY_MICROS: i64 = 86_400_000_000;

/// A moment: microseconds since 1970-01-01T00:00:00Z on the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// The last whole second that can be told: `9999-12-30T22:00:00Z`.
    const LAST: Self = Self::from_seconds(253_402_207_200);

    /// The moment `seconds` after 1970-01-01T00:00:00Z.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The day it is in: whole days since 1970-01-01 UTC; 0 for moments before it.
    pub fn day(self) -> u32 {
        u32::try_from(self.0.div_euclid(DAY_MICROS)).unwrap_or(0)
    }

    /// The midnight that begins a [`day`](Self::day).
    pub const fn midnight(day: u32) -> Self {
        Self(day as i64 * DAY_MICROS)
    }

    /// This moment, `micros` later.
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// What was given is not a moment in RFC 3339 that ends with `Z`.
#[derive(Debug, thiserror::Error)]
#[error("not a moment in RFC 3339 that ends with Z")]
pub struct NotAMoment;

impl FromStr for UnixMicros {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let text = text.strip_suffix('Z').ok_or(NotAMoment)?;
        // The parser also takes a space for `T` and moments without seconds, with an offset or the
        // name of a zone; RFC 3339 with `Z` does not.
        let strict = text.as_bytes().get(10) == Some(&b'T')
            && text.as_bytes().get(16) == Some(&b':')
            && text
                .bytes()
                .skip(11)
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
        if !strict {
            return Err(NotAMoment);
        }
        let civil: jiff::civil::DateTime = in_nanoseconds(text).parse().map_err(|_| NotAMoment)?;
        // RFC 3339 ends a day after what can be told; "9999-12-31" means "never" to many.
        let moment = jiff::tz::TimeZone::UTC
            .to_timestamp(civil)
            .map_or(Self::LAST, |moment| Self(moment.as_microsecond()));
        Ok(moment)
    }
}

/// `text` without the digits of its fraction that are finer than a nanosecond: RFC 3339 sets no
/// bound on their number, the parser does.
fn in_nanoseconds(text: &str) -> Cow<'_, str> {
    const FINEST: usize = 9;
    match text.split_once('.') {
        Some((seconds, fraction))
            if fraction.len() > FINEST && fraction.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            let kept: String = fraction.chars().take(FINEST).collect();
            format!("{seconds}.{kept}").into()
        }
        _ => text.into(),
    }
}

impl fmt::Display for UnixMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(moment) => write!(f, "{moment}"),
            // Only values outside the years -9999 to 9999; none is ever parsed or measured.
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl Serialize for UnixMicros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnixMicros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for UnixMicros {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let moment =
            utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime);
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .format(Some(moment))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for UnixMicros {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_and_writes_the_same_text() {
        for text in [
            "2026-11-24T02:13:00Z",
            "2026-11-24T02:13:00.000001Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(text.parse::<UnixMicros>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_fraction_may_be_finer_and_a_year_later_than_what_is_kept() {
        let read = |text: &str| text.parse::<UnixMicros>().unwrap().to_string();
        assert_eq!(
            read("2026-11-24T02:13:00.1234567890123Z"),
            "2026-11-24T02:13:00.123456Z"
        );
        assert_eq!(
            read("9999-12-31T23:59:59Z"),
            "9999-12-30T22:00:00Z",
            "the last moment that can be told"
        );
        assert!(read("0000-01-01T00:00:00Z").starts_with("0000-01-01"));
    }

    #[test]
    fn anything_but_rfc_3339_with_z_is_refused() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24 02:13:00Z",
            "2026-11-24T02:13:00+00:00",
            "2026-11-24T02:13Z",
            "1764000000",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-24T02:13:00ZZ",
            "2026-11-24T02:13:00.Z",
            "2026-11-24T02:13:00.1x34567890123Z",
            "2026-11-24T02:13:00[UTC]Z",
            "2026-11-24T02:13:00+01:00Z",
        ] {
            assert!(text.parse::<UnixMicros>().is_err(), "{text}");
        }
    }
}
