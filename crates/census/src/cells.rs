//! What one host adds to the counts: a multiset of cells, and how many listeners stand behind each.
//!
//! A cell is (category, address family, port, transport). A host has each of its cells once in
//! category host, and as often as it has containers with that cell in category container. Kept as
//! a sorted list with repeats: four bytes a cell, exact at any number, and two of them differ by
//! one walk along both. Behind the cells stand the surpluses: see [`crate::surplus`].

use std::cmp::Ordering;
use std::collections::HashMap;

use portolan_wire::open_port::{Category, OpenPort, Transport};

use crate::surplus::{self, Surplus};

/// The place of a row in its list: port, then TCP before UDP. 17 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey(pub(crate) u32);

impl RowKey {
    /// The last one.
    pub(crate) const MAX: Self = Self((1 << 17) - 1);

    /// The key of (port, transport).
    pub(crate) fn new(port: u16, transport: Transport) -> Self {
        Self(u32::from(port) << 1 | u32::from(transport == Transport::Udp))
    }

    /// The port.
    pub(crate) fn port(self) -> u16 {
        // The key holds 17 bits, of which this drops the lowest.
        u16::try_from(self.0 >> 1).unwrap_or(u16::MAX)
    }

    /// The transport.
    pub(crate) fn transport(self) -> Transport {
        if self.0 & 1 == 1 {
            Transport::Udp
        } else {
            Transport::Tcp
        }
    }
}

/// Which of the four row lists of a scope: by category, and all sockets or IPv6 ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListId {
    /// The category.
    pub(crate) category: Category,
    /// Whether only IPv6 sockets are in it.
    pub(crate) v6: bool,
}

impl ListId {
    pub(crate) const ALL: [Self; 4] = [
        Self {
            category: Category::Host,
            v6: false,
        },
        Self {
            category: Category::Host,
            v6: true,
        },
        Self {
            category: Category::Container,
            v6: false,
        },
        Self {
            category: Category::Container,
            v6: true,
        },
    ];

    pub(crate) fn index(self) -> usize {
        usize::from(self.category == Category::Container) << 1 | usize::from(self.v6)
    }

    /// The list of the same category that holds IPv6 sockets only.
    pub(crate) fn of_v6(self) -> Self {
        Self { v6: true, ..self }
    }
}

/// One cell, as one number: list (2 bits), then row key (17 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell(u32);

impl Cell {
    /// 19 bits.
    pub(crate) const NUMBER_MAX: u32 = (1 << 19) - 1;

    pub(crate) fn new(list: ListId, key: RowKey) -> Self {
        let list = u32::from(list.category == Category::Container) << 1 | u32::from(list.v6);
        Self(list << 17 | key.0)
    }

    /// The cell with this number.
    pub(crate) fn of_number(number: u32) -> Self {
        Self(number & Self::NUMBER_MAX)
    }

    /// The number of the cell, at most [`NUMBER_MAX`](Self::NUMBER_MAX).
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn key(self) -> RowKey {
        RowKey(self.0 & 0x1_ffff)
    }

    pub(crate) fn list(self) -> ListId {
        let category = if self.0 >> 18 & 1 == 1 {
            Category::Container
        } else {
            Category::Host
        };
        ListId {
            category,
            v6: self.0 >> 17 & 1 == 1,
        }
    }
}

/// The cells of one host, sorted, each as often as it counts, and its surpluses behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells(Box<[u32]>);

/// What the counts need to know of an open port.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// The container it counts for within its host; `None` in category host.
    pub container_asset: Option<&'a str>,
    /// Whether the socket is an IPv6 one.
    pub v6: bool,
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
            port: port.port,
            transport: port.transport,
        }
    }
}

