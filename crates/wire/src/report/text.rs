//! How values that are written as strings are read.
//!
//! Holds: strings are counted in characters (Unicode scalar values) and hold no NUL; addresses come
//! out with mapped IPv4 unmapped. Nothing is allocated for a string that does not stay one.

use std::marker::PhantomData;
use std::net::IpAddr;

use serde::de::{Deserializer, Unexpected, Visitor};

use super::read::Read;
use super::rule::Rule;
use crate::caps;
use crate::credential::Role;
use crate::digest::Digest;
use crate::ids::EnterpriseProjectId;
use crate::open_port::Transport;
use crate::time::UnixMicros;

/// A value that is written as a string.
pub(crate) trait FromText {
    /// What comes out.
    type Value;
    /// What is allowed.
    const RULE: Rule;
    /// The value, or `None` where the text is not allowed.
    fn from_text(text: &str) -> Option<Self::Value>;
}

/// Any string of `MIN` to `MAX` characters without NUL.
pub(crate) struct Text<const MIN: usize, const MAX: usize>;

impl<const MIN: usize, const MAX: usize> FromText for Text<MIN, MAX> {
    type Value = String;
    const RULE: Rule = Rule::Text { min: MIN, max: MAX };

    fn from_text(text: &str) -> Option<String> {
        // A string has no more characters than bytes, so most need not be counted.
        let short = text.len() <= MAX || text.chars().count() <= MAX;
        // No `MIN` is over 1, and a string has no character only when it has no byte.
        let long = text.len() >= MIN;
        (short && long && !text.as_bytes().contains(&0)).then(|| text.to_owned())
    }
}

/// The same for a text that no message shows.
pub(crate) struct SecretText<const MIN: usize, const MAX: usize>;

impl<const MIN: usize, const MAX: usize> FromText for SecretText<MIN, MAX> {
    type Value = String;
    const RULE: Rule = Rule::Secret { min: MIN, max: MAX };

    fn from_text(text: &str) -> Option<String> {
        let fits = (MIN..=MAX).contains(&text.chars().count());
        (fits && !text.as_bytes().contains(&0)).then(|| text.to_owned())
    }
}

/// What a credential's holder may do.
pub(crate) struct RoleText;

impl FromText for RoleText {
    type Value = Role;
    const RULE: Rule = Rule::Role;

    fn from_text(text: &str) -> Option<Role> {
        Role::wished(text)
    }
}

/// A host id: the characters that need no escape in any URL, key or log line.
pub(crate) struct HostIdText;

impl FromText for HostIdText {
    type Value = String;
    const RULE: Rule = Rule::HostId;

    fn from_text(text: &str) -> Option<String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        let valid =
            (1..=caps::HOST_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed);
        valid.then(|| text.to_owned())
    }
}

/// An enterprise project that a host can be in: not the keyword that means several.
pub(crate) struct EnterpriseProjectText;

impl FromText for EnterpriseProjectText {
    type Value = String;
    const RULE: Rule = Rule::EnterpriseProject;

    fn from_text(text: &str) -> Option<String> {
        Text::<1, { caps::ENTERPRISE_PROJECT_ID_CHARS_MAX }>::from_text(text)
            .filter(|id| id != EnterpriseProjectId::ALL_GRANTED)
    }
}

/// `TCP` or `UDP`, exactly so.
pub(crate) struct TransportText;

impl FromText for TransportText {
    type Value = Transport;
    const RULE: Rule = Rule::Transport;

    fn from_text(text: &str) -> Option<Transport> {
        [Transport::Tcp, Transport::Udp]
            .into_iter()
            .find(|transport| transport.as_str() == text)
    }
}

/// An IP address without a zone.
pub(crate) struct Address;

impl FromText for Address {
    type Value = IpAddr;
    const RULE: Rule = Rule::Address;

    fn from_text(text: &str) -> Option<IpAddr> {
        text.parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    }
}

/// An IP address that stays text, in its canonical form.
pub(crate) struct AddressAsText;

impl FromText for AddressAsText {
    type Value = String;
    const RULE: Rule = Rule::Address;

    fn from_text(text: &str) -> Option<String> {
        Address::from_text(text).map(|address| address.to_string())
    }
}

/// A moment in RFC 3339 that ends with `Z`.
pub(crate) struct Moment;

impl FromText for Moment {
    type Value = UnixMicros;
    const RULE: Rule = Rule::Moment;

    fn from_text(text: &str) -> Option<UnixMicros> {
        text.parse().ok()
    }
}

/// A digest of a set.
pub(crate) struct DigestText;

impl FromText for DigestText {
    type Value = Digest;
    const RULE: Rule = Rule::Digest;

    fn from_text(text: &str) -> Option<Digest> {
        text.parse().ok()
    }
}

impl<'de, T: FromText> Read<'de> for T {
    type Value = T::Value;
    const RULE: Rule = T::RULE;

    fn read<D: Deserializer<'de>>(json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(TextVisitor::<T>(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromText> Visitor<'_> for TextVisitor<T> {
    type Value = T::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it to {}", T::RULE)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T::Value, E> {
        T::from_text(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}
