//! The answer to a statistics query: one page of the rows that match.

use portolan_wire::hss::port_statistics::{PortStatus, SortDir};
use portolan_wire::open_port::{Category, Transport};

use crate::counts::Counts;
use crate::ignored::AllIgnored;
use crate::listing::Listing;
use crate::number::{ListId, RowKey, Sockets};
use crate::project::{Project, Selection};
use crate::scope::Scope;

/// Which rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Which assets count.
    pub category: Category,
    /// Which sockets make an asset count.
    pub sockets: Sockets,
    /// Only this transport.
    pub transport: Option<Transport>,
    /// Only this port.
    pub port: Option<u16>,
    /// Only ports whose decimal contains this text.
    pub port_string: Option<String>,
    /// Only rows of this status.
    pub status: Option<PortStatus>,
}

/// Which page of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// The direction of the port order; TCP comes before UDP either way.
    pub sort_dir: SortDir,
    /// Where the page begins.
    pub start: Start,
    /// Most rows of the page.
    pub limit: usize,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// After so many rows.
    Offset(usize),
    /// After this row, whether or not it is still there: rows that stay are neither skipped nor
    /// repeated while others come and go.
    After(Cursor),
}

/// The last row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Its port.
    pub port: u16,
    /// Its transport.
    pub transport: Transport,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows that match, before paging.
    pub total: u64,
    /// The rows of the page.
    pub rows: Vec<PageRow>,
    /// Whether rows follow.
    pub more: bool,
}

/// One row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRow {
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
    /// Distinct assets on which it is open.
    pub num: u64,
    /// What the port table says of it; normal where that is danger and all these assets ignore it.
    pub status: PortStatus,
}

impl Project {
    /// One page of the rows of a selection that match a filter, of all hosts.
    pub fn page(&self, selection: &Selection, filter: &Filter, request: &PageRequest) -> Page {
        self.counts.page(selection, filter, request)
    }
}

impl Counts {
    /// One page of the rows of a selection that match a filter.
    pub fn page(&self, selection: &Selection, filter: &Filter, request: &PageRequest) -> Page {
        page_of(self.selected(selection), filter, request)
    }
}

/// One page of the rows that scopes have together and that match a filter.
pub(crate) fn page_of<'a>(
    scopes: impl Iterator<Item = &'a Scope>,
    filter: &Filter,
    request: &PageRequest,
) -> Page {
    let id = ListId {
        category: filter.category,
        sockets: filter.sockets,
    };
    let lists: Vec<_> = scopes.filter_map(|scope| scope.list(id)).collect();
    let ignored = AllIgnored::of(&lists);
    let listing = Listing::new(lists, filter, &ignored);
    let total = listing.len();
    let start = match request.start {
        Start::Offset(offset) => offset,
        Start::After(cursor) => rows_up_to(&listing, cursor, request.sort_dir),
    };
    let rows = match request.sort_dir {
        SortDir::Asc => listing.range(start, request.limit),
        SortDir::Desc => descending(&listing, start, request.limit),
    };
    Page {
        total: total as u64,
        more: start.saturating_add(rows.len()) < total && !rows.is_empty(),
        rows: rows
            .into_iter()
            .map(|row| page_row(row, &ignored))
            .collect(),
    }
}

fn page_row((key, num): (RowKey, u64), ignored: &AllIgnored) -> PageRow {
    PageRow {
        port: key.port(),
        transport: key.transport(),
        num,
        status: ignored.status(key),
    }
}

/// How many rows come up to and including the cursor's row.
fn rows_up_to(listing: &Listing<'_>, cursor: Cursor, dir: SortDir) -> usize {
    let key = RowKey::new(cursor.port, cursor.transport);
    let (tcp, udp) = (
        RowKey::new(cursor.port, Transport::Tcp),
        RowKey::new(cursor.port, Transport::Udp),
    );
    match dir {
        SortDir::Asc => listing.rank(RowKey(key.0 + 1)),
        SortDir::Desc => {
            let higher_ports = listing.len() - listing.rank(RowKey(udp.0 + 1));
            let this_port_up_to_it = listing.rank(RowKey(key.0 + 1)) - listing.rank(tcp);
            higher_ports + this_port_up_to_it
        }
    }
}

/// A range in descending port order. That is the ascending order turned round, but for the two rows
/// of one port, which stay as they were; a range may cut such a pair, so one row more is looked at
/// on either side.
fn descending(listing: &Listing<'_>, start: usize, limit: usize) -> Vec<(RowKey, u64)> {
    let total = listing.len();
    if start >= total {
        return Vec::new();
    }
    let end = start.saturating_add(limit).min(total);
    let (from, to) = (start.saturating_sub(1), (end + 1).min(total));
    let mut rows = listing.range(total - to, to - from);
    rows.reverse();
    for at in 1..rows.len() {
        if let Some([udp, tcp]) = rows.get_mut(at - 1..=at)
            && udp.0.port() == tcp.0.port()
            && udp.0 > tcp.0
        {
            std::mem::swap(udp, tcp);
        }
    }
    rows.into_iter()
        .skip(start - from)
        .take(end - start)
        .collect()
}
