//! `GET /portolan/v1/backup`: everything that the server holds at one moment, as one file, while it
//! goes on.
//!
//! It holds every secret hash and every host, so taking one is an administrative act and stands in the
//! audit log: that it begins before the first byte leaves, and how it ended.
//! The answer is streamed as it is read, so that memory stays flat whatever the size of the store. An
//! error after the first bytes can only cut the answer: a backup that ends without its trailer is none.
//! Limits: one at a time, and none beside a recount, which reads the whole store too; a receiver
//! that takes nothing for `caps::BACKUP_STALL_S_MAX` seconds is given up, since the store keeps
//! what it replaces for as long as a backup is under way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::BytesMut;
use portolan_store::{StoreError, backup};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::administration::Intent;
use crate::app::App;
use crate::credentials::{Api, Call, Grant, Role};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::streamed::{CHUNK_BYTES, Piece, Streamed};

pub(crate) async fn backup(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = call.credential(Api::Backup)?;
    check(&caller.grant).map_err(|error| error.told_to(&caller.id))?;
    let intent = Intent::new(&caller.id, peer, "backup", Grant::EVERY_PROJECT.to_owned());
    intent.begin(&app).await?;
    let (sender, body) = Streamed::new();
    let (begun, has_begun) = oneshot::channel();
    let out = Chunks {
        sender,
        runtime: Handle::current(),
        waiting: BytesMut::with_capacity(CHUNK_BYTES),
        begun: Some(begun),
    };
    tokio::task::spawn_blocking(move || write(&app, out, &intent));
    has_begun
        .await
        .map_err(|_| ApiError::internal("the thread that writes the backup is gone"))??;
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    Ok(response)
}

/// A backup holds every project's hosts and every credential: only who may do all may have it.
fn check(grant: &Grant) -> Result<(), ApiError> {
    let everything = Grant {
        role: Role::Admin,
        ..grant.clone()
    }
    .is_whole_server();
    match (everything, grant.role) {
        (true, Role::Admin) => Ok(()),
        (true, Role::Reader | Role::Agent | Role::Enrol) => {
            Err(ApiError::of(ErrorCode::RoleNotAllowed))
        }
        (false, _) => Err(ApiError::of(ErrorCode::AccessDenied)),
    }
}

fn write(app: &App, mut out: Chunks, intent: &Intent) {
    let (outcome, detail) = take(app, &mut out);
    let act = intent.clone().detail(detail).act(app.now(), outcome);
    // What cannot be written now is counted, and comes before the next act.
    let _told = out.runtime.block_on(app.audit.write(act));
}

/// Takes the backup; the outcome, and what there is to say of it.
fn take(app: &App, out: &mut Chunks) -> (&'static str, String) {
    let Ok(_alone) = app.recounting.try_lock() else {
        let detail = "another backup or a recount is running";
        return out.refuse(ApiError::new(ErrorCode::QueueFull, detail));
    };
    let written = backup::write(&*app.store, out);
    let ended = written.and_then(|done| match out.end() {
        Ok(()) => Ok(done),
        Err(error) => Err(StoreError::Copy {
            what: error.to_string(),
        }),
    });
    match ended {
        Ok(done) => {
            let (hosts, commit) = (done.at.hosts, done.at.commit);
            tracing::info!(hosts, commit, bytes = done.bytes, "a backup was taken");
            ("done", format!("{hosts} hosts, {} bytes", done.bytes))
        }
        Err(error) if out.begun.is_some() => out.refuse(ApiError::read_failed(&error)),
        Err(error) => {
            // The answer has begun, and is cut, as it is not ended.
            tracing::warn!(error = %error, "a backup ended early; its file is of no use");
            ("cut", String::new())
        }
    }
}

/// Hands on what is written, chunk by chunk.
struct Chunks {
    sender: mpsc::Sender<Piece>,
    runtime: Handle,
    waiting: BytesMut,
    /// Told once there is something to answer with.
    begun: Option<oneshot::Sender<Result<(), ApiError>>>,
}

impl Chunks {
    /// Answers with an error instead.
    fn refuse(&mut self, error: ApiError) -> (&'static str, String) {
        let code = error.code().as_str();
        if let Some(begun) = self.begun.take() {
            let _gone = begun.send(Err(error));
        }
        (code, String::new())
    }

    fn send(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Some(begun) = self.begun.take() {
            let _gone = begun.send(Ok(()));
        }
        let chunk = self.waiting.split().freeze();
        self.hand_on(Piece::Chunk(chunk))
    }

    /// After all was written and flushed.
    fn end(&self) -> io::Result<()> {
        self.hand_on(Piece::End)
    }

    fn hand_on(&self, piece: Piece) -> io::Result<()> {
        let patience = Duration::from_secs(caps::BACKUP_STALL_S_MAX);
        let sent = async { tokio::time::timeout(patience, self.sender.send(piece)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_gone)) => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the receiver has gone",
            )),
            Err(_elapsed) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the receiver took nothing for {} s", patience.as_secs()),
            )),
        }
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
