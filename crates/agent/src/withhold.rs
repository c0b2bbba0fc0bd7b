//! Keeps short-lived UDP clients out of the set.
//!
//! A program that sends a datagram without binding first gets a port from the ephemeral range, and
//! the kernel's list shows it like a server's. Each DNS query would be an open port and a moment
//! later a closed one, so what looks like a client is told only once it has lived for
//! [`CLIENT_UDP_AGE`]. The collector counts that age from its own start; ports that the agent told
//! before a restart are remembered, else each restart would close and reopen them.
//! Holds: what does not look like a client is never withheld.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use portolan_sockets::Socket;
use portolan_wire::open_port::{OpenPort, Transport};
use serde::{Deserialize, Serialize};

/// How long a UDP socket that looks like a client's must live before it is told.
pub const CLIENT_UDP_AGE: Duration = Duration::from_secs(60);

/// The identity of an open port on its host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Identity {
    netns: Option<String>,
    #[serde(rename = "type")]
    transport: Transport,
    laddr: IpAddr,
    port: u16,
}

impl Identity {
    pub(crate) fn of(port: &OpenPort) -> Self {
        Self {
            netns: port.netns.clone(),
            transport: port.transport,
            laddr: port.laddr.to_canonical(),
            port: port.port,
        }
    }
}

/// Decides which sockets are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Withhold {
    told: BTreeSet<Identity>,
}

impl Withhold {
    /// `told`: the client-like ports that were told when the agent last ran.
    pub(crate) fn new(told: BTreeSet<Identity>) -> Self {
        Self { told }
    }

    /// The client-like ports that are told now.
    pub(crate) fn told(&self) -> &BTreeSet<Identity> {
        &self.told
    }

    /// The open ports to tell, of what was seen at `now`.
    pub(crate) fn filter(&mut self, sockets: Vec<Socket>, now: Instant) -> Vec<OpenPort> {
        let mut told = BTreeSet::new();
        let mut ports = Vec::with_capacity(sockets.len());
        for socket in sockets {
            if socket.client_udp {
                let identity = Identity::of(&socket.port);
                let age = now.saturating_duration_since(socket.first_seen);
                if age < CLIENT_UDP_AGE && !self.told.contains(&identity) {
                    continue;
                }
                told.insert(identity);
            }
            ports.push(socket.port);
        }
        self.told = told;
        ports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(port: u16, client_udp: bool, first_seen: Instant) -> Socket {
        let any = IpAddr::from([0, 0, 0, 0]);
        let port = OpenPort::new(Transport::Udp, any, port);
        Socket {
            port,
            cookie: None,
            client_udp,
            first_seen,
            holders: 1,
        }
    }

    fn numbers(ports: &[OpenPort]) -> Vec<u16> {
        ports.iter().map(|port| port.port).collect()
    }

    #[test]
    fn a_client_is_told_when_it_has_lived_for_a_minute_and_a_server_at_once() {
        let start = Instant::now();
        let seen = || vec![socket(123, false, start), socket(40_000, true, start)];
        let mut withhold = Withhold::default();
        let almost = start + CLIENT_UDP_AGE - Duration::from_nanos(1);
        assert_eq!(numbers(&withhold.filter(seen(), almost)), [123]);
        assert_eq!(
            numbers(&withhold.filter(seen(), start + CLIENT_UDP_AGE)),
            [123, 40_000]
        );
    }

    #[test]
    fn what_was_told_before_a_restart_is_told_at_once_and_what_is_gone_is_forgotten() {
        let start = Instant::now();
        let mut before = Withhold::default();
        before.filter(vec![socket(40_000, true, start)], start + CLIENT_UDP_AGE);
        let mut after = Withhold::new(before.told().clone());
        let restart = start + CLIENT_UDP_AGE;
        let seen = vec![socket(40_000, true, restart), socket(40_001, true, restart)];
        assert_eq!(numbers(&after.filter(seen, restart)), [40_000]);

        assert!(after.filter(Vec::new(), restart).is_empty());
        let again = vec![socket(40_000, true, restart)];
        assert!(
            after.filter(again, restart).is_empty(),
            "another client got that port"
        );
    }
}
