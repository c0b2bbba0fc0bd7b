//! What is answered to a report that was decided and to a heartbeat, whichever way they came.
//!
//! Beside the committer and not in the server: the simulation answers its agents by the same code.
//! Holds: nothing is told of a host whose enterprise project is not granted.

use std::cmp::Ordering;

use portolan_census::{Host, Liveness, Pair, Project, Selection};
use portolan_wire::caps;
use portolan_wire::digest::Digest;
use portolan_wire::error::ErrorCode;
use portolan_wire::heartbeat::{Heartbeat, HeartbeatResult, HeartbeatStatus, Reason};
use portolan_wire::ids::HostKey;
use portolan_wire::report::{Current, IDENTITY_CONFLICT, ReportResult, Status};

use crate::{Decision, Prepared, Store, StoreError, stored_snapshot_of};

/// What the answer needs to know of a report once the committer has it.
#[derive(Clone, Debug)]
pub struct Asked {
    key: HostKey,
    digest: Digest,
    heartbeat_interval_s: u32,
}

impl From<&Prepared> for Asked {
    fn from(prepared: &Prepared) -> Self {
        Self {
            key: prepared.key().clone(),
            digest: prepared.digest(),
            heartbeat_interval_s: prepared.heartbeat_interval_s(),
        }
    }
}

/// The result of a report that was decided, the one at `index` of its request, sent by a credential
/// that is granted `granted`. Of one that was not accepted the store is asked what it holds.
///
/// # Errors
/// The store cannot be read.
pub fn decided(
    store: &dyn Store,
    granted: &Selection,
    index: usize,
    asked: &Asked,
    decision: Decision,
) -> Result<ReportResult, StoreError> {
    let host_id = Some(asked.key.host.to_string());
    let mut result = ReportResult::new(index, host_id, Status::Rejected);
    match decision {
        Decision::Accepted { .. } => {
            result.status = Status::Accepted;
            result.digest = Some(asked.digest);
            result.next_heartbeat_s = Some(asked.heartbeat_interval_s);
        }
        Decision::Stale { beside } => {
            result.status = Status::Stale;
            // Else an agent that lost its state folder could not tell a clone from its own past.
            result.reason = beside.then(|| IDENTITY_CONFLICT.into());
            result.current = current(store, granted, &asked.key)?;
        }
        Decision::Conflict => {
            result.current = current(store, granted, &asked.key)?;
            result.reason = Some(IDENTITY_CONFLICT.into());
            refuse(
                &mut result,
                ErrorCode::IdentityConflict,
                format!("reports[{index}].host.host_id"),
                "is spoken for by another agent: are two machines clones of one?",
            );
        }
        Decision::NotGranted => {
            let field = format!("reports[{index}].host.enterprise_project_id");
            refuse(
                &mut result,
                ErrorCode::EnterpriseProjectNotGranted,
                field,
                "must be granted to this credential, and so must the one that the host is in",
            );
        }
    }
    Ok(result)
}

/// What is held of the host now, or kept of it since it was retired: it may have moved since the
/// decision, and where it went must be granted, too.
fn current(
    store: &dyn Store,
    granted: &Selection,
    key: &HostKey,
) -> Result<Option<Current>, StoreError> {
    let stored = stored_snapshot_of(store, key)?;
    let stored =
        stored.filter(|stored| granted.holds(&stored.host.enterprise_project_id.as_str().into()));
    Ok(stored.map(|snapshot| Current {
        generation: snapshot.pair.generation,
        sequence: snapshot.pair.sequence,
        agent_id: snapshot.host.agent_id,
        digest: snapshot.digest,
    }))
}

fn refuse(result: &mut ReportResult, code: ErrorCode, field: String, why: &str) {
    result.error_code = Some(code.as_str().into());
    result.error_msg = Some(format!("{field} {why}"));
    result.field = Some(field);
}

/// The result of a heartbeat, the one at `index` of its request, sent at `now_s` by a credential that
/// is granted `granted`. The host of one that is confirmed is noted as heard.
pub fn confirm(
    liveness: &Liveness,
    project: Option<&Project>,
    granted: &Selection,
    index: usize,
    heartbeat: Heartbeat,
    now_s: u32,
) -> HeartbeatResult {
    // A host of an enterprise project that is not granted is as unknown as one that is not there.
    let held = project
        .and_then(|project| project.host(&heartbeat.host_id))
        .filter(|host| granted.holds(&host.facts.enterprise_project))
        .map(|host| &**host);
    let verdict = compare(held, &heartbeat);
    if let (Ok(()), Some(host)) = (verdict, held) {
        liveness.touched(host, now_s);
    }
    let interval_s = held.map_or(caps::HEARTBEAT_INTERVAL_S_DEFAULT, |host| {
        host.facts.heartbeat_interval_s
    });
    let status = if verdict.is_ok() {
        HeartbeatStatus::Ok
    } else {
        HeartbeatStatus::ReportNeeded
    };
    HeartbeatResult {
        reason: verdict.err(),
        next_heartbeat_s: Some(interval_s),
        ..HeartbeatResult::new(index, Some(heartbeat.host_id), status)
    }
}

fn compare(held: Option<&Host>, heartbeat: &Heartbeat) -> Result<(), Reason> {
    let Some(held) = held else {
        return Err(Reason::UnknownHost);
    };
    let pair = Pair {
        generation: heartbeat.generation,
        sequence: heartbeat.sequence,
    };
    match pair.cmp(&held.facts.pair) {
        Ordering::Greater => Err(Reason::NewerPair),
        Ordering::Less => Err(Reason::OlderPair),
        Ordering::Equal if heartbeat.digest == held.facts.digest => Ok(()),
        Ordering::Equal => Err(Reason::Digest),
    }
}
