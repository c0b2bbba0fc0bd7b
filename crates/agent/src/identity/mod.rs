//! Who this host and this agent are, and the generation of this start.
//!
//! The id of a host must survive reboots, reinstalled agents and a DMI table that only root can
//! read, and must differ between clones. So it is derived once and kept beside what it was derived
//! from: while that is the same the kept id stays, and when it changed (a clone that got a machine-id
//! or a cloud instance of its own) host and agent get new ids. A cloud instance id wins over the
//! machine-id, which images often share. The raw machine-id is never stored or sent: machine-id(5)
//! asks for a keyed hash of it. DMI's product_uuid is part of the hash where it can be read (as root),
//! so an agent that starts anew without its state folder and with other rights gets another id.
//! Holds: generation rises from start to start. Limits: ids of 1 to 64 characters by `caps`.

mod sources;

use hmac::{Hmac, KeyInit as _, Mac as _};
use portolan_wire::caps::{GENERATION_AHEAD_S_MAX, HOST_ID_CHARS_MAX};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

pub(crate) use sources::Sources;

/// The key of the hash that makes a host id; another version would make other ids.
const HOST_ID_CONTEXT: &[u8] = b"portolan-host-id-1";
/// The key of the hashes that are kept to notice a change.
const FINGERPRINT_CONTEXT: &[u8] = b"portolan-fingerprint-1";
const FORMAT: u32 = 1;

/// What a host id was derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Basis {
    /// The id that the cloud gave the instance.
    Cloud,
    /// /etc/machine-id, and DMI's product_uuid where it was readable.
    MachineId,
    /// Nothing: there was neither.
    Random,
}

/// A derived host id and what it was derived from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptHost {
    /// The id.
    pub(crate) host_id: String,
    /// Where it came from.
    pub(crate) basis: Basis,
    /// A keyed hash of the machine-id, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) machine: Option<String>,
    /// A keyed hash of the product_uuid, where it was readable.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) product: Option<String>,
}

/// The content of `agent.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    format: u32,
    /// 32 random hex digits.
    pub(crate) agent_id: String,
    /// The newest generation that was ever used.
    pub(crate) generation: u64,
    /// The host.
    pub(crate) host: KeptHost,
}

impl Kept {
    pub(crate) fn new(agent_id: String, generation: u64, host: KeptHost) -> Self {
        Self {
            format: FORMAT,
            agent_id,
            generation,
            host,
        }
    }

    /// Whether this version of the agent can go on from it.
    pub(crate) fn is_sound(&self) -> bool {
        self.format == FORMAT
            && self.agent_id.len() == 32
            && is_host_id(&self.agent_id)
            && is_host_id(&self.host.host_id)
    }

    /// The identity of a start at `now_s` (seconds since 1970), from that of the last one and from
    /// what the machine tells of itself. `random` gives 32 random hex digits.
    pub(crate) fn at_start(
        last: Option<Self>,
        sources: &Sources,
        now_s: u64,
        mut random: impl FnMut() -> String,
    ) -> Self {
        let Some(last) = last else {
            let host = KeptHost::derive(sources, &mut random);
            return Self::new(random(), now_s, host);
        };
        let generation = next_generation(last.generation, now_s);
        if last.host.is_of_this_machine(sources) {
            let host = last.host.refreshed(sources);
            return Self::new(last.agent_id, generation, host);
        }
        let host = KeptHost::derive(sources, &mut random);
        tracing::warn!(
            host.id = %host.host_id,
            host.id_before = %last.host.host_id,
            "this machine is not the one that the state folder was made on: it gets ids of its own"
        );
        Self::new(random(), generation, host)
    }
}

/// The generation of a start at `now_s` (seconds since 1970), `last` being that of the start before.
///
/// max(now, last + 1). A last one further ahead of the clock than any server takes came from a
/// clock that was wrong; going on from it would be rejected until that moment comes. Should a
/// server hold it all the same, its answer `stale` leads back to it.
pub fn next_generation(last: u64, now_s: u64) -> u64 {
    if last >= now_s.saturating_add(GENERATION_AHEAD_S_MAX) {
        tracing::warn!(
            report.generation_before = last,
            report.generation = now_s,
            "the last start was far in the future by the clock of this host; not going on from it"
        );
        return now_s;
    }
    now_s.max(last.saturating_add(1))
}

impl KeptHost {
    fn derive(sources: &Sources, random: &mut impl FnMut() -> String) -> Self {
        let (host_id, basis) = match (&sources.cloud_instance_id, &sources.machine_id) {
            (Some(instance_id), _) => (instance_id.clone(), Basis::Cloud),
            (None, Some(machine_id)) => {
                let product = sources.product_uuid.as_deref().unwrap_or("");
                let id = keyed_hash(HOST_ID_CONTEXT, &[machine_id, "\n", product]);
                (id, Basis::MachineId)
            }
            (None, None) => (random(), Basis::Random),
        };
        let (machine, product) = fingerprints(sources);
        Self {
            host_id,
            basis,
            machine,
            product,
        }
    }

    /// Whether nothing that is known now contradicts what was known then. What is unreadable now
    /// or was unreadable then contradicts nothing.
    fn is_of_this_machine(&self, sources: &Sources) -> bool {
        let (machine, product) = fingerprints(sources);
        let same = |then: &Option<String>, now: &Option<String>| match (then, now) {
            (Some(then), Some(now)) => then == now,
            _ => true,
        };
        let same_cloud = match (&sources.cloud_instance_id, self.basis) {
            (Some(instance_id), _) => *instance_id == self.host_id,
            (None, _) => true,
        };
        // A random id is one only for want of something better.
        let still_random = self.basis != Basis::Random || sources.machine_id.is_none();
        same_cloud && still_random && same(&self.machine, &machine) && same(&self.product, &product)
    }

    /// The same id; what became readable since is noted.
    fn refreshed(self, sources: &Sources) -> Self {
        let (machine, product) = fingerprints(sources);
        Self {
            machine: self.machine.or(machine),
            product: self.product.or(product),
            ..self
        }
    }
}

fn fingerprints(sources: &Sources) -> (Option<String>, Option<String>) {
    let fingerprint = |value: &String| keyed_hash(FINGERPRINT_CONTEXT, &[value]);
    (
        sources.machine_id.as_ref().map(fingerprint),
        sources.product_uuid.as_ref().map(fingerprint),
    )
}

/// The first 32 hex digits of HMAC-SHA256 over the parts.
fn keyed_hash(key: &[u8], parts: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(32);
    // HMAC takes keys of any length, so there is always a hash; an empty text would be no host id.
    if let Ok(mut hash) = Hmac::<Sha256>::new_from_slice(key) {
        for part in parts {
            hash.update(part.as_bytes());
        }
        for byte in hash.finalize().into_bytes().iter().take(16) {
            let _written = write!(text, "{byte:02x}");
        }
    }
    text
}

/// Whether `text` is a host id: 1 to 64 of `[A-Za-z0-9._:-]`.
pub(crate) fn is_host_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=HOST_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// 32 random hex digits.
pub(crate) fn random_id() -> String {
    use std::fmt::Write as _;
    random_bytes::<16>()
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            let _written = write!(text, "{byte:02x}");
            text
        })
}

/// A random seed.
pub(crate) fn random_seed() -> u64 {
    u64::from_ne_bytes(random_bytes())
}

/// The kernel's random bytes. It gives up to 256 at once whole (getrandom(2)); where it refuses
/// the call (before Linux 3.17, a seccomp filter), the system is not one that the agent runs on.
fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    loop {
        match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(count) if count == N => return bytes,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
