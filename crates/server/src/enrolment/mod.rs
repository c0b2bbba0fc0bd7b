//! Enrolled hosts: how one gets a token of its own, another one later, and how an administrator ends
//! that.
//!
//! Holds: the first enrolment of a host id wins, so who has an enrol key cannot take a host's identity;
//! an act is durable, in the audit log, and in effect for every following request before it is
//! answered.

mod enrol;
mod first_use;
mod forgotten;
mod list;
mod release;
mod rotate;

use portolan_store::RecordChange;
use portolan_wire::caps;
use portolan_wire::enrolment::HostToken;
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::credentials::{Caller, Enrolment, change_records, encode_enrolment};
use crate::error::ApiError;

pub(crate) use enrol::enrol;
pub(crate) use first_use::first_use;
pub(crate) use forgotten::note_reported;
pub(crate) use list::{EnrolmentList, list};
pub(crate) use release::release;
pub(crate) use rotate::rotate;

/// What the audit log calls a host.
fn target(project_id: &str, host_id: &str) -> String {
    let named: String = host_id.chars().take(caps::AUDIT_TARGET_CHARS_MAX).collect();
    format!("{project_id}/host/{named}")
}

/// Refuses one host's credential that speaks of another.
fn speaks_for(caller: &Caller, host_id: &str) -> Result<(), ApiError> {
    if caller.speaks_for(host_id) {
        return Ok(());
    }
    let detail = "host_id must be that of the client certificate";
    Err(ApiError::new(ErrorCode::HostNotOfCredential, detail).told_to(caller.id()))
}

/// Makes the enrolment that `check` works out durable and visible; `None` where there is none to make.
/// The caller holds `changing_credentials`.
async fn keep(
    app: &App,
    mut check: impl FnMut() -> Result<Option<Enrolment>, ApiError> + Send,
) -> Result<Option<Enrolment>, ApiError> {
    change_records(app, || {
        let enrolment = check()?;
        let change = enrolment.as_ref().map(put).transpose()?;
        Ok((change.into_iter().collect(), enrolment))
    })
    .await
}

/// Its record. The commit that makes it durable also has the host awaited, unless it has reported.
fn put(enrolment: &Enrolment) -> Result<RecordChange, ApiError> {
    let value = encode_enrolment(enrolment).map_err(ApiError::internal)?;
    let change = RecordChange::put(enrolment.key(), value).map_err(ApiError::internal)?;
    Ok(match enrolment.reported {
        true => change,
        false => change.enrols(enrolment.host(), enrolment.enterprise_project()),
    })
}

/// What is answered with a token.
fn host_token(enrolment: &Enrolment, token: String) -> HostToken {
    let grant = &enrolment.entry.grant;
    HostToken {
        project_id: enrolment.project_id().to_owned(),
        enterprise_project_id: grant.enterprise_project_ids().concat(),
        host_id: enrolment.host_id().to_owned(),
        role: grant.role.as_str().to_owned(),
        token,
    }
}
