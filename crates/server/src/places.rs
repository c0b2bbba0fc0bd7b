//! Places for connections: a client without a credential costs one, so neither all clients together
//! nor one of them may take more than there are.
//!
//! All taken: the next connection waits in the kernel's backlog. One address over its share: its next
//! connection is closed at once, so that the places of others stay free. Where places grow scarce,
//! answers end their connections, so that nobody keeps one for later.
//! Holds: a place is given back when its connection ends, however it ends. Limits:
//! `caps::CONNECTIONS_MAX`, `caps::CONNECTIONS_OF_AN_ADDRESS_PART`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portolan_wire::caps;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::descriptors;
use crate::limits::{Limit, Limits};
use crate::metrics::Metrics;

/// The places that there are.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    /// One of these is already with the loop that waits for the next connection.
    free: Arc<Semaphore>,
    taken: AtomicUsize,
    of_an_address: usize,
    spares_loopback: bool,
    held: Mutex<HashMap<IpAddr, Arc<AtomicUsize>>>,
    metrics: Arc<Metrics>,
}

/// A place that a connection holds until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    client: Option<Client>,
    _free: OwnedSemaphorePermit,
}

/// An address, and how many places it holds: shared by them, so that an answer reads it without a
/// lock.
#[derive(Debug)]
struct Client {
    address: IpAddr,
    held: Arc<AtomicUsize>,
}

impl Places {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let most = limits.connections.min(descriptors::connections_max());
        Self {
            most,
            free: Arc::new(Semaphore::new(most)),
            taken: AtomicUsize::new(0),
            of_an_address: (most / caps::CONNECTIONS_OF_AN_ADDRESS_PART).max(1),
            spares_loopback: limits.spares_loopback,
            held: Mutex::default(),
            metrics,
        }
    }

    /// Waits until there is a place. `None` never comes: the semaphore is not closed.
    pub(crate) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(TryAcquireError::Closed) => None,
            Err(TryAcquireError::NoPermits) => {
                self.metrics.reached(Limit::Connections);
                Arc::clone(&self.free).acquire_owned().await.ok()
            }
        }
    }

    /// Takes a free place for a client, unless its address holds its share.
    pub(crate) fn take(
        self: &Arc<Self>,
        peer: IpAddr,
        free: OwnedSemaphorePermit,
    ) -> Option<Place> {
        let counts = !self.spares_loopback || !peer.is_loopback();
        let client = if counts {
            Some(self.enter(address_of(peer))?)
        } else {
            None
        };
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            places: Arc::clone(self),
            client,
            _free: free,
        })
    }

    /// Counts one more place of an address, unless it holds its share. The count changes only under
    /// the lock.
    fn enter(&self, address: IpAddr) -> Option<Client> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if count.load(Ordering::Relaxed) >= self.of_an_address {
            self.metrics.reached(Limit::ConnectionsOfAnAddress);
            return None;
        }
        count.fetch_add(1, Ordering::Relaxed);
        Some(Client {
            address,
            held: Arc::clone(count),
        })
    }

    fn leave(&self, client: &Client) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if client.held.fetch_sub(1, Ordering::Relaxed) == 1 {
            held.remove(&client.address);
        }
    }
}

impl Place {
    /// Whether fewer than a quarter of the places are left, of all or of its address: then no
    /// connection is kept open for a request that may come.
    pub(crate) fn is_scarce(&self) -> bool {
        let scarce = |taken: usize, most: usize| taken > most - most / 4;
        let places = &self.places;
        scarce(places.taken.load(Ordering::Relaxed), places.most)
            || self.client.as_ref().is_some_and(|client| {
                scarce(client.held.load(Ordering::Relaxed), places.of_an_address)
            })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = &self.client {
            self.places.leave(client);
        }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, which one machine has to itself.
pub(crate) fn address_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize) -> Arc<Places> {
        let limits = Limits {
            connections,
            ..Limits::default()
        };
        Arc::new(Places::new(&limits, Arc::default()))
    }

    async fn take(places: &Arc<Places>, peer: &str) -> Option<Place> {
        let free = places.free().await.unwrap();
        places.take(peer.parse().unwrap(), free)
    }

    #[tokio::test]
    async fn one_address_takes_a_quarter_and_gives_it_back() {
        let places = places(8);
        let first = take(&places, "10.0.0.1").await.unwrap();
        let second = take(&places, "10.0.0.1").await.unwrap();
        assert!(take(&places, "10.0.0.1").await.is_none());
        let other = take(&places, "10.0.0.2").await;
        assert!(other.is_some());
        drop(first);
        let third = take(&places, "10.0.0.1").await;
        assert!(third.is_some());
        drop((second, third, other));
        assert!(places.held.lock().unwrap().is_empty());
        assert_eq!(places.free.available_permits(), 8);
    }

    #[tokio::test]
    async fn an_ipv6_address_is_one_with_its_neighbours_and_loopback_is_free() {
        let places = places(4);
        let held = take(&places, "2001:db8:0:1::1").await;
        assert!(held.is_some());
        assert!(take(&places, "2001:db8:0:1:ffff::2").await.is_none());
        assert!(take(&places, "2001:db8:0:2::1").await.is_some());
        let loopback = [take(&places, "127.0.0.1").await, take(&places, "::1").await];
        assert!(loopback.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn places_are_scarce_when_a_quarter_is_left_of_all_or_of_an_address() {
        let places = places(16);
        let mut held = Vec::new();
        for (taken, scarce) in [(1, false), (2, false), (3, false), (4, true)] {
            held.push(take(&places, "10.0.0.1").await.unwrap());
            assert_eq!(held[0].is_scarce(), scarce, "{taken} of 4");
        }
        let other = take(&places, "10.0.0.2").await.unwrap();
        assert!(!other.is_scarce());
        for number in 3..10 {
            held.push(take(&places, &format!("10.0.0.{number}")).await.unwrap());
        }
        assert!(!other.is_scarce(), "12 of 16");
        held.push(take(&places, "10.0.1.1").await.unwrap());
        assert!(other.is_scarce(), "13 of 16");
    }
}
