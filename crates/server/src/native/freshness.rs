//! How current an answer is, and the filter by it.

use portolan_census::{Freshness, Selection, State};
use portolan_wire::query::{Parameter, Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;

/// Which counts: those of the fresh hosts only, where it is given.
pub(crate) const ONLY_FRESH: Parameter = Parameter::one_of("freshness", &["fresh"]);

/// Which hosts; where it is absent, all but those that are retired.
pub(crate) const OF_HOSTS: Parameter =
    Parameter::one_of("freshness", &["fresh", "stale", "retired", "never"]);

/// Which hosts a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Those that have reported and are not retired, and those that never reported; or only those
    /// that are fresh, or stale.
    Held(Option<Freshness>),
    Retired,
    /// Those that are enrolled and never reported.
    Never,
}

/// Whether only fresh hosts are asked for.
pub(crate) fn only_fresh(query: &Query<'_>) -> Result<bool, ApiError> {
    let asked = ONLY_FRESH.read(query, |text| (text == "fresh").then_some(()))?;
    Ok(asked.is_some())
}

/// Which hosts are asked for.
pub(crate) fn of_hosts(query: &Query<'_>) -> Result<Asked, ApiError> {
    let read = |text: &str| match text {
        "fresh" => Some(Asked::Held(Some(Freshness::Fresh))),
        "stale" => Some(Asked::Held(Some(Freshness::Stale))),
        "retired" => Some(Asked::Retired),
        "never" => Some(Asked::Never),
        _ => None,
    };
    Ok(OF_HOSTS.read(query, read)?.unwrap_or(Asked::Held(None)))
}

/// How many hosts of the selection are fresh, stale, and enrolled without a report, whatever the
/// other filters.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[schema(as = HostCounts)]
pub(crate) struct Hosts {
    pub(crate) fresh: u64,
    pub(crate) stale: u64,
    pub(crate) never: u64,
}

impl Hosts {
    /// A selection's; none where the project is unknown.
    pub(crate) fn of(state: &State, project_id: &str, selection: &Selection) -> Self {
        let project = state.project(project_id);
        let told = project.map(|project| project.fresh_and_stale(selection));
        let (fresh, stale) = told.unwrap_or_default();
        Self {
            fresh,
            stale,
            never: state.never(project_id, selection),
        }
    }
}
