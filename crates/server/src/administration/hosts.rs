//! `DELETE …/hosts/{host_id}`: a host that will not come back leaves the counts at once.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portolan_store::{Retirement, Submission};
use portolan_wire::caps;
use portolan_wire::ids::HostKey;

use crate::administration::act::{Intent, act};
use crate::app::App;
use crate::credentials::{Api, Call, Caller};
use crate::edge::Peer;
use crate::error::ApiError;
use crate::ingest::submit;
use crate::native::paging::no_such_host;

pub(crate) async fn remove_host(
    State(app): State<Arc<App>>,
    Path((project_id, host_id)): Path<(String, String)>,
    Extension(peer): Extension<Peer>,
    call: Call,
) -> Result<StatusCode, ApiError> {
    let caller = Caller::authorise(&call, &project_id, Api::RemoveHost)?;
    let named: String = host_id.chars().take(caps::AUDIT_TARGET_CHARS_MAX).collect();
    let target = format!("{project_id}/host/{named}");
    let intent = Intent::new(caller.id(), peer, "host.remove", target);
    let granted = caller.granted().clone();
    let key = HostKey {
        project: project_id.into(),
        host: host_id.into(),
    };
    let work = {
        let app = Arc::clone(&app);
        async move {
            let retire = |reply| Submission::retire(key, granted, reply);
            match submit(&app, retire).await? {
                Retirement::Retired => Ok(()),
                Retirement::Unknown => Err(no_such_host()),
            }
        }
    };
    act(&app, intent, work).await?;
    Ok(StatusCode::NO_CONTENT)
}
