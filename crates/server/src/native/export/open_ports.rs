//! The open ports of an export, host by host in the order of their ids, each host's in that of its set.
//!
//! Each host is told as it was at one moment, however many reports come while the export runs. So
//! nothing of the view needs to be kept between two chunks: hosts that come and go meanwhile are told
//! or left out by what they were at that moment.
//! Limits: memory holds one chunk and the set of one host.

use std::sync::Arc;
use std::vec;

use portolan_census::{Host, Project, Selection};
use portolan_store::Snapshot;
use portolan_store::history::{HostAt, host_at};
use portolan_wire::changes::ChangesQuery;
use portolan_wire::hss::parameters::KindFilter;
use portolan_wire::ids::{HostId, HostKey, ProjectId};
use portolan_wire::open_port::OpenPort;
use portolan_wire::report;
use portolan_wire::time::UnixMicros;
use serde::Serialize;

use super::form::Form;
use super::stream::Rows;
use crate::app::App;
use crate::error::ApiError;
use crate::native::shown::ShownPort;
use crate::past;
use crate::streamed::CHUNK_BYTES;

/// Hosts that are looked at in one turn at most.
const HOSTS_A_TURN: usize = 256;

/// The columns, in their order.
pub(super) const COLUMNS: &[&str] = &[
    "host_id",
    "host_name",
    "host_ip",
    "enterprise_project_id",
    "category",
    "type",
    "laddr",
    "port",
    "exposure",
    "netns",
    "v6only",
    "pid",
    "path",
    "user",
    "unit",
    "ifname",
    "cmdline",
    "started_at",
    "deleted",
    "container_id",
    "container_name",
    "container_image",
    "pod_name",
    "pod_namespace",
    "published",
    "first_seen",
];

#[derive(Serialize)]
struct Row<'a> {
    host_id: &'a str,
    host_name: Option<&'a str>,
    host_ip: Option<&'a str>,
    enterprise_project_id: &'a str,
    #[serde(flatten)]
    port: ShownPort,
}

/// Whether an open port is asked for.
fn holds(query: &ChangesQuery, port: &OpenPort) -> bool {
    let of_kind =
        |kind: KindFilter| kind.transport == port.transport && (!kind.v6 || port.laddr.is_ipv6());
    let exposures = query.exposures.as_ref();
    query.category.is_none_or(|only| only == port.category())
        && query.kind.is_none_or(of_kind)
        && query.port.is_none_or(|only| only == port.port)
        && exposures.is_none_or(|any| any.contains(&port.exposure().as_str()))
}

/// The open ports at a moment.
pub(super) struct OpenPorts {
    of: Asked,
    /// The last host that was looked at.
    last: Option<HostId>,
    telling: Telling,
}

/// That host, and those of its ports that are still to be told.
#[derive(Default)]
struct Telling {
    host: report::Host,
    ports: vec::IntoIter<(OpenPort, UnixMicros)>,
}

/// Whose open ports, which of them, and when.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) project: ProjectId,
    pub(super) selection: Selection,
    /// The host, and what its ports must be.
    pub(super) query: ChangesQuery,
    pub(super) form: Form,
    /// No later than what is published.
    pub(super) at: UnixMicros,
}