impl Cells {
    /// The cells of a set of open ports.
    pub fn of<'a>(ports: impl IntoIterator<Item = Counted<'a>>) -> Self {
        // Assets are numbered, so that sorting compares numbers: the host itself is 0.
        let mut assets = Assets::default();
        let mut listeners: Vec<(Cell, u32)> = Vec::with_capacity(64);
        for port in ports {
            let asset = port.container_asset.map_or(0, |asset| assets.number(asset));
            let key = RowKey::new(port.port, port.transport);
            let category = if asset == 0 {
                Category::Host
            } else {
                Category::Container
            };
            let list = ListId {
                category,
                v6: false,
            };
            listeners.push((Cell::new(list, key), asset));
            if port.v6 {
                listeners.push((Cell::new(list.of_v6(), key), asset));
            }
        }
        listeners.sort_unstable();
        let mut runs: Vec<(Cell, u32)> = Vec::with_capacity(listeners.len());
        for run in listeners.chunk_by(|(a, _), (b, _)| a == b) {
            let count = u32::try_from(run.len()).unwrap_or(u32::MAX);
            runs.extend(run.first().map(|&(cell, _)| (cell, count)));
        }
        listeners.dedup();
        let cells = listeners.into_iter().map(|(cell, _)| cell.number());
        let mut numbers: Vec<u32> = cells.collect();
        surplus::push(&runs, &mut numbers);
        Self(numbers.into())
    }

    /// How many of the numbers are cells.
    fn cell_count(&self) -> usize {
        self.0.partition_point(|&number| number <= Cell::NUMBER_MAX)
    }

    /// The cells, each as often as it counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        let cells = self.0.iter().take(self.cell_count());
        cells.map(|&number| Cell::of_number(number))
    }

    /// The surpluses that are not 0, in the order of their cells, each cell once.
    pub(crate) fn surpluses(&self) -> impl Iterator<Item = Surplus> + '_ {
        surplus::read(self.0.get(self.cell_count()..).unwrap_or_default())
    }

    /// Whether both count the same, however many listeners stand behind it.
    pub(crate) fn count_alike(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }

    /// How often a cell counts.
    pub(crate) fn count(&self, cell: Cell) -> u32 {
        let from = self.0.partition_point(|&number| number < cell.number());
        let repeats = self.0.iter().skip(from);
        let repeats = repeats.take_while(|&&number| number == cell.number());
        u32::try_from(repeats.count()).unwrap_or(u32::MAX)
    }

    /// Tells `each` by how much every cell that differs grows (or, negative, shrinks) from
    /// `before` to `self`. A cell may be told several times; the sum is the difference.
    pub(crate) fn differences(&self, before: &Self, mut each: impl FnMut(Cell, i32)) {
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

    #[test]
    fn addresses_families_and_twins_of_one_asset_count_once() {
        let cells = cells(&[
            port("0.0.0.0", 80, None),
            port("127.0.0.1", 80, None),
            port("::", 80, None),
        ]);
        let key = RowKey::new(80, Transport::Tcp);
        assert_eq!(cells.count(Cell::new(ListId::ALL[0], key)), 1);
        assert_eq!(
            cells.count(Cell::new(ListId::ALL[1], key)),
            1,
            "one of them is IPv6"
        );
        assert_eq!(cells.iter().count(), 2);
    }

    #[test]
    fn each_container_of_a_host_counts() {
        let cells = cells(&[
            port("0.0.0.0", 80, Some("a")),
            port("0.0.0.0", 80, Some("b")),
            port("1.1.1.1", 80, Some("b")),
        ]);
        assert_eq!(
            cells.count(Cell::new(ListId::ALL[2], RowKey::new(80, Transport::Tcp))),
            2
        );
    }

    #[test]
    fn differences_are_those_of_the_multisets() {
        let before = cells(&[
            port("0.0.0.0", 80, Some("a")),
            port("0.0.0.0", 80, Some("b")),
            port("0.0.0.0", 22, None),
        ]);
        let after = cells(&[port("0.0.0.0", 80, Some("a")), port("0.0.0.0", 23, None)]);
        let mut told = Vec::new();
        after.differences(&before, |cell, by| {
            told.push((cell.list().category, cell.key().port(), by))
        });
        told.sort_unstable();
        assert_eq!(
            told,
            [
                (Category::Host, 22, -1),
                (Category::Host, 23, 1),
                (Category::Container, 80, -1)
            ]
        );
    }
}
