//! What becomes of one report: accepted, stale, in conflict, or not allowed.
//!
//! Only the pair (generation, sequence) orders the reports of a host. Clocks order nothing; they
//! only say how long ago another agent spoke.

use std::cmp::Ordering;

use portolan_census::{Cells, Counted, Host, Pair, Selection};
use portolan_wire::caps;
use portolan_wire::digest::Digest;
use portolan_wire::ids::{EnterpriseProjectId, HostId, HostKey, ProjectId};
use portolan_wire::report::{Report, Transient};
use portolan_wire::time::UnixMicros;

use crate::history::compare::{Compared, Next};
use crate::snapshot;
use crate::snapshot::form::Body;

/// A report that has been read and checked, with all that needs no order done already.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) key: HostKey,
    pub(super) enterprise_project: EnterpriseProjectId,
    pub(super) pair: Pair,
    pub(super) digest: Digest,
    pub(super) agent: u64,
    pub(super) heartbeat_interval_s: u32,
    pub(super) open_ports: u32,
    pub(super) cells: Cells,
    pub(super) body: Vec<u8>,
    pub(super) transients: Vec<Transient>,
    /// What it makes of the host as it was stored when the report's batch began.
    pub(super) compared: Option<(Option<u128>, Compared)>,
    /// The enterprise projects that the credential may speak for.
    pub(super) granted: Selection,
}

impl Prepared {
    /// Prepares a canonical report of a project.
    ///
    /// # Errors
    /// It does not encode, which no report within its limits does.
    pub fn new(
        project: ProjectId,
        report: &Report,
        granted: Selection,
    ) -> Result<Self, snapshot::SnapshotError> {
        Ok(Self {
            key: HostKey {
                project,
                host: HostId::from(report.host.host_id.as_str()),
            },
            enterprise_project: report.host.enterprise_project_id.as_str().into(),
            pair: Pair {
                generation: report.generation,
                sequence: report.sequence,
            },
            digest: Digest::of(&report.open_ports),
            agent: snapshot::agent_hash(report.host.agent_id.as_deref()),
            heartbeat_interval_s: report
                .heartbeat_interval_s
                .unwrap_or(caps::HEARTBEAT_INTERVAL_S_DEFAULT),
            open_ports: u32::try_from(report.open_ports.len()).unwrap_or(u32::MAX),
            cells: Cells::of(report.open_ports.iter().map(Counted::from)),
            body: snapshot::encode_body(report)?,
            transients: report.transients.clone(),
            compared: None,
            granted,
        })
    }

    /// The host.
    pub fn key(&self) -> &HostKey {
        &self.key
    }

    /// The digest of its set.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// How often the host will be heard, in seconds.
    pub fn heartbeat_interval_s(&self) -> u32 {
        self.heartbeat_interval_s
    }

    /// About how much memory it holds while it waits, in bytes.
    pub(super) fn bytes(&self) -> usize {
        // A transient is a few short texts.
        const TRANSIENT_BYTES: usize = 512;
        let transients = self.transients.len() * TRANSIENT_BYTES;
        size_of::<Self>() + self.body.len() + self.open_ports as usize * 8 + transients
    }

    /// The version of the host that it may make.
    pub(super) fn next(&self) -> Next<'_> {
        Next {
            enterprise_project: self.enterprise_project.as_str(),
            heartbeat_interval_s: self.heartbeat_interval_s,
            body: Body(&self.body),
            transients: &self.transients,
            granted: &self.granted,
        }
    }
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Durable and visible; `fresh` is false for the repetition of one that already was.
    Accepted {
        /// Whether this report made a new version of the host.
        fresh: bool,
    },
    /// Older than what is held.
    Stale {
        /// Whether it comes from another agent than the one that speaks for the host.
        beside: bool,
    },
    /// Two agents speak for the host.
    Conflict,
    /// The enterprise project that the host is in, or would come to, is not granted.
    NotGranted,
}

