//! The checks of a credential that was proved: pace, project, role, enterprise project.
//!
//! Holds: an unknown project and another's project give the same answer by the same path, and so do
//! an unknown enterprise project and one that is not granted.

use std::sync::Arc;

use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::parameters::EnterpriseProjects;
use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::time::UnixMicros;

use crate::credentials::{Api, Call, Entry, Grant, Need, Role};
use crate::error::ApiError;

/// A caller that passed every check up to its query.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    entry: Arc<Entry>,
    /// The hosts that its client certificate is for, where it reports and has shown one.
    certified: Option<Arc<[String]>>,
}

impl Caller {
    /// Checks how often the credential makes the call, the length of the project id, access to the
    /// project and role, in this order.
    pub(crate) fn authorise(call: &Call, project_id: &str, api: Api) -> Result<Self, ApiError> {
        let (entry, need) = (call.credential(api)?, api.need());
        let chars = project_id.chars().count();
        if chars > caps::PROJECT_ID_CHARS_MAX {
            let detail = format!("project_id must be 1 to 256 characters, got {chars}");
            return Err(ApiError::new(ErrorCode::InvalidParameter, detail));
        }
        // A project of that name could not be told from every project, so there is none.
        let is_every = project_id == Grant::EVERY_PROJECT;
        if !entry.grant.is_for(project_id) || is_every && need != Need::AdministerCredentials {
            return Err(ApiError::of(ErrorCode::AccessDenied).told_to(&entry.id));
        }
        let allowed = match (entry.grant.role, need) {
            (Role::Admin, _)
            | (Role::Reader | Role::Agent, Need::Any)
            | (Role::Reader, Need::Read)
            | (Role::Agent, Need::Report)
            | (Role::Enrol, Need::Enrol) => true,
            (Role::Reader, Need::Report)
            | (Role::Agent, Need::Read)
            | (Role::Enrol, Need::Read | Need::Report | Need::Any)
            | (Role::Reader | Role::Agent, Need::Enrol)
            | (
                Role::Reader | Role::Agent | Role::Enrol,
                Need::Administer | Need::AdministerCredentials,
            ) => false,
        };
        if !allowed {
            return Err(ApiError::of(ErrorCode::RoleNotAllowed).told_to(&entry.id));
        }
        let certified = match need {
            Need::Report | Need::Enrol => certified(call, entry)?,
            Need::Read | Need::Administer | Need::AdministerCredentials | Need::Any => None,
        };
        Ok(Self {
            entry: Arc::clone(entry),
            certified,
        })
    }

    /// Whether it may report for that host, which one host's credential, or its certificate, may not
    /// for any other.
    pub(crate) fn speaks_for(&self, host_id: &str) -> bool {
        let is_its = |own: &String| own == host_id;
        self.entry.host_id.as_ref().is_none_or(is_its)
            && self
                .certified
                .as_ref()
                .is_none_or(|names| names.iter().any(is_its))
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// The enterprise projects that the credential may read or speak for.
    pub(crate) fn granted(&self) -> &Selection {
        &self.entry.grant.enterprise_projects
    }

    /// When the credential ends.
    pub(crate) fn expires_at(&self) -> Option<UnixMicros> {
        self.entry.grant.expires_at
    }

    /// The id of the credential.
    pub(crate) fn id(&self) -> &str {
        &self.entry.id
    }

    /// The hosts that a query is about.
    pub(crate) fn select(&self, asked: &EnterpriseProjects) -> Result<Selection, ApiError> {
        match asked {
            EnterpriseProjects::AllGranted => Ok(self.granted().clone()),
            EnterpriseProjects::One(id) => {
                let id = EnterpriseProjectId::from(id.as_str());
                if self.granted().holds(&id) {
                    return Ok(Selection::of([id]));
                }
                let detail = "the enterprise_project_id is not granted to this credential";
                Err(ApiError::new(ErrorCode::InsufficientPermissions, detail))
            }
        }
    }
}

/// The hosts that the certificate of a connection is for.
fn certified(call: &Call, entry: &Entry) -> Result<Option<Arc<[String]>>, ApiError> {
    let Some(shown) = &call.certificate else {
        return Ok(None);
    };
    if shown.is_required && shown.hosts.is_none() {
        let detail = "a client certificate of the host is required here";
        return Err(ApiError::new(ErrorCode::Unauthenticated, detail).told_to(&entry.id));
    }
    Ok(shown.hosts.clone())
}
