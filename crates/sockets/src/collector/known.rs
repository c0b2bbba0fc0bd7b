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

impl Known {
    fn new(socket: KernelSocket, ifname: Option<String>, client_udp: bool, now: Instant) -> Self {
        Self {
            socket,
            ifname,
            client_udp,
            first_seen: now,
            owner: None,
            holders: Vec::new(),
            verified: now,
            searches_failed: 0,
            search_due: now,
        }
    }
}

/// The sockets of one namespace.
type OfNamespace = HashMap<SocketId, Known>;

/// All sockets that were there when their namespace was last looked into.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    by_netns: HashMap<NsKey, OfNamespace>,
}

impl Sockets {
    /// Notes what was found in a namespace; what is not in the list is gone.
    pub(crate) fn note(&mut self, netns: NsKey, listing: Listing, now: Instant) {
        let before = self.by_netns.entry(netns).or_default();
        let mut found: OfNamespace = HashMap::with_capacity(listing.sockets.len());
        for socket in listing.sockets {
            let ifname = listing.interfaces.get(&socket.interface).cloned();
            let client_udp = looks_like_client(&socket, listing.ephemeral.as_ref());
            let id = socket.id;
            // A list that was taken twice names most sockets twice.
            let known = match before.remove(&id).or_else(|| found.remove(&id)) {
                Some(known) => Known {
                    socket,
                    ifname,
                    client_udp,
                    ..known
                },
                None => Known::new(socket, ifname, client_udp, now),
            };
            found.insert(id, known);
        }
        *before = found;
    }

    /// Forgets the sockets of every namespace that is not there any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(NsKey) -> bool) {
        self.by_netns.retain(|netns, _| is_there(*netns));
    }

    /// How many sockets of a namespace are known.
    pub(crate) fn count(&self, netns: NsKey) -> u64 {
        self.by_netns.get(&netns).map_or(0, HashMap::len) as u64
    }

    /// The namespaces with sockets.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = NsKey> {
        let filled = self.by_netns.iter().filter(|(_, known)| !known.is_empty());
        filled.map(|(netns, _)| *netns)
    }

    /// Whether a socket that was there at the last look is missing from `found`.
    pub(crate) fn is_missing(
        &self,
        netns: NsKey,
        transport: Transport,
        found: &[KernelSocket],
    ) -> bool {
        let found: HashSet<SocketId> = found.iter().map(|socket| socket.id).collect();
        let known = self.by_netns.get(&netns).into_iter().flatten();
        known
            .filter(|(_, known)| known.socket.transport == transport)
            .any(|(id, _)| !found.contains(id))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NsKey, &Known)> {
        self.by_netns
            .iter()
            .flat_map(|(netns, known)| known.values().map(|known| (*netns, known)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NsKey, &mut Known)> {
        self.by_netns
            .iter_mut()
            .flat_map(|(netns, known)| known.values_mut().map(|known| (*netns, known)))
    }
}

fn looks_like_client(socket: &KernelSocket, ephemeral: Option<&Ports>) -> bool {
    is_candidate(socket) && ephemeral.is_some_and(|range| range.contains(&socket.port))
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
