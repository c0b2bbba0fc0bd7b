//! Log-ins that have ended are let go.

use portolan_store::RecordChange;

use crate::app::App;
use crate::credentials::{change_records, session_key};
use crate::error::ApiError;

/// Takes out what has expired, and removes from the store what has ended.
pub(crate) async fn sweep(app: &App) -> Result<(), ApiError> {
    let _one_at_a_time = app.changing_credentials.lock().await;
    let now = app.now();
    let sessions = &app.credentials.sessions;
    sessions.retain(|session| !session.entry.is_expired(now));
    let ended = sessions.take_to_forget();
    if ended.is_empty() {
        return Ok(());
    }
    let keys = ended.iter().cloned().map(session_key);
    let changes: Vec<_> = keys.map(RecordChange::remove).collect();
    let removed = change_records(app, || Ok((changes.clone(), ()))).await;
    if removed.is_err() {
        sessions.forget(ended);
    }
    removed
}
