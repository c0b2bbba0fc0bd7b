//! Pages of listeners, for the calls that list open ports.
//!
//! The census says how many there are and whose stand on a page; what they are is read from the
//! store for these hosts alone. What the census does not hold (a name, an address of a host, the
//! status of each row) is looked for in the stored sets, host by host.
//! Limits: memory holds one page and one set of a host at a time.

use std::sync::Arc;

use portolan_census::{Host, ListenerFilter, ListenerPage, Selection};
use portolan_store::{Snapshot, snapshot_of};
use portolan_wire::hss::parameters::PageRange;
use portolan_wire::hss::port_statistics::PortStatus;
use portolan_wire::ids::HostKey;
use portolan_wire::open_port::OpenPort;
use portolan_wire::time::UnixMicros;

use crate::app::{App, Asker};
use crate::error::ApiError;

/// How often a page is made anew when hosts of it were reported between view and store.
const VIEWS_MAX: usize = 3;

/// Which listeners of a project, and which page of them.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) project_id: String,
    pub(crate) selection: Selection,
    pub(crate) filter: ListenerFilter,
    /// Only this host.
    pub(crate) host_id: Option<String>,
    /// Only hosts of this name.
    pub(crate) host_name: Option<String>,
    /// Only hosts with this address.
    pub(crate) host_ip: Option<String>,
    /// Only rows of this status.
    pub(crate) status: Option<PortStatus>,
    pub(crate) range: PageRange,
}

/// A page: the listeners that match before paging, and the rows made of those on it.
#[derive(Clone, Debug)]
pub(crate) struct Listed<R> {
    pub(crate) total: u64,
    pub(crate) rows: Vec<R>,
    pub(crate) as_of: UnixMicros,
    /// Fresh and stale hosts of the selection.
    pub(crate) hosts: (u64, u64),
}

/// Makes a row of an open port of a host.
type Row<M> = dyn Fn(&Snapshot, &OpenPort, PortStatus) -> M + Send;

