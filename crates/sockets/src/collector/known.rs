//! The sockets that the collector knows, from scan to scan.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use portolan_wire::open_port::Transport;

use crate::kernel_socket::{KernelSocket, SocketId};
use crate::namespaces::{Listing, NsKey, Ports, is_candidate};
use crate::owners::Holder;

/// After the first search without a result the next one waits this long; then four times as long
/// each time, up to [`SEARCH_PAUSE_MAX`]. A walk over all files costs 100 ms on a large host.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);
const SEARCH_PAUSE_MAX: Duration = Duration::from_secs(600);

/// A socket's identity.
pub(crate) type Key = (NsKey, SocketId);

/// What is known of one socket.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) socket: KernelSocket,
    pub(crate) ifname: Option<String>,
    pub(crate) client_udp: bool,
    pub(crate) first_seen: Instant,
    pub(crate) owner: Option<Holder>,
    /// All holders that the last search found, the owner among them.
    pub(crate) holders: Vec<Holder>,
    /// When the owner was last known to hold the socket.
    pub(crate) verified: Instant,
    searches_failed: u32,
    search_due: Instant,
    scan: u64,
}

impl Known {
    /// Whether the owner is to be sought now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        // Without an inode there is no file, so nobody holds it: a socket of the kernel itself.
        self.owner.is_none() && self.socket.inode != 0 && self.search_due <= now
    }

    /// Notes what a search found.
    pub(crate) fn settle(&mut self, owner: Option<Holder>, holders: Vec<Holder>, now: Instant) {
        self.owner = owner;
        self.holders = holders;
        if owner.is_some() {
            self.searches_failed = 0;
            self.verified = now;
        } else {
            let factor = 4u32.saturating_pow(self.searches_failed);
            let pause = SEARCH_PAUSE.saturating_mul(factor).min(SEARCH_PAUSE_MAX);
            self.searches_failed += 1;
            self.search_due = now + pause;
        }
    }

    /// Forgets the owner, so that it is sought at once.
    pub(crate) fn lose_owner(&mut self, now: Instant) {
        self.owner = None;
        self.searches_failed = 0;
        self.search_due = now;
    }
}

/// All sockets that were there at the last scan.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    by_key: HashMap<Key, Known>,
    /// The number of the scan.
    scan: u64,
}

impl Sockets {
    /// Begins a scan: what is not noted until [`Self::end`] is gone.
    pub(crate) fn begin(&mut self) {
        self.scan += 1;
    }

    pub(crate) fn end(&mut self) {
        let scan = self.scan;
        self.by_key.retain(|_, known| known.scan == scan);
    }

    /// Notes what was found in a namespace.
    pub(crate) fn note(&mut self, netns: NsKey, listing: Listing, now: Instant) {
        for socket in listing.sockets {
            let ifname = listing.interfaces.get(&socket.interface).cloned();
            let client_udp = looks_like_client(&socket, listing.ephemeral.as_ref());
            let key = (netns, socket.id);
            if let Some(known) = self.by_key.get_mut(&key) {
                known.scan = self.scan;
                known.socket = socket;
                known.ifname = ifname;
                known.client_udp = client_udp;
                continue;
            }
            let known = Known {
                socket,
                ifname,
                client_udp,
                first_seen: now,
                owner: None,
                holders: Vec::new(),
                verified: now,
                searches_failed: 0,
                search_due: now,
                scan: self.scan,
            };
            self.by_key.insert(key, known);
        }
    }

    /// Keeps the sockets of a namespace that could not be looked into this time. Returns how many.
    pub(crate) fn keep(&mut self, netns: NsKey) -> u64 {
        let scan = self.scan;
        let of_netns = self.by_key.iter_mut().filter(|((key, _), _)| *key == netns);
        of_netns.map(|(_, known)| known.scan = scan).count() as u64
    }

    /// Whether a socket that was there at the last scan is missing from `found`.
    pub(crate) fn is_missing(
        &self,
        netns: NsKey,
        transport: Transport,
        found: &[KernelSocket],
    ) -> bool {
        let found: HashSet<SocketId> = found.iter().map(|socket| socket.id).collect();
        self.by_key.iter().any(|((key, id), known)| {
            *key == netns && known.socket.transport == transport && !found.contains(id)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NsKey, &Known)> {
        self.by_key
            .iter()
            .map(|((netns, _), known)| (*netns, known))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NsKey, &mut Known)> {
        self.by_key
            .iter_mut()
            .map(|((netns, _), known)| (*netns, known))
    }
}

fn looks_like_client(socket: &KernelSocket, ephemeral: Option<&Ports>) -> bool {
    is_candidate(socket) && ephemeral.is_some_and(|range| range.contains(&socket.port))
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
