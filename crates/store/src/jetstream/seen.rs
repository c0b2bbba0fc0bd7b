//! Who was heard when, told to the other servers: beside the log, as a heartbeat changes no truth.
//!
//! Names are `seen.<server>.<part>.<piece>`, by the first bits of a host's hash, so that no value is
//! too long. What of a server that is gone for a day is left, who looks removes.

use std::collections::HashMap;

use super::log::Log;
use super::place::not_answered;
use crate::{SeenAt, StoreError};

const NAME: &str = "seen";
const PARTS: u64 = 16;
/// A server that has told nothing for so long is gone.
const GONE_AFTER_S: u32 = 86_400;
/// The second when a value was told, before its hosts.
const HEAD_BYTES: usize = 4;
/// A hash and a second.
const HOST_BYTES: usize = 12;

/// Tells when this server heard hosts.
pub(super) fn tell(
    log: &dyn Log,
    server: u64,
    seen: &[SeenAt],
    now_s: u32,
) -> Result<(), StoreError> {
    let mut parts: [Vec<u8>; PARTS as usize] = Default::default();
    for one in seen {
        if let Some(part) = parts.get_mut((one.host % PARTS) as usize) {
            part.extend_from_slice(&one.host.to_be_bytes());
            part.extend_from_slice(&one.second.to_be_bytes());
        }
    }
    let hosts_max = log.bytes_max().saturating_sub(HEAD_BYTES) / HOST_BYTES;
    for (part, hosts) in parts.iter().enumerate() {
        for (piece, hosts) in hosts.chunks(hosts_max.max(1) * HOST_BYTES).enumerate() {
            let mut value = now_s.to_be_bytes().to_vec();
            value.extend_from_slice(hosts);
            log.put(&format!("{NAME}.{server:x}.{part:x}.{piece}"), &value)
                .map_err(not_answered)?;
        }
    }
    Ok(())
}

/// When all other servers heard hosts.
pub(super) fn elsewhere(
    log: &dyn Log,
    server: u64,
    now_s: u32,
) -> Result<HashMap<u64, u32>, StoreError> {
    let own = format!("{server:x}");
    let mut heard = HashMap::<u64, u32>::new();
    for name in log.names(NAME).map_err(not_answered)? {
        if name.split('.').nth(1) == Some(own.as_str()) {
            continue;
        }
        let Some(named) = log.get(&name).map_err(not_answered)? else {
            continue;
        };
        let Some((told_s, hosts)) = named.value.split_first_chunk::<HEAD_BYTES>() else {
            continue;
        };
        if u32::from_be_bytes(*told_s).saturating_add(GONE_AFTER_S) < now_s {
            log.remove(&name).map_err(not_answered)?;
            continue;
        }
        let (hosts, _rest) = hosts.as_chunks::<HOST_BYTES>();
        for host in hosts {
            let (hash, second) = host.split_at(8);
            if let (Ok(hash), Ok(second)) = (hash.try_into(), second.try_into()) {
                let latest = heard.entry(u64::from_be_bytes(hash)).or_default();
                *latest = u32::from_be_bytes(second).max(*latest);
            }
        }
    }
    Ok(heard)
}
