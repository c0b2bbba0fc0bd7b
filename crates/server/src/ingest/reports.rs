//! `POST …/reports`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use portolan_census::Selection;
use portolan_store::{Asked, Decision, Prepared, QueueFull, StoreError, Submission, decided};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use portolan_wire::ids::ProjectId;
use portolan_wire::report::{self, COMES_AGAIN, Fault, ReportResult, ReportsAnswer};
use portolan_wire::time::UnixMicros;

use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::error::ApiError;
use crate::hss::json;
use crate::ingest::{body, of_another_host};
use crate::limits::Limit;

pub(crate) async fn reports(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::Reports)?;
    app.serving()?;
    let now = app.now();
    let speaker = caller.clone();
    let project = ProjectId::from(project_id);
    let counting = Arc::clone(&app);
    let prepare = move |unpacked: &[u8]| {
        let items = report::parse(unpacked, now)?;
        let skewed = items.iter().flatten().filter(|item| is_skewed(item, now));
        counting.metrics.reports_skewed(skewed.count());
        Ok(items
            .into_iter()
            .enumerate()
            .map(|(index, item)| Item::prepare(index, item, &project, &speaker))
            .collect())
    };
    let items: Result<Vec<Item>, report::RequestFault> = body::read(
        &app.room,
        caller.id(),
        app.limits.body,
        &call.headers,
        call.body,
        prepare,
    )
    .await?;
    let items = items.map_err(|fault| ApiError::new(fault.code, fault.message))?;
    let comes_again = call.headers.contains_key(COMES_AGAIN);
    let results = commit(&app, caller.granted(), items, comes_again).await?;
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
        speaker: &Caller,
    ) -> Self {
        let report = match item {
            Ok(report) => report,
            Err(fault) => return Self::Rejected(fault),
        };
        if !speaker.speaks_for(&report.host.host_id) {
            let field = format!("reports[{index}].host.host_id");
            return Self::Rejected(of_another_host(field, report.host.host_id));
        }
        match Prepared::new(project.clone(), &report, speaker.granted().clone()) {
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

async fn commit(
    app: &Arc<App>,
    granted: &Selection,
    items: Vec<Item>,
    comes_again: bool,
) -> Result<Vec<ReportResult>, ApiError> {
    let mut ready = Vec::with_capacity(items.len());
    let mut waiting = Vec::with_capacity(items.len());
    for item in items {
        waiting.push(match item {
            Item::Ready(prepared) => {
                let asked = Asked::from(&*prepared);
                ready.push(*prepared);
                Ok(asked)
            }
            Item::Rejected(fault) => Err(fault),
        });
    }
    let decisions = if ready.is_empty() {
        Vec::new()
    } else {
        let submission = |reply| Submission::new(ready, reply).coming_again(comes_again);
        submit(app, submission).await?
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
    waiting: Vec<Result<Asked, Fault>>,
    decisions: Vec<Decision>,
) -> Result<Vec<ReportResult>, ApiError> {
    let mut decisions = decisions.into_iter();
    let mut results = Vec::with_capacity(waiting.len());
    for (index, item) in waiting.into_iter().enumerate() {
        results.push(match item {
            Err(fault) => {
                app.metrics.report_rejected();
                ReportResult::rejected(index, fault)
            }
            Ok(asked) => {
                let decision = decisions.next().ok_or_else(|| {
                    ApiError::internal("the committer decided fewer reports than it was given")
                })?;
                decided(&*app.store, granted, index, &asked, decision)
                    .map_err(|error| ApiError::read_failed(&error))?
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
            QueueFull::Full { retry_after_s } => {
                let detail = format!("try again in {retry_after_s} s");
                ApiError::new(ErrorCode::QueueFull, detail)
                    .retry_after_s(retry_after_s)
                    .at(Limit::CommitQueue)
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