impl Asked {
    /// The hosts that may have had such ports, in the order of their ids.
    fn hosts_after<'a>(
        &'a self,
        project: &'a Project,
        after: Option<&'a HostId>,
    ) -> Box<dyn Iterator<Item = &'a Arc<Host>> + 'a> {
        match (&self.query.host_id, after) {
            (Some(id), None) => Box::new(project.host(id).or(project.retired(id)).into_iter()),
            (Some(_), Some(_)) => Box::new(std::iter::empty()),
            (None, after) => {
                let after = after.map(HostId::as_str);
                Box::new(in_order(
                    project.hosts_after(after),
                    project.retired_after(after),
                ))
            }
        }
    }

    /// What the host was, where it was one of those asked for.
    fn snapshot(&self, app: &App, host: &Host) -> Result<Option<Snapshot>, ApiError> {
        let facts = &host.facts;
        // What has not changed since needs no look into the store.
        let is_other = facts.retired_at.is_some()
            || facts.open_ports == 0
            || !self.selection.holds(&facts.enterprise_project);
        if facts.at <= self.at && is_other {
            return Ok(None);
        }
        let key = HostKey {
            project: self.project.clone(),
            host: facts.id.clone(),
        };
        let was = host_at(&*app.store, &key, self.at);
        match was.map_err(|error| ApiError::read_failed(&error))? {
            HostAt::Present(snapshot) => {
                let enterprise_project = snapshot.host.enterprise_project_id.as_str().into();
                Ok(Some(*snapshot).filter(|_| self.selection.holds(&enterprise_project)))
            }
            HostAt::Retired(_) | HostAt::Absent => Ok(None),
            // A day was dropped meanwhile.
            HostAt::NotKept => Err(past::not_kept(app, past::AS_OF.name, self.at)),
        }
    }
}

/// The hosts of both in the order of their ids.
fn in_order<'a>(
    hosts: impl Iterator<Item = &'a Arc<Host>>,
    retired: impl Iterator<Item = &'a Arc<Host>>,
) -> impl Iterator<Item = &'a Arc<Host>> {
    let (mut hosts, mut retired) = (hosts.peekable(), retired.peekable());
    std::iter::from_fn(move || match (hosts.peek(), retired.peek()) {
        (Some(host), Some(other)) if other.facts.id < host.facts.id => retired.next(),
        (Some(_), _) => hosts.next(),
        (None, _) => retired.next(),
    })
}

impl From<Asked> for OpenPorts {
    fn from(of: Asked) -> Self {
        Self {
            of,
            last: None,
            telling: Telling::default(),
        }
    }
}

impl Rows for OpenPorts {
    fn next_rows(&mut self, app: &App, out: &mut Vec<u8>) -> Result<bool, ApiError> {
        self.telling.tell(&self.of, out)?;
        let state = app.published.state.load_full();
        let Some(project) = state.project(self.of.project.as_str()) else {
            return Ok(false);
        };
        let after = self.last.clone();
        let mut hosts = self.of.hosts_after(project, after.as_ref());
        let mut looked_at = 0;
        loop {
            if out.len() >= CHUNK_BYTES || looked_at == HOSTS_A_TURN {
                return Ok(true);
            }
            let Some(host) = hosts.next() else {
                return Ok(false);
            };
            looked_at += 1;
            self.last = Some(host.facts.id.clone());
            if let Some(snapshot) = self.of.snapshot(app, host)? {
                self.telling = Telling::of(snapshot);
            }
            self.telling.tell(&self.of, out)?;
        }
    }
}

impl Telling {
    fn of(snapshot: Snapshot) -> Self {
        let ports: Vec<_> = snapshot
            .open_ports
            .into_iter()
            .zip(snapshot.first_seen)
            .collect();
        Self {
            host: snapshot.host,
            ports: ports.into_iter(),
        }
    }

    /// Writes ports, as many as the chunk takes.
    fn tell(&mut self, of: &Asked, out: &mut Vec<u8>) -> Result<(), ApiError> {
        while out.len() < CHUNK_BYTES {
            let Some((port, first_seen)) = self.ports.next() else {
                break;
            };
            if !holds(&of.query, &port) {
                continue;
            }
            let row = Row {
                host_id: &self.host.host_id,
                host_name: self.host.host_name.as_deref(),
                host_ip: self.host.host_ip.as_deref(),
                enterprise_project_id: &self.host.enterprise_project_id,
                port: (port, first_seen).into(),
            };
            of.form.row(COLUMNS, &row, out)?;
        }
        Ok(())
    }
}
