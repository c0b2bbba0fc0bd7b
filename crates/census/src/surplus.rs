//! How many listeners of a host stand behind each of its cells.
//!
//! A host that has a port open mostly has one listener for it, or one of each address family. So of
//! each cell only the surplus is kept: the listeners beyond one, and, in a list of all families,
//! beyond one more where the host has an IPv6 one. A port of one IPv6 listener alone has surplus -1,
//! and no other is negative.
//! Form: a number behind the host's numbers, the highest bit set, then the cell in 19 bits, then the surplus
//! in 12 bits, 1 added. A larger surplus takes several numbers, which are added.

use crate::cells::Cells;
use crate::number::{Cell, Family, Number};

const MARK: u32 = 1 << 31;
const BITS: u32 = 12;
/// The largest surplus of one number.
const PART_MAX: i32 = (1 << BITS) - 2;

/// By how many listeners one cell of a host is beyond what is taken for granted; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Surplus {
    pub(crate) cell: Cell,
    pub(crate) by: i32,
}

/// The surpluses of a row of one category, whose sockets have these numbers.
pub(crate) fn of_row(sockets: impl Iterator<Item = Number>) -> impl Iterator<Item = Surplus> {
    let (mut row, mut listeners, mut listeners_v6) = (None, 0, 0);
    for socket in sockets {
        row = Some((socket.category(), socket.key()));
        listeners += 1;
        listeners_v6 += i32::from(socket.v6());
    }
    let has_v6 = listeners_v6 > 0;
    let of = move |v6, by| {
        let (category, key) = row?;
        let cell = Cell::new(Family::new(category, v6), key);
        (by != 0).then_some(Surplus { cell, by })
    };
    let all = of(false, listeners - 1 - i32::from(has_v6));
    let v6 = if has_v6 {
        of(true, listeners_v6 - 1)
    } else {
        None
    };
    all.into_iter().chain(v6)
}

/// Pushes the surpluses of cells, each cell once, behind the numbers.
pub(crate) fn push(mut surpluses: Vec<Surplus>, numbers: &mut Vec<u32>) {
    surpluses.sort_unstable_by_key(|surplus| surplus.cell);
    for Surplus { cell, mut by } in surpluses {
        let from = numbers.len();
        while by != 0 {
            let part = by.min(PART_MAX);
            let value = u32::try_from(part + 1).unwrap_or(0);
            numbers.push(MARK | cell.number() << BITS | value);
            by -= part;
        }
        // The rest is the smallest part: it stands first, so that all numbers ascend.
        if let Some(parts) = numbers.get_mut(from..) {
            parts.reverse();
        }
    }
}

/// Reads the numbers that [`push`] made.
pub(crate) fn read(numbers: &[u32]) -> impl Iterator<Item = Surplus> + '_ {
    let cell = |number: u32| Cell::of_number(number >> BITS);
    let parts = numbers.chunk_by(move |&a, &b| cell(a) == cell(b));
    parts.filter_map(move |parts| {
        let part = |number: &u32| i32::try_from(number & ((1 << BITS) - 1)).unwrap_or(0) - 1;
        Some(Surplus {
            cell: cell(*parts.first()?),
            by: parts.iter().map(part).sum(),
        })
    })
}

impl Cells {
    /// How many listeners a cell stands for.
    pub(crate) fn listeners(&self, cell: Cell) -> u32 {
        let has = |cell| i32::from(self.count(cell) > 0);
        let v6 = Cell::new(cell.family().of_v6(), cell.key());
        let granted = has(cell) + if cell.family().v6 { 0 } else { has(v6) };
        let surplus = self.surpluses().find(|surplus| surplus.cell == cell);
        let listeners = granted + surplus.map_or(0, |surplus| surplus.by);
        u32::try_from(listeners).unwrap_or(0)
    }

    /// How many listeners there are by family and transport: see [`total_index`].
    pub(crate) fn listener_totals(&self) -> [i32; TOTALS] {
        let mut totals = [0; TOTALS];
        let mut add = |family: Family, cell: Cell, by: i32| {
            if let Some(total) = totals.get_mut(total_index(family, cell.key().transport())) {
                *total += by;
            }
        };
        for cell in self.cells() {
            let family = cell.family();
            add(family, cell, 1);
            if family.v6 {
                add(
                    Family {
                        v6: false,
                        ..family
                    },
                    cell,
                    1,
                );
            }
        }
        for surplus in self.surpluses() {
            add(surplus.cell.family(), surplus.cell, surplus.by);
        }
        totals
    }