impl Asked {
    /// The page that is asked for.
    pub(crate) async fn list<M: Send + 'static>(
        self,
        app: &Arc<App>,
        row: impl Fn(&Snapshot, &OpenPort, PortStatus) -> M + Send + 'static,
    ) -> Result<Listed<M>, ApiError> {
        let by_name = self.host_name.is_some() || self.host_ip.is_some();
        if self.host_id.is_some() {
            app.reading(move |app| self.of_one_host(app, &row)).await
        } else if by_name || self.status.is_some() {
            let work = move |app: &App, asker: &Asker| self.looked_for(app, asker, &row);
            app.scanning(work).await
        } else {
            app.reading(move |app| self.counted(app, &row)).await
        }
    }

    /// By the counts of the census. Where a host was reported between view and store, the page is
    /// made anew; where that does not end, its rows are those of the newer report, as many as fit.
    fn counted<M>(&self, app: &App, row: &Row<M>) -> Result<Listed<M>, ApiError> {
        let mut views = 0;
        loop {
            views += 1;
            let mut listed = Listed::new(app);
            let state = app.state();
            let Some(project) = state.project(&self.project_id) else {
                return Ok(listed);
            };
            let (offset, limit) = (self.range.offset as usize, self.range.limit as usize);
            let page = project.listeners(&self.selection, &self.filter, offset, limit);
            listed.hosts = project.fresh_and_stale(&self.selection);
            listed.total = page.total;
            let of_the_view = self.read_page(app, &page, row, &mut listed.rows)?;
            if of_the_view || views == VIEWS_MAX {
                return Ok(listed);
            }
        }
    }

    /// Reads the rows of a page; whether all its hosts are stored as the view has them.
    fn read_page<M>(
        &self,
        app: &App,
        page: &ListenerPage,
        row: &Row<M>,
        rows: &mut Vec<M>,
    ) -> Result<bool, ApiError> {
        let mut of_the_view = true;
        for share in &page.shares {
            let stored = self.snapshot(app, &share.host)?;
            let at = stored.as_ref().map(|snapshot| snapshot.at);
            of_the_view &= at == Some(share.host.facts.at);
            // A host that was removed or moved away since is not told of.
            let Some(snapshot) = stored else { continue };
            let of_page = self.listeners(&share.host, &snapshot);
            let of_page = of_page.into_iter().skip(share.skip).take(share.take);
            rows.extend(of_page.map(|(port, status)| row(&snapshot, port, status)));
        }
        Ok(of_the_view)
    }

    /// By the stored set of one host.
    fn of_one_host<M>(&self, app: &App, row: &Row<M>) -> Result<Listed<M>, ApiError> {
        let mut listed = Listed::new(app);
        let state = app.state();
        let Some(project) = state.project(&self.project_id) else {
            return Ok(listed);
        };
        listed.hosts = project.fresh_and_stale(&self.selection);
        if let Some(host) = self.host_id.as_deref().and_then(|id| project.host(id)) {
            self.look_into(app, host, row, &mut listed)?;
        }
        Ok(listed)
    }

    /// By the stored sets of all hosts that have such listeners. A host that is reported meanwhile
    /// is told by one of its reports.
    fn looked_for<M>(&self, app: &App, asker: &Asker, row: &Row<M>) -> Result<Listed<M>, ApiError> {
        let mut listed = Listed::new(app);
        // Held for long: a thread has few guards.
        let state = app.published.state.load_full();
        let Some(project) = state.project(&self.project_id) else {
            return Ok(listed);
        };
        listed.hosts = project.fresh_and_stale(&self.selection);
        for (host, _) in project.hosts_listening(&self.selection, &self.filter) {
            if asker.is_gone() {
                break;
            }
            self.look_into(app, host, row, &mut listed)?;
        }
        Ok(listed)
    }

    fn look_into<M>(
        &self,
        app: &App,
        host: &Host,
        row: &Row<M>,
        listed: &mut Listed<M>,
    ) -> Result<(), ApiError> {
        if !self.selection.holds(&host.facts.enterprise_project) {
            return Ok(());
        }
        let snapshot = self.snapshot(app, host)?;
        let Some(snapshot) = snapshot.filter(|snapshot| self.names(snapshot)) else {
            return Ok(());
        };
        let (from, limit) = (u64::from(self.range.offset), self.range.limit as usize);
        for (port, status) in self.listeners(host, &snapshot) {
            if self.status.is_some_and(|only| only != status) {
                continue;
            }
            if listed.total >= from && listed.rows.len() < limit {
                listed.rows.push(row(&snapshot, port, status));
            }
            listed.total += 1;
        }
        Ok(())
    }

    /// What the store holds of a host, which may be one report ahead of the view: where the host
    /// went meanwhile must be selected, too.
    fn snapshot(&self, app: &App, host: &Host) -> Result<Option<Snapshot>, ApiError> {
        let key = HostKey {
            project: self.project_id.as_str().into(),
            host: host.facts.id.clone(),
        };
        let stored =
            snapshot_of(&*app.store, &key).map_err(|error| ApiError::read_failed(&error))?;
        Ok(stored.filter(|snapshot| {
            let enterprise_project = snapshot.host.enterprise_project_id.as_str().into();
            self.selection.holds(&enterprise_project)
        }))
    }

    /// Whether it is a host of the name and the address asked for.
    fn names(&self, snapshot: &Snapshot) -> bool {
        let host = &snapshot.host;
        let name = self.host_name.as_ref();
        let ip = self.host_ip.as_deref();
        name.is_none_or(|name| host.host_name.as_ref() == Some(name))
            && ip.is_none_or(|ip| {
                let mut addresses = host.host_ips.iter().chain(&host.host_ip);
                addresses.any(|address| same_address(address, ip))
            })
    }

    /// The listeners of a host that match, by port, TCP before UDP, then by netns and local address
    /// as the set is.
    fn listeners<'a>(
        &self,
        host: &Host,
        snapshot: &'a Snapshot,
    ) -> Vec<(&'a OpenPort, PortStatus)> {
        let ListenerFilter {
            category,
            v6,
            transport,
            port,
        } = self.filter;
        let ports = snapshot.open_ports.iter().filter(|open| {
            open.category() == category
                && (!v6 || open.laddr.is_ipv6())
                && transport.is_none_or(|only| only == open.transport)
                && port.is_none_or(|only| only == open.port)
        });
        let mut listeners: Vec<_> = ports.map(|open| (open, status(host, open))).collect();
        listeners.sort_by_key(|(open, _)| (open.port, open.transport));
        listeners
    }
}

/// What is told of one asset's open port: the table's word, but normal where it is ignored.
fn status(host: &Host, open: &OpenPort) -> PortStatus {
    host.port_status(open.container_asset(), open.port, open.transport)
}

impl<R> Listed<R> {
    /// None yet, of the view that is loaded next.
    fn new(app: &App) -> Self {
        Self {
            total: 0,
            rows: Vec::new(),
            as_of: app.as_of(),
            hosts: (0, 0),
        }
    }
}

/// Whether two texts are one address, however it is written.
fn same_address(a: &str, b: &str) -> bool {
    let address = |text: &str| text.parse::<std::net::IpAddr>().ok();
    a == b || address(a).is_some_and(|a| address(b) == Some(a))
}
