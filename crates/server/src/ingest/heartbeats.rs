//! `POST …/heartbeats`: answered from the published view, without the committer.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use portolan_census::{Host, Pair, Project, Selection};
use portolan_wire::caps;
use portolan_wire::heartbeat::{
    self, Heartbeat, HeartbeatResult, HeartbeatStatus, HeartbeatsAnswer, Reason,
};
use portolan_wire::report::Fault;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::json;
use crate::ingest::body;

pub(crate) async fn heartbeats(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Heartbeats)?;
    app.serving()?;
    let items = body::read(
        &app.room,
        app.limits.body,
        &call.headers,
        call.body,
        heartbeat::parse,
    )
    .await?;
    let items = items.map_err(|fault| ApiError::new(fault.code, fault.message))?;
    let state = app.state();
    let project = state.project(&project_id).map(|project| &**project);
    let results = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| match item {
            Ok(heartbeat) => confirm(&app, project, caller.granted(), index, heartbeat),
            Err(fault) => rejected(&app, index, fault),
        });
    json(&HeartbeatsAnswer {
        results: results.collect(),
    })
}

fn confirm(
    app: &App,
    project: Option<&Project>,
    granted: &Selection,
    index: usize,
    heartbeat: Heartbeat,
) -> HeartbeatResult {
    // A host of an enterprise project that is not granted is as unknown as one that is not there.
    let held = project
        .and_then(|project| project.host(&heartbeat.host_id))
        .filter(|host| granted.holds(&host.facts.enterprise_project))
        .map(|host| &**host);
    let verdict = compare(held, &heartbeat);
    let interval_s = held.map_or(caps::HEARTBEAT_INTERVAL_S_DEFAULT, |host| {
        host.facts.heartbeat_interval_s
    });
    if let (Ok(()), Some(host)) = (verdict, held) {
        app.published.liveness.touched(host, app.clock.now_s());
    }
    let status = if verdict.is_ok() {
        HeartbeatStatus::Ok
    } else {
        HeartbeatStatus::ReportNeeded
    };
    app.metrics.heartbeat(status);
    HeartbeatResult {
        index,
        host_id: Some(heartbeat.host_id),
        status,
        reason: verdict.err(),
        next_heartbeat_s: Some(interval_s),
        error_code: None,
        error_msg: None,
        field: None,
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

fn rejected(app: &App, index: usize, fault: Fault) -> HeartbeatResult {
    app.metrics.heartbeat(HeartbeatStatus::Rejected);
    HeartbeatResult {
        index,
        host_id: fault.host_id,
        status: HeartbeatStatus::Rejected,
        reason: None,
        next_heartbeat_s: None,
        error_code: Some(fault.code.as_str().into()),
        error_msg: Some(fault.message),
        field: Some(fault.field),
    }
}
