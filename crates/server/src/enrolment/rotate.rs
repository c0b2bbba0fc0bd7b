//! `POST …/enrol/rotate`: an enrolled host's own token gets another one.
//!
//! The old one stays good until the new one was used for the first time (`first_use`): who loses the
//! answer asks again.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use portolan_wire::error::ErrorCode;

use super::{host_token, keep, speaks_for, target};
use crate::administration::{Intent, act, created};
use crate::app::App;
use crate::credentials::{Api, Call, Caller, TokenHash, random_token};
use crate::edge::Peer;
use crate::error::ApiError;

pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    Path(project_id): Path<String>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<Response, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::RotateToken)?;
    let Some(host_id) = caller.entry().host_id.clone() else {
        let detail = "Only the token of an enrolled host gets another one here";
        let refused = ApiError::new(ErrorCode::RoleNotAllowed, detail);
        return Err(refused.told_to(caller.id()));
    };
    speaks_for(&caller, &host_id)?;
    let intent = Intent::new(
        caller.id(),
        peer,
        "host-token.rotate",
        target(&project_id, &host_id),
    );
    let secret = random_token().map_err(ApiError::internal)?;
    let new = TokenHash::of(&secret);
    let work = {
        let app = Arc::clone(&app);
        async move {
            let _one_at_a_time = app.changing_credentials.lock().await;
            let old = caller.entry().proof.token();
            let rotated = keep(&app, || {
                let held = old.and_then(|old| app.credentials.enrolments.token(&old));
                // Released since it was looked at?
                let held = held.ok_or_else(|| ApiError::of(ErrorCode::Unauthenticated))?;
                Ok(Some(held.rotated(new, app.now())))
            });
            let rotated = rotated.await?;
            let rotated = rotated.ok_or_else(|| ApiError::of(ErrorCode::Unauthenticated))?;
            Ok(host_token(&rotated, secret))
        }
    };
    created(&act(&app, intent, work).await?)
}
