//! `exposure` of the native reads, and `GET …/exposures`: how much there is of each.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use portolan_census::{ExposureCount, ExposureFilter, Sockets};
use portolan_wire::error::ErrorCode;
use portolan_wire::exposure::Exposure;
use portolan_wire::hss::parameters::{self, KindFilter};
use portolan_wire::open_port::Transport;
use portolan_wire::query::{Parameter, Query};
use portolan_wire::time::UnixMicros;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::{self, decoded, json, selected};
use crate::native::freshness::{self, Hosts};
use crate::past;

/// Only what has a socket of this exposure.
pub(crate) const EXPOSURE: Parameter = Parameter::one_of("exposure", Exposure::NAMES);
/// The types of `/exposures`: exposures are not counted by address family.
pub(crate) const TRANSPORT: Parameter = Parameter::one_of("type", &["TCP", "UDP"]);

/// How much there is of each exposure.
#[derive(Serialize, ToSchema)]
pub(crate) struct Exposures {
    as_of: UnixMicros,
    hosts: Hosts,
    total_num: u64,
    data_list: Vec<ExposureRow>,
}

/// What there is of one exposure. An asset's (port, type) counts in each that it has a socket of.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExposureRow {
    exposure: Exposure,
    /// The `total_num` of the statistics with this exposure.
    row_num: u64,
    /// Assets' (port, type): the sum of `num` of those rows.
    open_num: u64,
}

impl From<ExposureCount> for ExposureRow {
    fn from(count: ExposureCount) -> Self {
        Self {
            exposure: count.exposure,
            row_num: count.rows,
            open_num: count.open,
        }
    }
}

/// Which sockets a request is about, by `exposure` and the type that it asks for.
///
/// # Errors
/// It is no exposure, is given twice, or with a type of one address family.
pub(crate) fn sockets(query: &Query<'_>, kind: Option<KindFilter>) -> Result<Sockets, ApiError> {
    match (EXPOSURE.read(query, Exposure::of_name)?, kind) {
        (None, kind) => Ok(hss::sockets(kind)),
        (Some(exposure), Some(kind)) if kind.v6 => {
            let (exposure, kind) = (exposure.as_str(), kind.as_str());
            let text = format!(
                "exposure={exposure} and type={kind} cannot be given together: exposures are not counted by address family"
            );
            Err(ApiError::new(ErrorCode::InvalidParameter, text))
        }
        (Some(exposure), _) => Ok(Sockets::Exposed(exposure)),
    }
}

pub(crate) async fn exposures(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Exposures)?;
    let query = decoded(raw_query.as_deref())?;
    let selection = selected(&query, &caller)?;
    let port = parameters::port(&query)?;
    let transport = TRANSPORT.read(&query, |text| match text {
        "TCP" => Some(Transport::Tcp),
        "UDP" => Some(Transport::Udp),
        _ => None,
    })?;
    parameters::enterprise_projects(&query)?;
    let filter = ExposureFilter {
        category: parameters::category(&query)?,
        transport,
        port,
    };
    let only_fresh = freshness::only_fresh(&query)?;
    past::only_now(&query)?;
    // All rows are looked through: no work for a thread that others wait for.
    let count = move |app: &App| {
        let as_of = app.as_of();
        let state = app.state();
        let project = state.project(&project_id);
        let counts = project.map(|project| {
            if only_fresh {
                project.fresh_counts()
            } else {
                project.counts()
            }
        });
        let told = counts.unwrap_or_default().exposures(&selection, &filter);
        let data_list: Vec<ExposureRow> = told.map(Into::into).into();
        Ok(Exposures {
            as_of,
            hosts: Hosts::of(&state, &project_id, &selection),
            total_num: data_list.len() as u64,
            data_list,
        })
    };
    json(&app.reading(count).await?)
}
