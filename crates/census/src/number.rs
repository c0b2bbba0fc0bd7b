//! The numbers that counts are kept by: the key of a row, the lists of rows, and for each asset's
//! (port, transport) one number that tells which lists it adds to.

use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, Transport};

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

/// Which sockets of an asset make it count.
///
/// One class of exposure among IPv6 sockets alone is no such choice: of each asset's (port,
/// transport) it is known whether it has an IPv6 socket and which exposures its sockets have, but not
/// which of them is which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sockets {
    /// Any.
    #[default]
    All,
    /// An IPv6 one.
    V6,
    /// One of this exposure.
    Exposed(Exposure),
}

impl Sockets {
    /// All choices.
    pub const ALL: [Self; 8] = [
        Self::All,
        Self::V6,
        Self::Exposed(Exposure::Loopback),
        Self::Exposed(Exposure::LinkLocal),
        Self::Exposed(Exposure::Private),
        Self::Exposed(Exposure::Cgnat),
        Self::Exposed(Exposure::Public),
        Self::Exposed(Exposure::Any),
    ];

    fn index(self) -> usize {
        match self {
            Self::All => 0,
            Self::V6 => 1,
            Self::Exposed(exposure) => 2 + usize::from(exposure.index()),
        }
    }
}

/// One of the row lists of a scope: by category, and by which sockets count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListId {
    /// The category.
    pub(crate) category: Category,
    /// The sockets.
    pub(crate) sockets: Sockets,
}

impl ListId {
    /// How many lists there are.
    pub(crate) const COUNT: usize = 2 * Sockets::ALL.len();

    /// All lists, in the order of their [`index`](Self::index).
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let categories = [Category::Host, Category::Container].into_iter();
        categories.flat_map(|category| Sockets::ALL.map(|sockets| Self { category, sockets }))
    }

    /// 0 to [`COUNT`](Self::COUNT) - 1: category host first, and in each all sockets, IPv6 ones, then
    /// the exposures from the narrowest on. Stands on disk.
    pub(crate) fn index(self) -> usize {
        usize::from(self.category == Category::Container) * Sockets::ALL.len()
            + self.sockets.index()
    }
}

/// Which hosts a posting list is about, and whose listeners: by category, and all sockets or IPv6
/// ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Family {
    /// The category.
    pub(crate) category: Category,
    /// Whether only IPv6 sockets are in it.
    pub(crate) v6: bool,
}

impl Family {
    pub(crate) const ALL: [Self; 4] = [
        Self::new(Category::Host, false),
        Self::new(Category::Host, true),
        Self::new(Category::Container, false),
        Self::new(Category::Container, true),
    ];

    pub(crate) const fn new(category: Category, v6: bool) -> Self {
        Self { category, v6 }
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.category == Category::Container) << 1 | usize::from(self.v6)
    }

    /// The list of rows that it is.
    pub(crate) fn list(self) -> ListId {
        let sockets = if self.v6 { Sockets::V6 } else { Sockets::All };
        ListId {
            category: self.category,
            sockets,
        }
    }

    /// That of the same category that is about IPv6 sockets only.
    pub(crate) fn of_v6(self) -> Self {
        Self { v6: true, ..self }
    }
}

/// A row of one [`Family`], as one number: the family (2 bits), then the row key (17 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cell(u32);

impl Cell {
    const NUMBER_MAX: u32 = (1 << 19) - 1;

    pub(crate) fn new(family: Family, key: RowKey) -> Self {
        let family = u32::from(family.category == Category::Container) << 1 | u32::from(family.v6);
        Self(family << 17 | key.0)
    }

    /// The cell with this number.
    pub(crate) fn of_number(number: u32) -> Self {
        Self(number & Self::NUMBER_MAX)
    }

    /// The number of the cell, of 19 bits.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn key(self) -> RowKey {
        RowKey(self.0 & 0x1_ffff)
    }

    pub(crate) fn family(self) -> Family {
        Family::new(category(self.0 >> 18), self.0 >> 17 & 1 == 1)
    }
}

/// What an asset's (port, transport) counts as, in 25 bits. This form stands on disk:
///
/// | bits | meaning |
/// |---|---|
/// | 24 | 1: category container |
/// | 23 to 8 | port |
/// | 7 | 1: UDP |
/// | 6 | 1: a socket of it is an IPv6 one |
/// | 5 to 0 | the exposures of its sockets, a bit for each [`Exposure::index`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(u32);

const KEY_SHIFT: u32 = 7;
const CONTAINER: u32 = 1 << 24;
const V6: u32 = 1 << 6;

impl Number {
    /// 25 bits.
    pub(crate) const MAX: u32 = (1 << 25) - 1;

    /// The number of one socket. Those of an asset's sockets of one row are [`with`](Self::with) each
    /// other its number.
    pub(crate) fn of_socket(category: Category, key: RowKey, v6: bool, exposure: Exposure) -> Self {
        let container = if category == Category::Container {
            CONTAINER
        } else {
            0
        };
        let v6 = if v6 { V6 } else { 0 };
        Self(container | key.0 << KEY_SHIFT | v6 | 1 << exposure.index())
    }

