//! The checks between a route and its handler: credential, project, role, enterprise project.
//!
//! Holds: an unknown project and another's project give the same answer by the same path, and so do
//! an unknown enterprise project and one that is not granted.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::parameters::EnterpriseProjects;
use portolan_wire::ids::EnterpriseProjectId;
use portolan_wire::time::UnixMicros;

use crate::app::App;
use crate::credentials::{Entry, Grant, Known, Role, unavailable};
use crate::error::ApiError;

/// What a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The role reader or admin.
    Read,
    /// The role agent or admin.
    Report,
    /// The role admin.
    Administer,
    /// The role admin; also for `*`, as which credentials for every project are made and listed.
    AdministerCredentials,
}

/// A caller that passed every check up to its query.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    entry: Arc<Entry>,
}

impl Caller {
    /// Checks credential, length of the project id, access to the project and role, in this order.
    pub(crate) fn authorise(
        app: &App,
        headers: &HeaderMap,
        project_id: &str,
        need: Need,
    ) -> Result<Self, ApiError> {
        let entry = authenticate(app, headers)?;
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
            (Role::Admin, _) | (Role::Reader, Need::Read) | (Role::Agent, Need::Report) => true,
            (Role::Reader, Need::Report | Need::Administer | Need::AdministerCredentials)
            | (Role::Agent, Need::Read | Need::Administer | Need::AdministerCredentials) => false,
        };
        if !allowed {
            return Err(ApiError::of(ErrorCode::RoleNotAllowed).told_to(&entry.id));
        }
        Ok(Self { entry })
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

/// The credential that a request carries.
pub(crate) fn authenticate(app: &App, headers: &HeaderMap) -> Result<Arc<Entry>, ApiError> {
    let refused = |detail: &str| ApiError::new(ErrorCode::Unauthenticated, detail);
    // A signature that is offered must hold; the token beside it is no way around it.
    if headers.get_all(header::AUTHORIZATION).iter().any(is_signed) {
        return Err(refused("verify aksk signature fail"));
    }
    let mut tokens = headers.get_all("x-auth-token").iter();
    let token = match (tokens.next(), tokens.next()) {
        (Some(token), None) if !token.is_empty() => token,
        (None, _) | (Some(_), None) => return Err(refused("x-auth-token not found")),
        (Some(_), Some(_)) => return Err(refused("x-auth-token must be given once")),
    };
    // Not `to_str`: a token of the credentials file may have characters beyond ASCII.
    let token = std::str::from_utf8(token.as_bytes()).map_err(|_| refused("decrypt token fail"))?;
    let entry = app.credentials.token(token);
    let entry = match (entry, app.external.as_ref().map(|known| known.known(token))) {
        (Some(entry), _) | (None, Some(Known::Good(entry))) => entry,
        (None, None | Some(Known::Bad)) => return Err(refused("decrypt token fail")),
        // It was asked for before (`routes::learn`), and others have pushed the answer out since.
        (None, Some(Known::Nothing)) => return Err(unavailable()),
    };
    let now = app.now();
    if entry.is_expired(now) {
        return Err(ApiError::of(ErrorCode::TokenExpired).told_to(&entry.id));
    }
    entry.used(now);
    Ok(entry)
}

/// Whether the value of an Authorization header offers a signature, by any scheme that signs: those of
/// the service's own clients (`SDK-…`, `V11-…`), and others of the form. Its clients also send
/// `none` beside a token, which offers nothing.
fn is_signed(value: &HeaderValue) -> bool {
    let value = value.as_bytes().to_ascii_uppercase();
    let (scheme, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(end) => value.split_at(end),
        None => (value.as_slice(), [].as_slice()),
    };
    let holds = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    scheme.starts_with(b"SDK-")
        || scheme.starts_with(b"V11-")
        || holds(scheme, b"-HMAC-")
        || holds(rest, b"SIGNATURE=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_that_signs_is_told_from_what_signs_nothing() {
        for signed in [
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=00",
            "sdk-hmac-sha256",
            "SDK-HMAC-SM3 Access=AK",
            "SDK-ECDSA-P256-SHA256 Access=AK",
            "SDK-SM2-SM3 Access=AK",
            "V11-HMAC-SHA256 Credential=AK/20260102/r/hss, SignedHeaders=x, Signature=00",
            "v11-hmac-sha256",
            "AWS4-HMAC-SHA256 Credential=AK/20260102/r/s/aws4_request, Signature=00",
            "Signature keyId=\"k\",signature=\"00\"",
        ] {
            assert!(is_signed(&HeaderValue::from_static(signed)), "{signed}");
        }
        for other in [
            "",
            "none",
            "Bearer abc",
            "Basic YTpi",
            "SDK",
            "x SDK-HMAC-SHA256",
        ] {
            assert!(!is_signed(&HeaderValue::from_static(other)), "{other}");
        }
    }
}
