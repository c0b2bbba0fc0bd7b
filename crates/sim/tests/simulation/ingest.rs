//! The way from the bytes of a request to the committer, and from a decision to the bytes of the
//! answer: what `portolan-server` does in its ingest handlers, without HTTP.

use std::time::Duration;

use portolan_agent::{Outcome, Refusal};
use portolan_census::Selection;
use portolan_store::{
    Asked, Decision, Prepared, Published, Store, StoreError, confirm as confirm_one, decided,
};
use portolan_wire::error::ErrorCode;
use portolan_wire::heartbeat::{self, Heartbeat, HeartbeatStatus, HeartbeatsAnswer};
use portolan_wire::ids::ProjectId;
use portolan_wire::report::{self, ReportResult, ReportsAnswer};
use portolan_wire::time::UnixMicros;
use serde::Serialize;

use crate::broken::{Broken, Rule};
use crate::model::{Version, Waiting};
use crate::server::{Job, Reported};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Report,
    Heartbeat,
}

/// Whom to answer; a repetition made by the network has nobody who waits for the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) node: usize,
    pub(crate) request: u64,
}

/// A request on its way.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) node: usize,
    pub(crate) asker: Option<Asker>,
    pub(crate) kind: Kind,
    pub(crate) project: ProjectId,
    pub(crate) body: Vec<u8>,
}

/// An answer on its way, or the end of a connection without one.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Http {
        status: u16,
        retry_after: Option<Duration>,
        body: Vec<u8>,
    },
    Nothing(&'static str),
}

impl Answer {
    fn ok(body: &impl Serialize) -> Self {
        Self::Http {
            status: 200,
            retry_after: None,
            body: serde_json::to_vec(body).unwrap(),
        }
    }

    /// A refusal of the whole request.
    pub(crate) fn refused(code: ErrorCode, retry_after: Option<Duration>) -> Self {
        Self::Http {
            status: code.http_status(),
            retry_after,
            body: code.as_str().into(),
        }
    }

    /// As the agent's transport reads it.
    pub(crate) fn outcome(self, kind: Kind) -> Outcome {
        let (status, retry_after, body) = match self {
            Self::Nothing(reason) => return Outcome::Unreachable(reason.to_owned()),
            Self::Http {
                status,
                retry_after,
                body,
            } => (status, retry_after, body),
        };
        if status != 200 {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Outcome::Refused(Refusal {
                status,
                text,
                retry_after,
            });
        }
        let read = match kind {
            Kind::Report => serde_json::from_slice::<ReportsAnswer>(&body)
                .map(|answer| answer.results.into_iter().next().map(Outcome::Report)),
            Kind::Heartbeat => serde_json::from_slice::<HeartbeatsAnswer>(&body)
                .map(|answer| answer.results.into_iter().next().map(Outcome::Heartbeat)),
        };
        match read {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::Unreachable("no result".to_owned()),
            Err(error) => Outcome::Unreachable(error.to_string()),
        }
    }
}

/// Reads a request with one report: a job for the committer, or an answer already.
pub(crate) fn prepare(
    request: Request,
    granted: Selection,
    now: UnixMicros,
) -> Result<Result<Job, Answer>, Broken> {
    let works = |what: String| Broken::new(Rule::Works, what);
    let mut items = report::parse(&request.body, now).map_err(|fault| works(fault.message))?;
    let report = match items.pop() {
        Some(Ok(report)) => report,
        Some(Err(fault)) => {
            return Ok(Err(Answer::ok(&ReportsAnswer {
                results: vec![ReportResult::rejected(0, fault)],
            })));
        }
        None => return Err(works("a request without reports was read".to_owned())),
    };
    let prepared = Prepared::new(request.project, &report, granted.clone())
        .map_err(|error| works(error.to_string()))?;
    let waiting = Waiting {
        asked: Asked::from(&prepared),
        key: prepared.key().clone(),
        version: Version::of(&report),
        agent_id: report.host.agent_id.clone().unwrap_or_default(),
        granted,
    };
    Ok(Ok(Job::Report {
        prepared: Box::new(prepared),
        of: Reported {
            asker: request.asker,
            node: request.node,
            waiting,
        },
    }))
}

/// The answer to a report that was decided.
pub(crate) fn answer(
    waiting: &Waiting,
    decision: Decision,
    store: &dyn Store,
) -> Result<Answer, StoreError> {
    let result = decided(store, &waiting.granted, 0, &waiting.asked, decision)?;
    Ok(Answer::ok(&ReportsAnswer {
        results: vec![result],
    }))
}

/// Reads and answers a request with one heartbeat. Also says which host was heard.
pub(crate) fn confirm(
    request: &Request,
    granted: &Selection,
    published: &Published,
    now_s: u32,
) -> Result<(Answer, Option<Heartbeat>), Broken> {
    let works = |what: String| Broken::new(Rule::Works, what);
    let mut items = heartbeat::parse(&request.body).map_err(|fault| works(fault.message))?;
    let heartbeat = match items.pop() {
        Some(Ok(heartbeat)) => heartbeat,
        Some(Err(fault)) => return Err(works(fault.message)),
        None => return Err(works("a request without heartbeats was read".to_owned())),
    };
    let state = published.state.load();
    let project = state.project(request.project.as_str());
    let result = confirm_one(
        &published.liveness,
        project.map(|project| &**project),
        granted,
        0,
        heartbeat.clone(),
        now_s,
    );
    let is_ok = result.status == HeartbeatStatus::Ok;
    let answer = Answer::ok(&HeartbeatsAnswer {
        results: vec![result],
    });
    Ok((answer, is_ok.then_some(heartbeat)))
}
