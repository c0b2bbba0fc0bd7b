//! `POST …/heartbeats`: answered from the published view, without the committer.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use portolan_store::confirm;
use portolan_wire::heartbeat::{self, Heartbeat, HeartbeatResult, HeartbeatsAnswer};
use portolan_wire::report::Fault;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::json;
use crate::ingest::{body, of_another_host};

pub(crate) async fn heartbeats(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Heartbeats)?;
    app.serving()?;
    let items = body::read(
        &app.room,
        caller.id(),
        app.limits.body,
        &call.headers,
        call.body,
        heartbeat::parse,
    )
    .await?;
    let items = items.map_err(|fault| ApiError::new(fault.code, fault.message))?;
    let state = app.state();
    let project = state.project(&project_id).map(|project| &**project);
    let granted = caller.granted();
    let now_s = app.clock.now_s();
    let result = |(index, item): (usize, Result<Heartbeat, Fault>)| {
        let result = match item {
            Ok(heartbeat) if !caller.speaks_for(&heartbeat.host_id) => {
                let field = format!("heartbeats[{index}].host_id");
                HeartbeatResult::rejected(index, of_another_host(field, heartbeat.host_id))
            }
            Ok(heartbeat) => {
                let liveness = &app.published.liveness;
                confirm(liveness, project, granted, index, heartbeat, now_s)
            }
            Err(fault) => HeartbeatResult::rejected(index, fault),
        };
        app.metrics.heartbeat(&result);
        result
    };
    json(&HeartbeatsAnswer {
        results: items.into_iter().enumerate().map(result).collect(),
    })
}
