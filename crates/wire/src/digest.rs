//! The digest of a host's set of open ports: how agent and server agree without sending the set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::open_port::{AddressText, OpenPort};

/// The first 16 bytes of SHA-256 over the canonical set; 32 lower-case hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of a set in canonical form (see [`crate::open_port::canonicalise`]).
    ///
    /// Over `portolan-set-1\n` and then for each port the fields netns, type, laddr, port, path,
    /// container_id, container_name, each ended by 0x00, and each record ended by 0x0A.
    pub fn of(ports: &[OpenPort]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"portolan-set-1\n");
        for port in ports {
            let address = AddressText::new(port.laddr);
            let mut number = itoa::Buffer::new();
            let fields = [
                port.netns.as_deref().unwrap_or(""),
                port.transport.as_str(),
                address.as_str(),
                number.format(port.port),
                port.path.as_deref().unwrap_or(""),
                port.container_id.as_deref().unwrap_or(""),
                port.container_name.as_deref().unwrap_or(""),
            ];
            for field in fields {
                hash.update(field.as_bytes());
                hash.update([0]);
            }
            hash.update(b"\n");
        }
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        Self(first)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What was given is not a digest: 32 lower-case hex digits.
#[derive(Debug, thiserror::Error)]
#[error("not 32 lower-case hex digits")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(NotADigest);
        };
        let pairs: &[[u8; 2]; 16] = pairs.try_into().map_err(|_| NotADigest)?;
        let mut bytes = [0; 16];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, NotADigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NotADigest),
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Digest {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .pattern(Some("^[0-9a-f]{32}$"))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Digest {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open_port::{Transport, canonicalise};

    fn sample() -> Vec<OpenPort> {
        let mut ssh = OpenPort::new(Transport::Tcp, "0.0.0.0".parse().unwrap(), 22);
        ssh.path = Some("/usr/sbin/sshd".into());
        let mut redis = OpenPort::new(Transport::Tcp, "10.88.0.2".parse().unwrap(), 6379);
        redis.netns = Some("b7c1".into());
        redis.container_id = Some("b7c1".into());
        redis.container_name = Some("cache".into());
        let ntp = OpenPort::new(Transport::Udp, "::".parse().unwrap(), 123);
        vec![redis, ntp, ssh]
    }

    /// The byte string is written out here, so that another implementation can be checked by it.
    #[test]
    fn the_digest_is_over_exactly_these_bytes() {
        let mut set = sample();
        canonicalise(&mut set);
        let bytes = b"portolan-set-1\n\
            \0TCP\x000.0.0.0\x0022\0/usr/sbin/sshd\0\0\0\n\
            \0UDP\0::\x00123\0\0\0\0\n\
            b7c1\0TCP\x0010.88.0.2\x006379\0\0b7c1\0cache\0\n";
        assert_eq!(Digest::of(&set).0, Sha256::digest(bytes)[..16]);
    }

    #[test]
    fn attributes_outside_the_digest_leave_it_alone() {
        let mut set = sample();
        canonicalise(&mut set);
        let before = Digest::of(&set);
        set[0].pid = Some(7);
        set[0].user = Some("root".into());
        assert_eq!(Digest::of(&set), before);
        set[0].path = Some("/usr/sbin/other".into());
        assert_ne!(Digest::of(&set), before);
    }

    #[test]
    fn text_round_trips_and_other_text_is_refused() {
        let digest = Digest::of(&sample());
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        let upper = digest.to_string().to_uppercase();
        for bad in ["", "00", "zz", &upper, &"0".repeat(31), &"0".repeat(33)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
