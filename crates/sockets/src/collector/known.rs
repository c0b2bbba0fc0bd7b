//! The sockets that the collector knows, from scan to scan.

use std::collections::HashMap;
use std::net::IpAddr;
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

    /// What orders the sockets of a namespace.
    fn rank(&self) -> (Transport, IpAddr, u16, Option<u32>, SocketId) {
        let socket = &self.socket;
        let pid = self.owner.map(|owner| owner.pid);
        (
            socket.transport,
            socket.address,
            socket.port,
            pid,
            socket.id,
        )
    }

    /// Forgets the owner, so that it is sought at once.
    pub(crate) fn lose_owner(&mut self, now: Instant) {
        self.owner = None;
        self.searches_failed = 0;
        self.search_due = now;
    }
}

impl Known {
    fn new(socket: KernelSocket, now: Instant) -> Self {
        Self {
            socket,
            ifname: None,
            client_udp: false,
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
#[derive(Debug, Default)]
struct OfNamespace {
    /// By id.
    known: Vec<Known>,
    /// Their places in `known`, in the order in which they are told. Kept, as it is mostly right.
    order: Vec<usize>,
}

impl OfNamespace {
    /// Whether these sockets, ordered by id, are known, and no others.
    fn has_just(&self, sockets: &[KernelSocket]) -> bool {
        let known = self.known.iter().map(|known| known.socket.id);
        known.eq(sockets.iter().map(|socket| socket.id))
    }

    /// Forgets what is not among these sockets, ordered by id, and adds what is new. Returns the
    /// owners of what is forgotten.
    fn replace(&mut self, sockets: &[KernelSocket], now: Instant) -> Vec<Holder> {
        let mut gone = Vec::new();
        let mut before = std::mem::take(&mut self.known).into_iter().peekable();
        for socket in sockets {
            while let Some(other) = before.next_if(|it| it.socket.id < socket.id) {
                gone.extend(other.owner);
            }
            let known = before.next_if(|it| it.socket.id == socket.id);
            self.known
                .push(known.unwrap_or_else(|| Known::new(socket.clone(), now)));
        }
        gone.extend(before.filter_map(|other| other.owner));
        gone
    }

    fn sort(&mut self) {
        if self.order.len() != self.known.len() {
            self.order = (0..self.known.len()).collect();
        }
        let known = &self.known;
        self.order
            .sort_by_key(|place| known.get(*place).map(Known::rank));
    }
}

/// All sockets that were there when their namespace was last looked into.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    by_netns: HashMap<NsKey, OfNamespace>,
}

impl Sockets {
    /// Notes what was found in a namespace; what is not in the list is gone. Returns the owners of
    /// what is gone.
    pub(crate) fn note(&mut self, netns: NsKey, mut listing: Listing, now: Instant) -> Vec<Holder> {
        // A list that was taken twice names most sockets twice.
        listing.sockets.sort_by_key(|socket| socket.id);
        listing.sockets.dedup_by_key(|socket| socket.id);
        let here = self.by_netns.entry(netns).or_default();
        let gone = match here.has_just(&listing.sockets) {
            true => Vec::new(),
            false => here.replace(&listing.sockets, now),
        };
        for (known, socket) in here.known.iter_mut().zip(listing.sockets) {
            known.ifname = listing.interfaces.get(&socket.interface).cloned();
            known.client_udp = looks_like_client(&socket, listing.ephemeral.as_ref());
            known.socket = socket;
        }
        gone
    }

    /// Forgets the sockets of every namespace that is not there any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(NsKey) -> bool) {
        self.by_netns.retain(|netns, _| is_there(*netns));
    }

    /// How many sockets of a namespace are known.
    pub(crate) fn count(&self, netns: NsKey) -> u64 {
        self.by_netns.get(&netns).map_or(0, |here| here.known.len()) as u64
    }

    /// The namespaces with sockets.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = NsKey> {
        let filled = self
            .by_netns
            .iter()
            .filter(|(_, here)| !here.known.is_empty());
        filled.map(|(netns, _)| *netns)
    }

    /// Whether a socket that was there at the last look is missing from `found`.
    pub(crate) fn is_missing(
        &self,
        netns: NsKey,
        transport: Transport,
        found: &[KernelSocket],
    ) -> bool {
        let mut found: Vec<SocketId> = found.iter().map(|socket| socket.id).collect();
        found.sort_unstable();
        let known = self
            .by_netns
            .get(&netns)
            .map_or(&[][..], |here| &here.known);
        known
            .iter()
            .filter(|known| known.socket.transport == transport)
            .any(|known| found.binary_search(&known.socket.id).is_err())
    }

    /// The sockets of a namespace, ordered by transport, address, port and pid.
    pub(crate) fn in_order(&mut self, netns: NsKey) -> impl Iterator<Item = &Known> {
        let here = self.by_netns.entry(netns).or_default();
        here.sort();
        here.order.iter().filter_map(|place| here.known.get(*place))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (NsKey, &Known)> {
        self.by_netns
            .iter()
            .flat_map(|(netns, here)| here.known.iter().map(|known| (*netns, known)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (NsKey, &mut Known)> {
        self.by_netns
            .iter_mut()
            .flat_map(|(netns, here)| here.known.iter_mut().map(|known| (*netns, known)))
    }
}

fn looks_like_client(socket: &KernelSocket, ephemeral: Option<&Ports>) -> bool {
    is_candidate(socket) && ephemeral.is_some_and(|range| range.contains(&socket.port))
}

#[cfg(test)]
#[path = "known_tests.rs"]
mod tests;
