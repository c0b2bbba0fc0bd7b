//! What one host adds to the counts: a multiset of numbers, and how many listeners stand behind each
//! of its cells.
//!
//! Each asset's (port, transport) is one number, which tells its category and row, whether a socket
//! of it is an IPv6 one, and which exposures its sockets have: see [`Number`]. A host has one for
//! each of its rows in category host, and as many as it has containers with that row in category
//! container. Kept as a sorted list with repeats: four bytes each, exact at any number, and two of
//! them differ by one walk along both. Behind the numbers stand the surpluses: see [`crate::surplus`].

use std::cmp::Ordering;
use std::collections::HashMap;

use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, OpenPort, Transport};

use crate::number::{Cell, Family, ListId, Number, RowKey};
use crate::surplus::{self, Surplus};

/// The numbers of one host, sorted, each as often as it counts, and its surpluses behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells(Box<[u32]>);

/// What the counts need to know of an open port.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The container it counts for within its host; `None` in category host.
    pub container_asset: Option<&'a str>,
    /// Whether the socket is an IPv6 one.
    pub v6: bool,
    /// From where it can be reached.
    pub exposure: Exposure,
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
}

impl<'a> From<&'a OpenPort> for Counted<'a> {
    fn from(port: &'a OpenPort) -> Self {
        Self {
            container_asset: port.container_asset(),
            v6: port.laddr.is_ipv6(),
            exposure: port.exposure(),
            port: port.port,
            transport: port.transport,
        }
    }
}

/// A row of one category, as one host has it: how often it counts, and how often with an IPv6 socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostRow {
    pub(crate) category: Category,
    pub(crate) key: RowKey,
    pub(crate) num: u32,
    pub(crate) num_v6: u32,
}

impl Cells {
    /// The cells of a set of open ports.
    pub fn of<'a>(ports: impl IntoIterator<Item = Counted<'a>>) -> Self {
        // Assets are numbered, so that sorting compares numbers: the host itself is 0.
        let mut assets = Assets::default();
        let mut sockets: Vec<(Number, u32)> = Vec::with_capacity(64);
        for port in ports {
            let asset = port.container_asset.map_or(0, |asset| assets.number(asset));
            let category = if asset == 0 {
                Category::Host
            } else {
                Category::Container
            };
            let key = RowKey::new(port.port, port.transport);
            let number = Number::of_socket(category, key, port.v6, port.exposure);
            sockets.push((number, asset));
        }
        sockets.sort_unstable_by_key(|(number, asset)| (number.row(), *asset));
        let mut numbers: Vec<u32> = Vec::with_capacity(sockets.len());
        let mut surpluses = Vec::new();
        for of_row in sockets.chunk_by(|(a, _), (b, _)| a.row() == b.row()) {
            let from = numbers.len();
            for of_asset in of_row.chunk_by(|(_, a), (_, b)| a == b) {
                let all = of_asset.iter().map(|(number, _)| *number);
                numbers.extend(all.reduce(Number::with).map(Number::get));
            }
            if let Some(of_row) = numbers.get_mut(from..) {
                of_row.sort_unstable();
            }
            let socket_numbers = of_row.iter().map(|(number, _)| *number);
            surpluses.extend(surplus::of_row(socket_numbers));
        }
        surplus::push(surpluses, &mut numbers);
        Self(numbers.into())
    }

    /// How many numbers there are before the surpluses.
    fn number_count(&self) -> usize {
        self.0.partition_point(|&number| number <= Number::MAX)
    }

    /// The numbers, each as often as it counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Number> + '_ {
        let numbers = self.0.iter().take(self.number_count());
        numbers.map(|&number| Number::of(number))
    }

    /// The rows of both categories, in the order of the numbers.
    pub(crate) fn rows(&self) -> impl Iterator<Item = HostRow> + '_ {
        let numbers = self.0.get(..self.number_count()).unwrap_or_default();
        let rows = numbers.chunk_by(|&a, &b| Number::of(a).row() == Number::of(b).row());
        rows.filter_map(|of_row| {
            let number = Number::of(*of_row.first()?);
            let with_v6 = of_row.iter().filter(|&&number| Number::of(number).v6());
            Some(HostRow {
                category: number.category(),
                key: number.key(),
                num: to_u32(of_row.len()),
                num_v6: to_u32(with_v6.count()),
            })
        })
    }

    /// The cells that the host has, each once.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.rows().flat_map(HostRow::cells)
    }

    /// The surpluses that are not 0, in the order of their cells, each cell once.
    pub(crate) fn surpluses(&self) -> impl Iterator<Item = Surplus> + '_ {
        surplus::read(self.0.get(self.number_count()..).unwrap_or_default())
    }

    /// Whether both count the same, however many listeners stand behind it.
    pub(crate) fn count_alike(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }

    /// How often a cell counts.
    pub(crate) fn count(&self, cell: Cell) -> u32 {
        self.count_in(cell.family().list(), cell.key())
    }

    /// How often a row of a list counts.
    pub(crate) fn count_in(&self, list: ListId, key: RowKey) -> u32 {
        let range = Number::range_of(list.category, key);
        let from = self.0.partition_point(|&number| number < range.start);
        let of_row = self.0.iter().skip(from);
        let of_row = of_row.take_while(|&&number| number < range.end);
        to_u32(
            of_row
                .filter(|&&number| Number::of(number).has(list.sockets))
                .count(),
        )
    }

    /// By how much each number that differs counts more often (or, negative, less often) in `self`
    /// than in `before`: ascending, each number once, never by 0.
    ///
    /// The numbers are those of the counts' form on disk, of 25 bits: bit 24 is set in category
    /// container, bits 23 to 8 are the port, bit 7 is set for UDP, bit 6 where a socket of the asset
    /// is an IPv6 one, and bits 5 to 0 are the exposures of its sockets: any, public, cgnat, private,
    /// link-local, loopback. Each stands for one asset's (port, transport).
    pub fn changes_since(&self, before: &Self) -> Vec<(u32, i32)> {
        let mut changes: Vec<(u32, i32)> = Vec::new();
        self.differences(before, |number, by| match changes.last_mut() {
            Some((last, sum)) if *last == number.get() => *sum += by,
            _ => changes.push((number.get(), by)),
        });
        changes
    }

    /// Tells `each` by how much every number that differs grows (or, negative, shrinks) from
    /// `before` to `self`, in ascending order. A number may be told several times; the sum is the
    /// difference.
    pub(crate) fn differences(&self, before: &Self, mut each: impl FnMut(Number, i32)) {
        let (mut old, mut new) = (before.iter().peekable(), self.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(was), Some(is)) => was.cmp(is),
            };
            if order.is_le() {
                let was = old.next();
                if let (Ordering::Less, Some(was)) = (order, was) {
                    each(was, -1);
                }
            }
            if order.is_ge() {
                let is = new.next();
                if let (Ordering::Greater, Some(is)) = (order, is) {
                    each(is, 1);
                }
            }
        }
    }
}

