//! Looks at the host: sockets, what cannot be seen, the host itself.
//!
//! [`Collect`] is the seam: the loop takes anything that looks, tests and simulations take
//! something scripted. Holds: a failing look gives no snapshot, never an empty one.

use std::time::{Duration, Instant};

use portolan_sockets::{Collector, Options, ScanError};
use portolan_wire::report::Host;

use crate::host;
use crate::meter;
use crate::snapshot::Snapshot;
use crate::state::StateDir;
use crate::withhold::Withhold;

/// How long a description of the host serves.
const HOST_AGE_MAX: Duration = Duration::from_secs(60);
/// Shortest time between two writes of the client UDP ports that were told.
const KEEP_GAP: Duration = Duration::from_secs(60);

/// Shortest time between two tellings of what cannot be seen; its numbers may change every second.
const UNSEEN_GAP: Duration = Duration::from_secs(600);

/// Looks at the host.
pub trait Collect {
    /// Looks once, and tells what that cost in CPU.
    ///
    /// # Errors
    /// Where nothing could be seen at all; a partial view is a snapshot with its coverage.
    fn look(&mut self) -> Result<(Snapshot, Duration), ScanError>;
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

/// Looks at the host that it runs on.
pub(crate) struct System<'a> {
    collector: Collector,
    withhold: Withhold,
    state: &'a StateDir,
    kept_at: Instant,
    kept: Withhold,
    ids: Ids,
    host: Host,
    host_at: Instant,
    unseen: Vec<String>,
    unseen_at: Option<Instant>,
}

impl<'a> System<'a> {
    /// `withhold` knows what was told when the agent last ran.
    pub(crate) fn new(ids: Ids, look: Options, withhold: Withhold, state: &'a StateDir) -> Self {
        let now = Instant::now();
        Self {
            collector: Collector::new(look),
            kept: withhold.clone(),
            withhold,
            state,
            kept_at: now,
            host: ids.describe(),
            host_at: now,
            ids,
            unseen: Vec::new(),
            unseen_at: None,
        }
    }

    fn refresh_host(&mut self, now: Instant) {
        if now.saturating_duration_since(self.host_at) >= HOST_AGE_MAX {
            self.host = self.ids.describe();
            self.host_at = now;
        }
    }

    /// What cannot be seen is said once, and now and then again when it is something else.
    fn tell_unseen(&mut self, unseen: Vec<String>, now: Instant) {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= UNSEEN_GAP;
        if unseen != self.unseen && self.unseen_at.is_none_or(is_due) {
            for sentence in &unseen {
                tracing::warn!(unseen = %sentence, "not all of this host can be seen");
            }
            self.unseen = unseen;
            self.unseen_at = Some(now);
        }
    }

    fn keep_told(&mut self) {
        if self.withhold == self.kept {
            return;
        }
        if let Err(error) = self.state.keep_client_udp(self.withhold.told()) {
            tracing::warn!(%error, "what was told of UDP clients cannot be kept; a restart may show their ports as closed and opened");
        }
        self.kept = self.withhold.clone();
    }
}

impl Collect for System<'_> {
    fn look(&mut self) -> Result<(Snapshot, Duration), ScanError> {
        let scan = self.collector.scan()?;
        // The scan counts its own CPU, because it has more than one thread; the rest is this one's.
        let after_scan = meter::thread_cpu();
        let now = Instant::now();
        self.refresh_host(now);
        self.tell_unseen(scan.unseen, now);
        let open_ports = self.withhold.filter(scan.sockets, now);
        if now.saturating_duration_since(self.kept_at) >= KEEP_GAP {
            self.keep_told();
            self.kept_at = now;
        }
        let snapshot = Snapshot::new(
            self.host.clone(),
            meter::wall_clock(),
            meter::agent(),
            scan.coverage,
            open_ports,
        );
        let rest = meter::thread_cpu().saturating_sub(after_scan);
        Ok((snapshot, scan.statistics.cpu + rest))
    }
}

impl Drop for System<'_> {
    fn drop(&mut self) {
        self.keep_told();
    }
}