    /// Tells `each` every surplus that differs: the cell, what it was in `before`, and what it is.
    pub(crate) fn surplus_changes(&self, before: &Self, mut each: impl FnMut(Cell, i32, i32)) {
        let (mut old, mut new) = (before.surpluses().peekable(), self.surpluses().peekable());
        loop {
            let next = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(one), None) | (None, Some(one)) => one.cell,
                (Some(was), Some(is)) => was.cell.min(is.cell),
            };
            let was = old.next_if(|surplus| surplus.cell == next);
            let is = new.next_if(|surplus| surplus.cell == next);
            let [was, is] = [was, is].map(|surplus| surplus.map_or(0, |surplus| surplus.by));
            if was != is {
                each(next, was, is);
            }
        }
    }
}

/// How many totals of listeners a host has: by family and transport.
pub(crate) const TOTALS: usize = 8;

/// The place of a total among them.
pub(crate) fn total_index(family: Family, transport: portolan_wire::open_port::Transport) -> usize {
    family.index() << 1 | usize::from(transport == portolan_wire::open_port::Transport::Udp)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use portolan_wire::open_port::{OpenPort, Transport};
    use proptest::prelude::*;

    use super::*;
    use crate::cells::Counted;
    use crate::number::RowKey;

    fn cells(ports: &[OpenPort]) -> Cells {
        Cells::of(ports.iter().map(Counted::from))
    }

    /// `v4` and `v6` listeners of one port, of the host itself or of a namespace.
    fn ports(number: u16, v4: u32, v6: u32, netns: bool) -> Vec<OpenPort> {
        let v4 = (0..v4).map(|n| IpAddr::from(n.to_be_bytes()));
        let v6 = (0..v6).map(|n| IpAddr::from((1u128 << 100 | u128::from(n)).to_be_bytes()));
        let ports = v4.chain(v6).map(|address| {
            let mut port = OpenPort::new(Transport::Tcp, address, number);
            port.netns = netns.then(|| "n".into());
            port
        });
        ports.collect()
    }

    #[test]
    fn a_dual_stack_port_takes_no_room_and_the_largest_set_is_exact() {
        assert_eq!(cells(&ports(22, 1, 1, false)).surpluses().count(), 0);
        assert_eq!(cells(&ports(22, 1, 0, false)).surpluses().count(), 0);
        let only_v6 = cells(&ports(22, 0, 1, false));
        assert_eq!(only_v6.surpluses().map(|s| s.by).collect::<Vec<_>>(), [-1]);
        let key = RowKey::new(53, Transport::Tcp);
        for (v4, v6) in [
            (20_000, 0),
            (0, 20_000),
            (10_000, 10_000),
            (4_094, 1),
            (4_095, 0),
            (4_096, 0),
        ] {
            let cells = cells(&ports(53, v4, v6, false));
            assert_eq!(cells.listeners(Cell::new(Family::ALL[0], key)), v4 + v6);
            assert_eq!(cells.listeners(Cell::new(Family::ALL[1], key)), v6);
        }
    }

    proptest! {
        #[test]
        fn listeners_and_totals_are_those_of_the_set(of in prop::collection::vec((1u16..6, 0u32..4, 0u32..4, any::<bool>()), 0..12), before in prop::collection::vec((1u16..6, 0u32..4, 0u32..4, any::<bool>()), 0..12)) {
            let set = |of: &[(u16, u32, u32, bool)]| {
                let mut ports: Vec<_> = of.iter().flat_map(|&(number, v4, v6, netns)| ports(number, v4, v6, netns)).collect();
                portolan_wire::open_port::canonicalise(&mut ports);
                ports
            };
            let (now, then) = (set(&of), set(&before));
            let (is, was) = (cells(&now), cells(&then));
            let mut totals = [0; TOTALS];
            for list in Family::ALL {
                let listed = |port: &&OpenPort| port.category() == list.category && (!list.v6 || port.laddr.is_ipv6());
                for number in 1..6 {
                    let key = RowKey::new(number, Transport::Tcp);
                    let expected = now.iter().filter(listed).filter(|port| port.port == number).count();
                    prop_assert_eq!(is.listeners(Cell::new(list, key)) as usize, expected);
                }
                totals[total_index(list, Transport::Tcp)] = i32::try_from(now.iter().filter(listed).count()).unwrap();
            }
            prop_assert_eq!(is.listener_totals(), totals);
            let mut changed: std::collections::BTreeMap<_, _> = was.surpluses().map(|s| (s.cell, s.by)).collect();
            is.surplus_changes(&was, |cell, from, to| {
                assert_ne!(from, to);
                assert_eq!(changed.remove(&cell).unwrap_or(0), from);
                if to != 0 { changed.insert(cell, to); }
            });
            prop_assert!(changed.into_iter().eq(is.surpluses().map(|s| (s.cell, s.by))));
        }
    }
}
