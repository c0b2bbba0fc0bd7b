//! `GET …/recount`: every count of the caller's, counted again from the stored sets.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use portolan_census::{Difference, Recount, Selection, Sockets};
use portolan_store::recount as recount_store;
use portolan_wire::error::ErrorCode;
use portolan_wire::exposure::Exposure;
use portolan_wire::ids::ProjectId;
use serde::Serialize;
use serde_json::{Value, json as object};
use utoipa::ToSchema;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::json;

#[derive(Serialize, ToSchema)]
#[schema(as = Recount)]
pub(crate) struct Recounted {
    equal: bool,
    counts_checked: u64,
    #[schema(value_type = Vec<Object>)]
    differences: Vec<Value>,
}

pub(crate) async fn recount(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Recount)?;
    let found = count(
        Arc::clone(&app),
        project_id.as_str().into(),
        caller.granted().clone(),
    )
    .await?;
    app.agreement
        .note(&project_id, &found.differences, app.clock.now_s());
    json(&Recounted {
        equal: found.differences.is_empty(),
        counts_checked: found.counts_checked,
        differences: found.differences.iter().map(told).collect(),
    })
}

async fn count(
    app: Arc<App>,
    project: ProjectId,
    selection: Selection,
) -> Result<Recount, ApiError> {
    let work = move || {
        // Taken by the work, which goes on when the client goes away.
        let _one_at_a_time = app
            .recounting
            .try_lock()
            .map_err(|_| ApiError::new(ErrorCode::QueueFull, "another recount is running"))?;
        recount_store(&*app.store, &app.published, &project, &selection)
            .map_err(|error| ApiError::read_failed(&error))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(ApiError::internal)?
}

/// The exposure that a list is about.
fn exposure(sockets: Sockets) -> Option<Exposure> {
    match sockets {
        Sockets::Exposed(exposure) => Some(exposure),
        Sockets::All | Sockets::V6 => None,
    }
}

fn told(difference: &Difference) -> Value {
    match difference {
        Difference::Row {
            ignored,
            fresh,
            enterprise_project,
            category,
            sockets,
            port,
            transport,
            counted,
            recounted,
        } => object!({
            "what": if *ignored { "ignored" } else { "count" }, "only_fresh": fresh, "enterprise_project_id": enterprise_project, "category": category,
            "v6": *sockets == Sockets::V6, "exposure": exposure(*sockets), "port": port, "type": transport, "counted": counted, "recounted": recounted,
        }),
        Difference::Host { host, .. } => object!({"what": "host", "host_id": host}),
        Difference::Posting {
            category,
            v6,
            port,
            transport,
        } => {
            object!({"what": "posting", "category": category, "v6": v6, "port": port, "type": transport})
        }
        Difference::Listeners {
            category,
            v6,
            port,
            transport,
        } => {
            object!({"what": "listeners", "category": category, "v6": v6, "port": port, "type": transport})
        }
    }
}
