//! What hosts add to counts: one host in the place of what it was, or many at once.

use std::collections::HashMap;

use portolan_wire::ids::EnterpriseProjectId;

use crate::cells::Cells;
use crate::host::Host;
use crate::ignored::Ignored;
use crate::number::Number;
use crate::scope::Scope;

/// What one host adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adds<'a> {
    pub(crate) enterprise_project: &'a EnterpriseProjectId,
    pub(crate) cells: &'a Cells,
    pub(crate) ignored: &'a Ignored,
}

impl<'a> From<&'a Host> for Adds<'a> {
    fn from(host: &'a Host) -> Self {
        Self {
            enterprise_project: &host.facts.enterprise_project,
            cells: &host.facts.cells,
            ignored: &host.ignored,
        }
    }
}

impl Adds<'_> {
    /// Whether both add the same.
    pub(crate) fn count_alike(&self, other: &Adds<'_>) -> bool {
        self.enterprise_project == other.enterprise_project
            && self.cells.count_alike(other.cells)
            && self.ignored == other.ignored
    }

    /// Takes this in the place of `before`.
    pub(crate) fn replace(&self, before: Adds<'_>, scope: &mut Scope) {
        self.cells
            .differences(before.cells, |number, by| scope.add(number, by));
        if self.ignored != before.ignored {
            let (is, was) = (self.ignored.cells(), before.ignored.cells());
            is.differences(&was, |number, by| scope.ignore(number, by));
        }
    }
}

/// What many hosts add or take away together: hosts share most of their cells, so that changing a
/// row once costs a small part of changing it for each of them.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    numbers: HashMap<Number, i32>,
    ignored: HashMap<Number, i32>,
}

impl Sums {
    /// Adds what a host adds, so often.
    pub(crate) fn add(&mut self, adds: Adds<'_>, by: i32) {
        for number in adds.cells.iter() {
            *self.numbers.entry(number).or_default() += by;
        }
        for number in adds.ignored.cells().iter() {
            *self.ignored.entry(number).or_default() += by;
        }
    }

    /// Changes a scope by all of it.
    pub(crate) fn apply(&self, scope: &mut Scope) {
        let differs = |(_, by): &(&Number, &i32)| **by != 0;
        for (number, by) in self.numbers.iter().filter(differs) {
            scope.add(*number, *by);
        }
        for (number, by) in self.ignored.iter().filter(differs) {
            scope.ignore(*number, *by);
        }
    }
}
