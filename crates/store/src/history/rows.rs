//! The rows that are shown of a record: one for each thing that happened.

use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::open_port::OpenPort;
use portolan_wire::time::UnixMicros;

use super::HistoryError;
use super::detail::{Detail, PortDelta, StoredTransient};
use super::record::{Counts, Entry, Kind, Record};

/// The place of a change among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The commit that made it.
    pub commit: u64,
    /// Its number within the commit, from 0.
    pub n: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// A port is open that was not.
    Opened,
    /// A port is no longer open.
    Closed,
    /// A port is held by another program than before.
    OwnerChanged,
    /// A port came and went between two reports.
    Transient,
    /// A host reported for the first time.
    Baseline,
    /// A host is in another enterprise project than before.
    Moved,
    /// A host was retired: its ports are neither open nor closed.
    Retired,
    /// A host reported after it was retired.
    Returned,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Opened,
        Self::Closed,
        Self::OwnerChanged,
        Self::Transient,
        Self::Baseline,
        Self::Moved,
        Self::Retired,
        Self::Returned,
    ];

    /// The name on every border.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::OwnerChanged => "owner_changed",
            Self::Transient => "transient",
            Self::Baseline => "baseline",
            Self::Moved => "moved",
            Self::Retired => "retired",
            Self::Returned => "returned",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place among all.
    pub position: Position,
    /// What happened.
    pub kind: ChangeKind,
    /// The moment of the commit; never less than that of a change before it.
    pub at: UnixMicros,
    /// When the agent looked, by the host's clock; `None` of a retirement.
    pub observed_at: Option<UnixMicros>,
    /// The host.
    pub key: HostKey,
    /// Its name from then on.
    pub host_name: Option<String>,
    /// The enterprise project it is in from then on.
    pub enterprise_project: EnterpriseProjectId,
    /// The one it was in before, where it came from another with this commit.
    pub moved_from: Option<EnterpriseProjectId>,
    /// The open port, as it is from then on; of one that closed, as it was. `None` of what is about
    /// the host.
    pub port: Option<OpenPort>,
    /// The path before, of [`ChangeKind::OwnerChanged`] only.
    pub before_path: Option<Option<String>>,
    /// When a transient was opened.
    pub opened_at: Option<UnixMicros>,
    /// When a transient was closed.
    pub closed_at: Option<UnixMicros>,
    /// How many open ports the host has from then on, where it came or came back.
    pub open_ports: Option<u32>,
}

/// All rows of a record, in their order.
///
/// # Errors
/// Another version, or bytes that do not decode.
pub fn changes_of(commit: u64, record: &[u8]) -> Result<Vec<Change>, HistoryError> {
    let mut changes = Vec::new();
    for entry in Record::read(record)?.entries() {
        changes.extend(rows(commit, &entry?)?);
    }
    Ok(changes)
}

/// The rows of one entry.
pub(crate) fn rows(commit: u64, entry: &Entry<'_>) -> Result<Vec<Change>, HistoryError> {
    if entry.head.kind == Kind::Ignored {
        return Ok(Vec::new());
    }
    let detail = entry.detail()?;
    let kind = entry.head.kind;
    let blank = blank(commit, entry, &detail)?;
    let mut changes = Vec::new();
    changes.extend(of_host(kind, &blank, &detail));
    changes.extend(detail.told_ports(kind).map(|delta| of_port(&blank, delta)));
    let transients = detail.transients.iter();
    changes.extend(transients.map(|transient| of_transient(&blank, transient)));
    for (change, n) in changes.iter_mut().zip(entry.head.first_row..) {
        change.position.n = n;
    }
    Ok(changes)
}

/// What all rows of an entry have.
fn blank(commit: u64, entry: &Entry<'_>, detail: &Detail<'_>) -> Result<Change, HistoryError> {
    let part = match entry.counts()? {
        Counts::Differs(part) => Some(part),
        Counts::Replaces { before, after } => after.or(before),
    };
    let part = part.ok_or(HistoryError::Parts("an entry is of no enterprise project"))?;
    let left = detail.before.as_ref().and_then(|b| b.enterprise_project);
    let left = left.filter(|_| matches!(entry.head.kind, Kind::Moved | Kind::Returned));
    Ok(Change {
        position: Position { commit, n: 0 },
        kind: ChangeKind::Baseline,
        at: entry.at,
        observed_at: detail.observed_at.map(UnixMicros),
        key: HostKey {
            project: entry.head.project.into(),
            host: entry.head.host.into(),
        },
        host_name: detail.host_name.map(str::to_owned),
        enterprise_project: part.enterprise_project.into(),
        moved_from: left.map(EnterpriseProjectId::from),
        port: None,
        before_path: None,
        opened_at: None,
        closed_at: None,
        open_ports: None,
    })
}

fn of_host(kind: Kind, blank: &Change, detail: &Detail<'_>) -> Option<Change> {
    let (kind, open_ports) = match kind {
        Kind::Baseline => (ChangeKind::Baseline, Some(detail.open_ports)),
        Kind::Moved => (ChangeKind::Moved, None),
        Kind::Returned => (ChangeKind::Returned, Some(detail.open_ports)),
        Kind::Retired => (ChangeKind::Retired, None),
        Kind::Reported | Kind::Ignored => return None,
    };
    Some(Change {
        kind,
        open_ports,
        ..blank.clone()
    })
}

fn of_port(blank: &Change, delta: &PortDelta<'_>) -> Change {
    let (kind, port, before) = match delta {
        PortDelta::Opened(port) => (ChangeKind::Opened, port, None),
        PortDelta::Closed(port, _) => (ChangeKind::Closed, port, None),
        PortDelta::Changed { before, after } => (
            ChangeKind::OwnerChanged,
            after.as_ref().unwrap_or(before),
            Some(before),
        ),
        PortDelta::Twin { before, after } => (ChangeKind::OwnerChanged, after, Some(before)),
    };
    Change {
        kind,
        port: Some(port.clone().into()),
        before_path: before.map(|before| before.path.map(str::to_owned)),
        ..blank.clone()
    }
}

fn of_transient(blank: &Change, transient: &StoredTransient<'_>) -> Change {
    Change {
        kind: ChangeKind::Transient,
        port: Some(transient.port()),
        opened_at: transient.opened_at.map(UnixMicros),
        closed_at: transient.closed_at.map(UnixMicros),
        ..blank.clone()
    }
}
