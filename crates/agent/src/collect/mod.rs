//! Looks at the host: sockets, what cannot be seen, the host itself.
//!
//! [`Collect`] is the seam: the loop takes anything that looks, tests and simulations take
//! something scripted. Holds: a failing look gives no snapshot, never an empty one.

mod between;
mod moments;
mod system;
mod told_owners;
mod watching;

use std::os::fd::BorrowedFd;
use std::time::Duration;

use portolan_sockets::ScanError;
use portolan_wire::report::{Host, Transient};

use crate::host;
use crate::machine::Tempo;
use crate::snapshot::Snapshot;
pub(crate) use system::{Means, System};

/// Looks at the host.
pub trait Collect {
    /// Looks once, and tells what that cost in CPU.
    ///
    /// # Errors
    /// Where nothing could be seen at all; a partial view is a snapshot with its coverage.
    fn look(&mut self) -> Result<(Snapshot, Duration), ScanError>;

    /// Readable while events wait, where there are any.
    fn events(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Takes the events that wait.
    fn happened(&mut self) -> Happened {
        Happened::default()
    }

    /// Watches over what looking costs; `now` is the time since the start. How fast to look.
    fn upkeep(&mut self, _now: Duration) -> Tempo {
        Tempo::default()
    }
}

/// What events told since the last time.
#[derive(Debug, Default)]
pub struct Happened {
    /// Open ports that came and went and that no look held.
    pub transients: Vec<Transient>,
    /// In how long only a look can tell what there is, if it can be said.
    pub look_in: Option<Duration>,
}

/// The ids under which a host is told.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) host_id: String,
    pub(crate) agent_id: String,
    pub(crate) enterprise_project: String,
}

impl Ids {
    fn describe(&self) -> Host {
        host::describe(&self.host_id, &self.agent_id, &self.enterprise_project)
    }
}
