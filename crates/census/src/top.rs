//! The ports that are open on the most hosts, by number: TCP and UDP of one number are one port.

use std::collections::BinaryHeap;

use portolan_wire::open_port::{Category, Transport};

use crate::number::{Cell, Family, ListId, RowKey, Sockets};
use crate::project::{Project, Selection};
use crate::slots::Slots;

/// Of the hosts' own sockets: a host counts once however many of its containers have the port.
const LIST: ListId = ListId {
    category: Category::Host,
    sockets: Sockets::All,
};

/// A port number, and on how many hosts it is open, be it by TCP, by UDP or by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopPort {
    /// The port.
    pub port: u16,
    /// Distinct hosts, category host only.
    pub hosts: u64,
}

/// How many hosts have a port number by TCP and by UDP: one that has both is in both.
#[derive(Clone, Copy, Debug, Default)]
struct Nums {
    tcp: u64,
    udp: u64,
}

impl Project {
    /// The `most` ports that are open on the most hosts of a selection, by falling number of hosts,
    /// then by port.
    pub fn top_ports(&self, selection: &Selection, most: usize) -> Vec<TopPort> {
        let nums = self.nums(selection);
        // At most as many hosts as the two together, so who can't reach the list is not looked at.
        let mut candidates: BinaryHeap<(u64, u16)> = (0..=u16::MAX)
            .zip(&nums)
            .map(|(port, nums)| (nums.tcp + nums.udp, port))
            .filter(|(bound, _)| *bound > 0)
            .collect();
        let mut top: Vec<TopPort> = Vec::with_capacity(most + 1);
        while let Some((bound, port)) = candidates.pop() {
            let last = top.last().map_or(0, |last| last.hosts);
            if top.len() >= most && bound < last {
                break;
            }
            let both = match nums.get(usize::from(port)) {
                Some(nums) if nums.tcp > 0 && nums.udp > 0 => self.hosts_with_both(selection, port),
                _ => 0,
            };
            let hosts = bound - both;
            let place = top.partition_point(|t| (t.hosts, port) > (hosts, t.port));
            top.insert(place, TopPort { port, hosts });
            top.truncate(most);
        }
        top
    }

    fn nums(&self, selection: &Selection) -> Vec<Nums> {
        let mut nums = vec![Nums::default(); usize::from(u16::MAX) + 1];
        let lists = self
            .counts
            .selected(selection)
            .filter_map(|scope| scope.list(LIST));
        for row in lists.flat_map(|list| list.rows.iter()) {
            let Some(nums) = nums.get_mut(usize::from(row.key.port())) else {
                continue;
            };
            match row.key.transport() {
                Transport::Tcp => nums.tcp += u64::from(row.num),
                Transport::Udp => nums.udp += u64::from(row.num),
            }
        }
        nums
    }

    fn hosts_with_both(&self, selection: &Selection, port: u16) -> u64 {
        let by = |transport| {
            let family = Family::new(LIST.category, false);
            let cell = Cell::new(family, RowKey::new(port, transport));
            self.postings.get(cell).map(|posting| &posting.hosts)
        };
        let (Some(tcp), Some(udp)) = (by(Transport::Tcp), by(Transport::Udp)) else {
            return 0;
        };
        match selection {
            Selection::Whole => tcp.common(udp).len(),
            Selection::Of(_) => {
                let both: Slots = tcp.common(udp);
                let groups = self.groups(selection);
                groups.map(|group| both.common(&group.hosts).len()).sum()
            }
        }
    }
}
