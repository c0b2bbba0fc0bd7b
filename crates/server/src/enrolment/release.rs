//! `DELETE …/enrolments/{host_id}`: a host's tokens end at once, and its id may be enrolled again.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portolan_store::RecordChange;
use portolan_wire::error::ErrorCode;

use super::list::is_visible;
use super::target;
use crate::administration::{Intent, act};
use crate::app::App;
use crate::credentials::{Api, Call, Caller, change_records};
use crate::edge::Peer;
use crate::error::ApiError;

pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Path((project_id, host_id)): Path<(String, String)>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<StatusCode, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::ReleaseHost)?;
    let target = target(&project_id, &host_id);
    let intent = Intent::new(caller.id(), peer, "host.release", target);
    let work = {
        let app = Arc::clone(&app);
        async move {
            let _one_at_a_time = app.changing_credentials.lock().await;
            change_records(&app, || {
                let enrolments = &app.credentials.enrolments;
                let held = enrolments
                    .of_host(&project_id, &host_id)
                    .filter(|held| is_visible(held, &caller))
                    .ok_or_else(|| ApiError::of(ErrorCode::CredentialUnknown))?;
                let change = RecordChange::remove(held.key()).releases(held.host());
                Ok((vec![change], ()))
            })
            .await
        }
    };
    act(&app, intent, work).await?;
    Ok(StatusCode::NO_CONTENT)
}
