//! The hash that finds damage: over a host's key and its stored value.

use portolan_wire::ids::HostKey;
use xxhash_rust::xxh3::Xxh3;

/// The 128-bit hash of one stored record. The sum of all of them, wrapping, stands in each commit
/// record, so that a lost or altered record shows at the next start. It finds damage, not attackers.
pub fn record_hash(key: &HostKey, value: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    for part in [
        key.project.as_str().as_bytes(),
        key.host.as_str().as_bytes(),
        value,
    ] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.digest128()
}
