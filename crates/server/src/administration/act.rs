//! An act from its beginning to the audit log.

use std::net::IpAddr;
use std::sync::Arc;

use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::audit::Act;
use crate::credentials::Caller;
use crate::edge::Peer;
use crate::error::ApiError;

/// What is about to be done, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) actor: String,
    pub(super) source: Option<IpAddr>,
    pub(super) action: &'static str,
    pub(super) target: String,
    pub(super) detail: String,
}

impl Intent {
    pub(super) fn new(caller: &Caller, peer: Peer, action: &'static str, target: String) -> Self {
        Self {
            actor: caller.id().to_owned(),
            source: Some(peer.0),
            action,
            target,
            detail: String::new(),
        }
    }

    pub(super) fn detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }
}

/// Does `work` and writes into the audit log what became of it, before it is answered. It goes on
/// when the client goes away: half an act would be neither done nor undone.
pub(super) async fn act<T: Send + 'static>(
    app: &Arc<App>,
    intent: Intent,
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    app.serving()?;
    let app = Arc::clone(app);
    let whole = async move {
        if !app.audit.ready().await {
            let detail = "the audit log cannot be written, so nothing was done";
            return Err(ApiError::new(ErrorCode::StoreFailed, detail));
        }
        let done = work.await;
        let outcome = done.as_ref().map_or_else(|e| e.code().as_str(), |_| "done");
        let told = Act {
            at: app.now(),
            actor: Some(intent.actor),
            source: intent.source,
            action: intent.action,
            target: intent.target,
            outcome: outcome.to_owned(),
            detail: intent.detail,
            count: 1,
        };
        if !app.audit.write(told).await {
            let detail = "it was done, but the audit log could not be written";
            return Err(ApiError::new(ErrorCode::StoreFailed, detail));
        }
        done
    };
    let done = tokio::spawn(whole).await;
    done.map_err(ApiError::internal)?
}
