//! `GET …/changes/stream`: changes as they happen, as server-sent events.
//!
//! A stream begins behind the change that `Last-Event-ID` or `after` names, at a moment, or now, and
//! goes on by position: what it tells is what pages of changes tell, without gap and without double.
//! Where it cannot begin there, it says so (`event: reset`) and from where on it goes; a reader that
//! is too slow is told from where to resume (`event: cut`).
//! Limits: `caps::STREAMS_MAX`, `caps::STREAMS_OF_A_CREDENTIAL_MAX`; `caps::STREAM_CHUNKS_MAX` pieces of
//! `caps::STREAM_CHUNK_BYTES` wait for a reader.

mod begin;
mod body;
mod decoded;
mod events;
mod follow;
mod open;

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use portolan_wire::changes::{AFTER, ChangesQuery};
use portolan_wire::query::Query;
use tokio::sync::watch;

pub(crate) use open::Streams;

use self::begin::Begin;
use self::follow::Follower;
use super::wanted::Wanted;
use crate::accept::stopped;
use crate::app::App;
use crate::credentials::{Api, Call, Caller, Standing};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::hss::decoded;
use crate::native::paging;

pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    RawQuery(raw_query): RawQuery,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::ChangeStream)?;
    app.serving()?;
    let query = decoded(raw_query.as_deref())?;
    let selection = paging::selection(&query, &caller)?;
    let asked = ChangesQuery::read(&query)?;
    let after = after(&call.headers, &query, &app)?;
    let wanted = Wanted {
        project: project_id.into(),
        selection,
        granted: caller.granted().clone(),
        query: asked,
    };
    let standing = Standing::of(&call, peer);
    let place = app.streams.enter(&app, &standing.counted(&app).id)?;
    let (wanted, begin) = app
        .reading(move |app| {
            let begin = Begin::find(app, &wanted, after.as_deref())?;
            Ok((wanted, begin))
        })
        .await?;
    let (out, body) = body::channel(place);
    tokio::spawn(Follower::new(app, wanted, standing, begin, out).run());
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    let event_stream = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, event_stream);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The id behind which it begins: the header of who comes again goes before the query, which stays as
/// it was at first.
fn after(headers: &HeaderMap, query: &Query<'_>, app: &App) -> Result<Option<String>, ApiError> {
    let asked = AFTER.read(query, |text| {
        (app.epoch.position(text) != Err(super::ids::NotHere::NoId)).then(|| text.to_owned())
    })?;
    let last = headers.get("last-event-id");
    let last = last.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    Ok(last.filter(|id| !id.is_empty()).or(asked))
}

/// Wakes streams when there is something new, so that the committer wakes one task only.
pub(crate) async fn wake(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let happens = Arc::clone(&app.streams.happens);
    // A second server on one published state would be one too many; there is none.
    let _first = app
        .published
        .on_history
        .set(Box::new(move |_| happens.notify_one()));
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = app.streams.happens.notified() => app.streams.wake(),
        }
    }
}
