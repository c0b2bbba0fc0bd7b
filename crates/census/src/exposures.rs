//! How many rows and open ports there are of each exposure.

use portolan_wire::exposure::Exposure;
use portolan_wire::open_port::{Category, Transport};
use roaring::RoaringBitmap;

use crate::counts::Counts;
use crate::number::{ListId, RowKey, Sockets};
use crate::project::Selection;
use crate::rows::Row;
use crate::scope::List;

/// Of which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExposureFilter {
    /// Which assets count.
    pub category: Category,
    /// Only this transport.
    pub transport: Option<Transport>,
    /// Only this port.
    pub port: Option<u16>,
}

/// What there is of one exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExposureCount {
    /// The exposure.
    pub exposure: Exposure,
    /// Rows (port, transport) that an asset has open so.
    pub rows: u64,
    /// Assets' (port, transport) that are open so: the sum of what the rows count.
    pub open: u64,
}

impl Counts {
    /// The counts of each exposure of a selection, from the narrowest to the widest. An asset's
    /// (port, transport) counts in each exposure that it has a socket of.
    pub fn exposures(
        &self,
        selection: &Selection,
        filter: &ExposureFilter,
    ) -> [ExposureCount; Exposure::ALL.len()] {
        Exposure::ALL.map(|exposure| {
            let id = ListId {
                category: filter.category,
                sockets: Sockets::Exposed(exposure),
            };
            let scopes = self.selected(selection);
            let lists = scopes.filter_map(|scope| scope.list(id));
            let mut keys = RoaringBitmap::new();
            let mut open = 0;
            for row in lists.flat_map(|list| filter.rows(list)) {
                keys.insert(row.key.0);
                open += u64::from(row.num);
            }
            ExposureCount {
                exposure,
                rows: keys.len(),
                open,
            }
        })
    }
}

impl ExposureFilter {
    fn rows<'a>(&self, list: &'a List) -> Box<dyn Iterator<Item = Row> + 'a> {
        let only = self.transport;
        let lets = move |key: RowKey| only.is_none_or(|only| only == key.transport());
        match self.port {
            None => Box::new(list.rows.iter().filter(move |row| lets(row.key))),
            Some(port) => {
                let keys = [Transport::Tcp, Transport::Udp].into_iter();
                let keys = keys.map(move |transport| RowKey::new(port, transport));
                let rows = keys.filter(move |key| lets(*key)).map(|key| Row {
                    key,
                    num: list.rows.num(key),
                });
                Box::new(rows.filter(|row| row.num > 0))
            }
        }
    }
}
