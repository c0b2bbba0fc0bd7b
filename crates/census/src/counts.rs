//! The counts of a project without its hosts: what a page needs, and nothing else.
//!
//! A clone shares everything that does not change later, so counts of another moment, or of some of
//! the hosts, cost what differs.
//! Holds: the counts of the whole are the sums of those of the enterprise projects; one without rows
//! has no counts.

use std::sync::Arc;

use imbl::OrdMap;
use portolan_wire::ids::EnterpriseProjectId;

use crate::moment::Group;
use crate::project::Selection;
use crate::scope::Scope;

/// The counts of a project.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    scopes: OrdMap<EnterpriseProjectId, Arc<Scope>>,
    whole: Arc<Scope>,
}

/// One row of the counts of an enterprise project: what a copy of them is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountRow {
    /// The number of its list.
    pub list: u8,
    /// Its place in the list: the port and, in the lowest bit, whether it is of UDP.
    pub key: u32,
    /// On how many assets it is open; at least 1.
    pub num: u32,
    /// How many of them ignore it, where it is danger; at most as many.
    pub ignored: u32,
}

impl Counts {
    pub(crate) fn of_scopes(
        scopes: impl IntoIterator<Item = (EnterpriseProjectId, Arc<Scope>)>,
        whole: Arc<Scope>,
    ) -> Self {
        let scopes = scopes.into_iter();
        Self {
            scopes: scopes.filter(|(_, scope)| !scope.has_no_rows()).collect(),
            whole,
        }
    }

    /// Changes an enterprise project's counts; whoever calls it changes those of the whole.
    pub(crate) fn on_scope(&mut self, id: &EnterpriseProjectId, change: impl Fn(&mut Scope)) {
        let scope = match self.scopes.get_mut(id) {
            Some(scope) => scope,
            None => self.scopes.entry(id.clone()).or_default(),
        };
        change(Arc::make_mut(scope));
        if scope.has_no_rows() {
            self.scopes.remove(id);
        }
    }

    /// Changes the counts of the whole.
    pub(crate) fn on_whole(&mut self, change: impl Fn(&mut Scope)) {
        change(Arc::make_mut(&mut self.whole));
    }

    /// The enterprise projects that have counts, in the order of their ids.
    pub(crate) fn enterprise_projects(&self) -> impl Iterator<Item = &EnterpriseProjectId> {
        self.scopes.keys()
    }

    /// The counts of an enterprise project, if it has any, or those of the whole.
    pub(crate) fn group(&self, id: &Group) -> Option<&Arc<Scope>> {
        match id {
            None => Some(&self.whole),
            Some(id) => self.scopes.get(id),
        }
    }

    /// Lets go what it shares of an enterprise project: what nobody else holds is changed in its place.
    pub(crate) fn let_scope_go(&mut self, id: &EnterpriseProjectId) {
        self.scopes.remove(id);
    }

    /// The same of the whole.
    pub(crate) fn let_whole_go(&mut self) {
        self.whole = Arc::default();
    }

    /// Counts of an enterprise project what `other` counts.
    pub(crate) fn share_scope(&mut self, id: &EnterpriseProjectId, other: &Self) {
        match other.scopes.get(id) {
            Some(scope) => self.scopes.insert(id.clone(), Arc::clone(scope)),
            None => self.scopes.remove(id),
        };
    }

    /// Counts of the whole what `other` counts.
    pub(crate) fn share_whole(&mut self, other: &Self) {
        self.whole = Arc::clone(&other.whole);
    }

    pub(crate) fn selected<'a>(
        &'a self,
        selection: &'a Selection,
    ) -> Box<dyn Iterator<Item = &'a Scope> + 'a> {
        match selection {
            Selection::Whole => Box::new(std::iter::once(&*self.whole)),
            Selection::Of(list) => Box::new(
                list.iter()
                    .filter_map(|id| self.scopes.get(id).map(|scope| &**scope)),
            ),
        }
    }
}
