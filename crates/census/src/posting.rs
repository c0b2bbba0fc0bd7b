//! Which hosts of a project have each cell, how many listeners stand behind it on each, and how many
//! listeners each host has at all.

use std::sync::Arc;

use imbl::OrdMap;
use portolan_wire::open_port::Transport;

use crate::cells::Cells;
use crate::number::{Cell, Family};
use crate::slots::Slots;
use crate::surplus::{TOTALS, total_index};
use crate::tally::Tally;

/// The hosts that have one cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posting {
    pub(crate) hosts: Slots,
    /// The surplus of each host in this cell.
    pub(crate) surplus: Tally,
}

/// All posting lists of a project; none is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    of: OrdMap<Cell, Arc<Posting>>,
    totals: Totals,
}

/// How many listeners each host has, by family and transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals(Arc<[Tally; TOTALS]>);

impl Totals {
    /// Takes a host's listeners in the place of those that were counted.
    pub(crate) fn change(&mut self, slot: u32, cells: &Cells, before: &Cells) {
        let (was, is) = (before.listener_totals(), cells.listener_totals());
        if was == is {
            return;
        }
        let tallies = Arc::make_mut(&mut self.0).iter_mut();
        for (tally, (was, is)) in tallies.zip(was.into_iter().zip(is)) {
            tally.change(slot, was, is);
        }
    }
}

impl Postings {
    pub(crate) fn of_parts(postings: Vec<(Cell, Arc<Posting>)>, totals: Totals) -> Self {
        Self {
            of: postings.into_iter().collect(),
            totals,
        }
    }

    pub(crate) fn get(&self, cell: Cell) -> Option<&Posting> {
        self.of.get(&cell).map(|posting| &**posting)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Cell, &Posting)> {
        self.of.iter().map(|(cell, posting)| (*cell, &**posting))
    }

    /// How many listeners stand behind a cell on each host, as sets of hosts and how much each host
    /// in one adds.
    pub(crate) fn listeners(&self, cell: Cell) -> impl Iterator<Item = (i64, &Slots)> {
        let v6 = Cell::new(cell.family().of_v6(), cell.key());
        let v6 = (!cell.family().v6).then(|| self.get(v6)).flatten();
        let of_cell = self.get(cell);
        let hosts = [of_cell, v6].into_iter().flatten();
        let surplus = of_cell.into_iter();
        hosts
            .map(|posting| (1, &posting.hosts))
            .chain(surplus.flat_map(|posting| posting.surplus.weighted()))
    }

    /// How many listeners of a family and transport each host has, in the same form.
    pub(crate) fn all_listeners(
        &self,
        family: Family,
        transport: Transport,
    ) -> impl Iterator<Item = (i64, &Slots)> {
        let tally = self
            .totals
            .0
            .get(total_index(family, transport))
            .into_iter();
        tally.flat_map(Tally::weighted)
    }

    /// Takes a host's cells in the place of those that were posted.
    pub(crate) fn change(&mut self, slot: u32, cells: &Cells, before: &Cells) {
        self.totals.change(slot, cells, before);
        // First the surpluses: a posting that its last host leaves has none any more.
        cells.surplus_changes(before, |cell, was, is| {
            let posting = self.of.entry(cell).or_default();
            Arc::make_mut(posting).surplus.change(slot, was, is);
        });
        cells.differences(before, |number, _| {
            for cell in number.cells() {
                match (before.count(cell) > 0, cells.count(cell) > 0) {
                    (false, true) => {
                        let posting = self.of.entry(cell).or_default();
                        Arc::make_mut(posting).hosts.insert(slot);
                    }
                    (true, false) => self.leave(slot, cell),
                    _ => {}
                }
            }
        });
    }

    fn leave(&mut self, slot: u32, cell: Cell) {
        let Some(posting) = self.of.get_mut(&cell) else {
            return;
        };
        let posting = Arc::make_mut(posting);
        posting.hosts.remove(slot);
        if posting.hosts.is_empty() {
            debug_assert!(posting.surplus.is_empty(), "a surplus without a host");
            self.of.remove(&cell);
        }
    }
}
