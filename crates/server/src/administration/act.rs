//! An act from its beginning to the audit log.

use std::net::IpAddr;
use std::sync::Arc;

use portolan_wire::error::ErrorCode;
use portolan_wire::time::UnixMicros;

use crate::app::App;
use crate::audit::{Act, BEGUN};
use crate::edge::Peer;
use crate::error::ApiError;

/// What is about to be done, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    actor: String,
    source: IpAddr,
    action: &'static str,
    target: String,
    detail: String,
}

impl Intent {
    /// `actor` is the id of the credential.
    pub(crate) fn new(actor: &str, peer: Peer, action: &'static str, target: String) -> Self {
        Self {
            actor: actor.to_owned(),
            source: peer.0,
            action,
            target,
            detail: String::new(),
        }
    }

    pub(crate) fn detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }

    /// The line of an outcome.
    pub(crate) fn act(&self, at: UnixMicros, outcome: &str) -> Act {
        Act {
            at,
            actor: Some(self.actor.clone()),
            source: Some(self.source),
            action: self.action,
            target: self.target.clone(),
            outcome: outcome.to_owned(),
            detail: self.detail.clone(),
            count: 1,
        }
    }

    /// Writes that it begins.
    ///
    /// # Errors
    /// The audit log cannot be written: then it must not be done.
    pub(crate) async fn begin(&self, app: &App) -> Result<(), ApiError> {
        if app.audit.begin(self.act(app.now(), BEGUN)).await {
            return Ok(());
        }
        let detail = "the audit log cannot be written, so nothing was done";
        Err(ApiError::new(ErrorCode::StoreFailed, detail))
    }
}

/// Does `work`; that it begins, and what became of it, is in the audit log before each. It goes on
/// when the client goes away: half an act would be neither done nor undone.
pub(crate) async fn act<T: Send + 'static>(
    app: &Arc<App>,
    intent: Intent,
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    app.serving()?;
    let app = Arc::clone(app);
    let whole = async move {
        intent.begin(&app).await?;
        let done = work.await;
        let outcome = done.as_ref().map_or_else(|e| e.code().as_str(), |_| "done");
        let told = app.audit.write(intent.act(app.now(), outcome)).await;
        match done {
            Ok(_) if !told => {
                let detail = "it was done, but the audit log holds only that it was begun";
                Err(ApiError::new(ErrorCode::StoreFailed, detail))
            }
            done => done,
        }
    };
    let done = tokio::spawn(whole).await;
    done.map_err(ApiError::internal)?
}
