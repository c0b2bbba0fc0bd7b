//! `POST …/reports`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use portolan_census::Selection;
use portolan_store::{Decision, Prepared, QueueFull, StoreError, Submission, snapshot_of};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::ids::{HostKey, ProjectId};
use portolan_wire::report::{
    self, Current, Fault, IDENTITY_CONFLICT, ReportResult, ReportsAnswer, Status,
};
use portolan_wire::time::UnixMicros;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::json;
use crate::ingest::body;
use crate::limits::Limit;

pub(crate) async fn reports(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Reports)?;
    app.serving()?;
    let now = app.now();
    let granted = caller.granted().clone();
    let project = ProjectId::from(project_id);
    let counting = Arc::clone(&app);
    let prepare = move |unpacked: &[u8]| {
        let items = report::parse(unpacked, now)?;
        let skewed = items.iter().flatten().filter(|item| is_skewed(item, now));
        counting.metrics.reports_skewed(skewed.count());
        Ok(items
            .into_iter()
            .enumerate()
            .map(|(index, item)| Item::prepare(index, item, &project, &granted))
            .collect())
    };
    let items: Result<Vec<Item>, report::RequestFault> = body::read(
        &app.room,
        app.limits.body,
        &call.headers,
        call.body,
        prepare,
    )
    .await?;
    let items = items.map_err(|fault| ApiError::new(fault.code, fault.message))?;
    let results = commit(&app, caller.granted(), items).await?;
    json(&ReportsAnswer { results })
}

/// Whether the host's clock and the server's are further apart than a report's way explains.
fn is_skewed(report: &report::Report, now: UnixMicros) -> bool {
    now.0.abs_diff(report.observed_at.0) > caps::CLOCK_SKEW_S * 1_000_000
}

/// One report of the request: ready for the committer, or rejected already.
enum Item {
    Ready(Box<Prepared>),
    Rejected(Fault),
}

impl Item {
    fn prepare(
        index: usize,
        item: Result<report::Report, Fault>,
        project: &ProjectId,
        granted: &Selection,
    ) -> Self {
        let report = match item {
            Ok(report) => report,
            Err(fault) => return Self::Rejected(fault),
        };
        match Prepared::new(project.clone(), &report, granted.clone()) {
            Ok(prepared) => Self::Ready(Box::new(prepared)),
            Err(error) => Self::Rejected(Fault {
                code: ErrorCode::FieldInvalid,
                field: format!("reports[{index}]"),
                message: format!("reports[{index}] {error}"),
                host_id: Some(report.host.host_id),
            }),
        }
    }
}

/// What the answer needs to know of a report once the committer has it.
struct Sent {
    key: HostKey,
    digest: portolan_wire::digest::Digest,
    heartbeat_interval_s: u32,
}

async fn commit(
    app: &Arc<App>,
    granted: &Selection,
    items: Vec<Item>,
) -> Result<Vec<ReportResult>, ApiError> {
    let mut ready = Vec::with_capacity(items.len());
    let mut waiting = Vec::with_capacity(items.len());
    for item in items {
        waiting.push(match item {
            Item::Ready(prepared) => {
                let sent = Sent {
                    key: prepared.key().clone(),
                    digest: prepared.digest(),
                    heartbeat_interval_s: prepared.heartbeat_interval_s(),
                };
                ready.push(*prepared);
                Ok(sent)
            }
            Item::Rejected(fault) => Err(fault),
        });
    }
    let decisions = if ready.is_empty() {
        Vec::new()
    } else {
        submit(app, |reply| Submission::new(ready, reply)).await?
    };
    let needs_what_is_held =
        |decision: &Decision| matches!(decision, Decision::Stale { .. } | Decision::Conflict);
    if !decisions.iter().any(needs_what_is_held) {
        return results(app, granted, waiting, decisions);
    }
    let granted = granted.clone();
    app.reading(move |app| results(app, &granted, waiting, decisions))
        .await
}

/// Decisions and faults together, in the order that the reports were sent.
fn results(
    app: &App,
    granted: &Selection,
    waiting: Vec<Result<Sent, Fault>>,
    decisions: Vec<Decision>,
) -> Result<Vec<ReportResult>, ApiError> {
    let mut decisions = decisions.into_iter();
    let mut results = Vec::with_capacity(waiting.len());
    for (index, item) in waiting.into_iter().enumerate() {
        results.push(match item {
            Err(fault) => {
                app.metrics.report_rejected();
                rejected(index, fault)
            }
            Ok(sent) => {
                let decision = decisions.next().ok_or_else(|| {
                    ApiError::internal("the committer decided fewer reports than it was given")
                })?;
                result(app, granted, index, &sent, decision)?
            }
        });
    }
    Ok(results)
}

