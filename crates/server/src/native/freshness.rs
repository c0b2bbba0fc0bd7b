//! How current an answer is, and the filter by it.

use portolan_census::{Freshness, Project, Selection};
use portolan_wire::query::{Parameter, Query};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;

/// Which counts: those of the fresh hosts only, where it is given.
pub(crate) const ONLY_FRESH: Parameter = Parameter::one_of("freshness", &["fresh"]);

/// Which hosts; where it is absent, those that are fresh or stale.
pub(crate) const OF_HOSTS: Parameter =
    Parameter::one_of("freshness", &["fresh", "stale", "retired", "never"]);

/// Which hosts a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Those that are not retired, or of them those that are fresh or stale.
    Held(Option<Freshness>),
    Retired,
    /// Those that never reported: none, since a host is enrolled by its first report.
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
    fresh: u64,
    stale: u64,
    never: u64,
}

impl Hosts {
    /// A selection's; none where the project is unknown.
    pub(crate) fn of(project: Option<&Project>, selection: &Selection) -> Self {
        let told = project.map(|project| project.fresh_and_stale(selection));
        told.unwrap_or_default().into()
    }
}

impl From<(u64, u64)> for Hosts {
    fn from((fresh, stale): (u64, u64)) -> Self {
        Self {
            fresh,
            stale,
            never: 0,
        }
    }
}
