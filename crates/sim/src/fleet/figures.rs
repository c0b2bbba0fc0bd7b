//! Counts a fleet: sockets, rows and shares, from plans, without making a report.
//!
//! The counts stand on their own, apart from census and server, so that a bench can ask whether
//! the server it measures answers rightly.
//! Holds: figures of two ranges of hosts, merged, are those of both together.
//! Limit: 512 KiB, whatever the size of the fleet.

use std::ops::Range;

use super::Fleet;
use super::plan::plan;
use super::sockets::is_udp;

/// Places of (category, transport, port).
const ROWS: usize = 4 << 16;
const HOST: usize = 0;
const CONTAINER: usize = 1;

/// What a fleet, or a part of it, holds.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Hosts counted.
    pub hosts: u64,
    /// Open ports of all of them: (network namespace, transport, local address, port).
    pub sockets: u64,
    /// Distinct (category, transport, port) of each host, summed.
    pub distinct_per_host: u64,
    /// Hosts that have containers.
    pub hosts_with_containers: u64,
    /// Containers, named network namespaces among them.
    pub containers: u64,
    /// By (category, transport, port), the last host that has it, plus one; 0 is none.
    last_host: Vec<u32>,
}

impl Figures {
    /// Counts the hosts of `range` at `step`.
    pub fn of(fleet: &Fleet, range: Range<u32>, step: u32) -> Self {
        let mut figures = Self {
            hosts: 0,
            sockets: 0,
            distinct_per_host: 0,
            hosts_with_containers: 0,
            containers: 0,
            last_host: vec![0; ROWS],
        };
        for host in range {
            figures.add(fleet, host, step);
        }
        figures
    }

    fn add(&mut self, fleet: &Fleet, host: u32, step: u32) {
        let plan = plan(&fleet.catalogue, fleet.options.seed, host, step);
        self.hosts += 1;
        self.sockets += plan.sockets.len() as u64;
        self.containers += plan.containers.len() as u64;
        self.hosts_with_containers += u64::from(!plan.containers.is_empty());
        for socket in &plan.sockets {
            let category = if socket.netns == 0 { HOST } else { CONTAINER };
            let transport = usize::from(is_udp(socket.transport));
            let row = (category << 1 | transport) << 16 | usize::from(socket.port);
            if let Some(last) = self
                .last_host
                .get_mut(row)
                .filter(|last| **last != host + 1)
            {
                *last = host + 1;
                self.distinct_per_host += 1;
            }
        }
    }

    /// These figures and those of other hosts, together.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.hosts += other.hosts;
        self.sockets += other.sockets;
        self.distinct_per_host += other.distinct_per_host;
        self.hosts_with_containers += other.hosts_with_containers;
        self.containers += other.containers;
        for (mine, others) in self.last_host.iter_mut().zip(&other.last_host) {
            *mine = (*mine).max(*others);
        }
        self
    }

    /// Distinct (port, type) of category host: `total_num` of a query over the whole project.
    pub fn host_rows(&self) -> usize {
        self.rows(HOST).filter(|open| *open).count()
    }

    /// Distinct (port, type) of category container.
    pub fn container_rows(&self) -> usize {
        self.rows(CONTAINER).filter(|open| *open).count()
    }

    /// Distinct (port, type), whatever the category.
    pub fn rows_of_any_category(&self) -> usize {
        self.rows(HOST)
            .zip(self.rows(CONTAINER))
            .filter(|(host, container)| *host || *container)
            .count()
    }

    fn rows(&self, category: usize) -> impl Iterator<Item = bool> + '_ {
        self.last_host
            .iter()
            .skip(category << 17)
            .take(1 << 17)
            .map(|last| *last != 0)
    }
}