    /// One of a host's.
    pub(crate) fn of(number: u32) -> Self {
        Self(number & Self::MAX)
    }

    /// One that stood on disk; `None` where it is none: too large, or without an exposure.
    pub(crate) fn read(number: u32) -> Option<Self> {
        let exposures = number & (V6 - 1);
        (number <= Self::MAX && exposures != 0).then_some(Self(number))
    }

    /// As it stands on disk.
    pub(crate) fn get(self) -> u32 {
        self.0
    }

    /// What both are, of one category and row.
    pub(crate) fn with(self, other: Self) -> Self {
        debug_assert_eq!(self.row(), other.row(), "of one row");
        Self(self.0 | other.0)
    }

    /// Category and row key, and nothing else: equal in all numbers of a row, and in their order.
    pub(crate) fn row(self) -> u32 {
        self.0 >> KEY_SHIFT
    }

    pub(crate) fn category(self) -> Category {
        category(self.0 >> 24)
    }

    pub(crate) fn key(self) -> RowKey {
        RowKey(self.row() & 0x1_ffff)
    }

    pub(crate) fn v6(self) -> bool {
        self.0 & V6 != 0
    }

    /// Whether it has such a socket.
    pub(crate) fn has(self, sockets: Sockets) -> bool {
        match sockets {
            Sockets::All => true,
            Sockets::V6 => self.v6(),
            Sockets::Exposed(exposure) => self.0 >> exposure.index() & 1 == 1,
        }
    }

    /// The lists of rows that it adds to.
    pub(crate) fn lists(self) -> impl Iterator<Item = ListId> {
        let category = self.category();
        let sockets = Sockets::ALL.into_iter();
        let sockets = sockets.filter(move |sockets| self.has(*sockets));
        sockets.map(move |sockets| ListId { category, sockets })
    }

    /// The cells that it makes its host have.
    pub(crate) fn cells(self) -> impl Iterator<Item = Cell> {
        let cell = move |v6| Cell::new(Family::new(self.category(), v6), self.key());
        let v6 = self.v6().then(|| cell(true));
        std::iter::once(cell(false)).chain(v6)
    }

    /// All numbers of a row.
    pub(crate) fn range_of(category: Category, key: RowKey) -> std::ops::Range<u32> {
        let container = if category == Category::Container {
            CONTAINER
        } else {
            0
        };
        let from = container | key.0 << KEY_SHIFT;
        from..from + (1 << KEY_SHIFT)
    }
}

fn category(bit: u32) -> Category {
    if bit & 1 == 1 {
        Category::Container
    } else {
        Category::Host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on disk may not change, whatever the code becomes.
    #[test]
    fn a_number_has_the_form_that_stands_on_disk() {
        let number = |category, port, transport, v6, exposure| {
            let key = RowKey::new(port, transport);
            Number::of_socket(category, key, v6, exposure).get()
        };
        let (host, container) = (Category::Host, Category::Container);
        let (tcp, udp) = (Transport::Tcp, Transport::Udp);
        assert_eq!(number(host, 22, tcp, false, Exposure::Any), 0x00_16_20);
        assert_eq!(number(host, 22, tcp, true, Exposure::Loopback), 0x00_16_41);
        assert_eq!(
            number(host, 65_535, udp, false, Exposure::Cgnat),
            0xff_ff_88
        );
        assert_eq!(
            number(container, 1, udp, true, Exposure::LinkLocal),
            0x1_00_01_c2
        );
        assert_eq!(
            number(container, 1, tcp, false, Exposure::Public),
            0x1_00_01_10
        );
        assert_eq!(number(host, 1, tcp, false, Exposure::Private), 0x00_01_04);
    }

    #[test]
    fn a_number_adds_to_the_lists_of_its_flags() {
        let key = RowKey::new(53, Transport::Udp);
        let one = |v6, exposure| Number::of_socket(Category::Container, key, v6, exposure);
        let both = one(false, Exposure::Any).with(one(true, Exposure::Loopback));
        let sockets: Vec<Sockets> = both.lists().map(|list| list.sockets).collect();
        assert_eq!(
            sockets,
            [
                Sockets::All,
                Sockets::V6,
                Sockets::Exposed(Exposure::Loopback),
                Sockets::Exposed(Exposure::Any)
            ]
        );
        assert_eq!((both.category(), both.key()), (Category::Container, key));
        assert!(both.cells().map(|cell| cell.family().v6).eq([false, true]));
        let range = Number::range_of(Category::Container, key);
        assert!(range.contains(&both.get()) && range.len() == 128);
    }

    #[test]
    fn lists_are_numbered_in_their_order() {
        assert!(ListId::all().map(ListId::index).eq(0..ListId::COUNT));
    }
}