/// Hands something to the committer and waits until it is durable and visible. `submission` is made
/// with the way to answer.
pub(crate) async fn submit<T: Send + 'static>(
    app: &App,
    submission: impl FnOnce(Reply<T>) -> Submission,
) -> Result<T, ApiError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let reply = Box::new(move |outcome| {
        // The client may have gone; what it sent is durable all the same.
        let _gone = sender.send(outcome);
    });
    app.queue
        .submit(submission(reply))
        .map_err(|full| match full {
            QueueFull::Full => {
                ApiError::new(ErrorCode::QueueFull, "try again in a second").at(Limit::CommitQueue)
            }
            QueueFull::Ended => ApiError::new(ErrorCode::NotServing, "it takes no more reports"),
        })?;
    match receiver.await {
        Ok(Ok(decided)) => Ok(decided),
        Ok(Err(error)) => Err(ApiError::write_failed(&error)),
        Err(_ended) => Err(ApiError::new(
            ErrorCode::NotServing,
            "it ended before the write",
        )),
    }
}

/// How the committer answers.
type Reply<T> = Box<dyn FnOnce(Result<T, Arc<StoreError>>) + Send>;

fn result(
    app: &App,
    granted: &Selection,
    index: usize,
    sent: &Sent,
    decision: Decision,
) -> Result<ReportResult, ApiError> {
    let mut result = blank(index, Some(sent.key.host.to_string()), Status::Rejected);
    match decision {
        Decision::Accepted { .. } => {
            result.status = Status::Accepted;
            result.digest = Some(sent.digest);
            result.next_heartbeat_s = Some(sent.heartbeat_interval_s);
        }
        Decision::Stale { beside } => {
            result.status = Status::Stale;
            // Else an agent that lost its state folder could not tell a clone from its own past.
            result.reason = beside.then(|| IDENTITY_CONFLICT.into());
            result.current = current(app, granted, &sent.key)?;
        }
        Decision::Conflict => {
            result.current = current(app, granted, &sent.key)?;
            result.reason = Some(IDENTITY_CONFLICT.into());
            refuse(
                &mut result,
                ErrorCode::IdentityConflict,
                format!("reports[{index}].host.host_id"),
                "is spoken for by another agent: are two machines clones of one?",
            );
        }
        Decision::NotGranted => {
            let field = format!("reports[{index}].host.enterprise_project_id");
            refuse(
                &mut result,
                ErrorCode::EnterpriseProjectNotGranted,
                field,
                "must be granted to this credential, and so must the one that the host is in",
            );
        }
    }
    Ok(result)
}

/// What is held of the host now: it may have moved since the decision, and where it went must be
/// granted, too.
fn current(app: &App, granted: &Selection, key: &HostKey) -> Result<Option<Current>, ApiError> {
    let stored = snapshot_of(&*app.store, key).map_err(|error| ApiError::read_failed(&error))?;
    let stored =
        stored.filter(|stored| granted.holds(&stored.host.enterprise_project_id.as_str().into()));
    Ok(stored.map(|snapshot| Current {
        generation: snapshot.pair.generation,
        sequence: snapshot.pair.sequence,
        agent_id: snapshot.host.agent_id,
        digest: snapshot.digest,
    }))
}

fn refuse(result: &mut ReportResult, code: ErrorCode, field: String, why: &str) {
    result.error_code = Some(code.as_str().into());
    result.error_msg = Some(format!("{field} {why}"));
    result.field = Some(field);
}

fn rejected(index: usize, fault: Fault) -> ReportResult {
    let mut result = blank(index, fault.host_id, Status::Rejected);
    result.error_code = Some(fault.code.as_str().into());
    result.error_msg = Some(fault.message);
    result.field = Some(fault.field);
    result
}

fn blank(index: usize, host_id: Option<String>, status: Status) -> ReportResult {
    ReportResult {
        index,
        host_id,
        status,
        digest: None,
        next_heartbeat_s: None,
        current: None,
        error_code: None,
        error_msg: None,
        field: None,
        reason: None,
    }
}