/// What became of an operator's wish to retire a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retirement {
    /// The host is retired, durably.
    Retired,
    /// There is no such host, or its enterprise project is not granted.
    Unknown,
}

/// Decides a report against the host as it is held, or as it was retired, the batch's earlier reports
/// included.
pub(super) fn decide(
    held: Option<&Host>,
    retired: Option<&Host>,
    report: &Prepared,
    now: UnixMicros,
) -> Decision {
    if !report.granted.holds(&report.enterprise_project) {
        return Decision::NotGranted;
    }
    let Some(held) = held else {
        return match retired {
            Some(retired) => decide_return(retired, report),
            None => Decision::Accepted { fresh: true },
        };
    };
    if !report.granted.holds(&held.facts.enterprise_project) {
        return Decision::NotGranted;
    }
    match report.pair.cmp(&held.facts.pair) {
        Ordering::Greater if alternates(held, report, now) => Decision::Conflict,
        Ordering::Greater => Decision::Accepted { fresh: true },
        Ordering::Equal if report.digest == held.facts.digest => {
            Decision::Accepted { fresh: false }
        }
        Ordering::Equal => Decision::Conflict,
        Ordering::Less => Decision::Stale {
            beside: is_another(held, report) && speaks(held, now),
        },
    }
}

/// An agent that is told that its host is unknown may say the same again under the same pair, so that
/// no pair but an older one keeps a retired host away. One whose enterprise project is not granted is
/// a new host to who reports it: it was given up, and its pair is not told.
fn decide_return(retired: &Host, report: &Prepared) -> Decision {
    let is_granted = report.granted.holds(&retired.facts.enterprise_project);
    if is_granted && report.pair < retired.facts.pair {
        Decision::Stale { beside: false }
    } else {
        Decision::Accepted { fresh: true }
    }
}

/// Whether a decided report shows that two agents speak for the host. An older one of an agent beside
/// the one that speaks is stale by its pair, and is answered so; and one that repeats a pair and its
/// set is accepted: that either comes from a second agent is a fact of its own.
pub(super) fn shows_two(
    decision: Decision,
    held: Option<&Host>,
    report: &Prepared,
    now: UnixMicros,
) -> bool {
    match decision {
        Decision::Conflict => true,
        Decision::Stale { beside } => beside,
        Decision::Accepted { fresh: false } => {
            held.is_some_and(|held| is_no_retry(held, report, now))
        }
        Decision::Accepted { fresh: true } | Decision::NotGranted => false,
    }
}

/// Whether a report under the held pair and with the held set is not the held one again. An agent
/// takes a new generation before it tells of another enterprise project, so two say this.
fn is_no_retry(held: &Host, report: &Prepared, now: UnixMicros) -> bool {
    report.enterprise_project != held.facts.enterprise_project
        || is_another(held, report) && speaks(held, now)
}

/// Whether the agent that another one took over from is back while that other one still speaks: a
/// take-over goes one way, so two that alternate are two machines with one id.
fn alternates(held: &Host, report: &Prepared, now: UnixMicros) -> bool {
    report.agent == held.facts.agents.previous && is_another(held, report) && speaks(held, now)
}

fn is_another(held: &Host, report: &Prepared) -> bool {
    report.agent != 0 && report.agent != held.facts.agents.current
}

/// Whether the host's agent was heard within three of its intervals.
fn speaks(held: &Host, now: UnixMicros) -> bool {
    // Its last report counts beside what was heard: hearing follows a batch, and that report may
    // stand in this very one.
    let (_, heard_s) = held.freshness();
    let spoke_s = held.facts.at.seconds().max(i64::from(heard_s));
    let patience_s = held
        .facts
        .heartbeat_interval_s
        .saturating_mul(caps::FRESH_INTERVALS);
    now.seconds() <= spoke_s.saturating_add(i64::from(patience_s))
}
