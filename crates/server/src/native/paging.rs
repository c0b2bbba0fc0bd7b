//! Paging by key: a cursor names the last row of a page, so rows that stay are neither skipped nor
//! repeated while others come and go. Cursors are opaque to clients.

use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::hss::parameters::{EnterpriseProjects, enterprise_projects};
use portolan_wire::query::{Parameter, Query};

use crate::credentials::Caller;
use crate::error::ApiError;

pub(crate) const CURSOR: Parameter = Parameter::cursor("cursor");
pub(crate) const LIMIT: Parameter = Parameter::integer("limit", 1, caps::PAGE_LIMIT_MAX);
const DEFAULT_LIMIT: u32 = 50;

/// Reads `cursor` by `read`.
pub(crate) fn cursor<T>(
    query: &Query<'_>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    Ok(CURSOR.read(query, read)?)
}

/// Reads `limit`: 1 to 200, 50 where it is absent.
pub(crate) fn limit(query: &Query<'_>) -> Result<usize, ApiError> {
    let limit = LIMIT.read_integer(query)?;
    Ok(limit.unwrap_or(DEFAULT_LIMIT) as usize)
}

/// The hosts that a native list is about: all that are granted, or those of the enterprise project
/// that the request names.
pub(crate) fn selection(query: &Query<'_>, caller: &Caller) -> Result<Selection, ApiError> {
    let named = query.single("enterprise_project_id");
    if named == Ok(None) || named == Ok(Some("")) {
        return caller.select(&EnterpriseProjects::AllGranted);
    }
    caller.select(&enterprise_projects(query)?)
}

/// There is no such host, or it is not the caller's to see.
pub(crate) fn no_such_host() -> ApiError {
    ApiError::of(ErrorCode::HostUnknown)
}