impl HostRow {
    fn cells(self) -> impl Iterator<Item = Cell> {
        let cell = move |v6| Cell::new(Family::new(self.category, v6), self.key);
        let v6 = (self.num_v6 > 0).then(|| cell(true));
        std::iter::once(cell(false)).chain(v6)
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The containers of one host, numbered from 1 in the order they are met.
#[derive(Default)]
struct Assets<'a> {
    numbers: HashMap<&'a str, u32>,
    /// A set comes ordered by namespace, so the same container is mostly asked for again.
    last: Option<(&'a str, u32)>,
}

impl<'a> Assets<'a> {
    fn number(&mut self, asset: &'a str) -> u32 {
        if let Some((_, number)) = self.last.filter(|(last, _)| *last == asset) {
            return number;
        }
        let next = u32::try_from(self.numbers.len() + 1).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(asset).or_insert(next);
        self.last = Some((asset, number));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(ports: &[OpenPort]) -> Cells {
        Cells::of(ports.iter().map(Counted::from))
    }

    fn port(laddr: &str, number: u16, netns: Option<&str>) -> OpenPort {
        let mut port = OpenPort::new(Transport::Tcp, laddr.parse().unwrap(), number);
        port.netns = netns.map(Into::into);
        port
    }

    fn cell(category: Category, v6: bool) -> Cell {
        Cell::new(Family::new(category, v6), RowKey::new(80, Transport::Tcp))
    }

    #[test]
    fn addresses_families_and_twins_of_one_asset_count_once() {
        let cells = cells(&[
            port("0.0.0.0", 80, None),
            port("127.0.0.1", 80, None),
            port("::", 80, None),
        ]);
        assert_eq!(cells.count(cell(Category::Host, false)), 1);
        assert_eq!(
            cells.count(cell(Category::Host, true)),
            1,
            "one of them is IPv6"
        );
        let any_loopback_and_v6 = 80 << 8 | 0b110_0001;
        assert!(cells.iter().map(Number::get).eq([any_loopback_and_v6]));
    }

    #[test]
    fn each_container_of_a_host_counts_by_its_own_sockets() {
        let cells = cells(&[
            port("127.0.0.1", 80, Some("a")),
            port("::1", 80, Some("c")),
            port("0.0.0.0", 80, Some("b")),
            port("1.1.1.1", 80, Some("b")),
        ]);
        assert_eq!(cells.count(cell(Category::Container, false)), 3);
        assert_eq!(cells.count(cell(Category::Container, true)), 1);
        let row = 1 << 24 | 80 << 8;
        let (a, b, c) = (row | 1, row | 1 << 2 | 1 << 4, row | 1 << 6 | 1);
        assert!(cells.iter().map(Number::get).eq([a, b, c]));
    }

    #[test]
    fn changes_are_those_of_the_multisets() {
        let before = cells(&[
            port("0.0.0.0", 80, Some("a")),
            port("0.0.0.0", 80, Some("b")),
            port("0.0.0.0", 80, Some("c")),
            port("0.0.0.0", 22, None),
            port("0.0.0.0", 25, None),
        ]);
        let after = cells(&[
            port("0.0.0.0", 80, Some("a")),
            port("0.0.0.0", 23, None),
            port("127.0.0.1", 25, None),
        ]);
        let number = |port: u32, exposure: Exposure| port << 8 | 1 << exposure.index();
        assert_eq!(
            after.changes_since(&before),
            [
                (number(22, Exposure::Any), -1),
                (number(23, Exposure::Any), 1),
                (number(25, Exposure::Loopback), 1),
                (number(25, Exposure::Any), -1),
                (1 << 24 | number(80, Exposure::Private), -2),
            ]
        );
        assert_eq!(after.changes_since(&after), []);
    }
}
