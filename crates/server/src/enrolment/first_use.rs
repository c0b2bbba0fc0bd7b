//! The first use of a host's token: it shows that its answer was not lost, so what was kept for that
//! case ends: the token before it, and the way to ask for another.

use std::net::IpAddr;
use std::sync::Arc;

use portolan_wire::error::ErrorCode;

use super::{keep, target};
use crate::app::App;
use crate::audit::Act;
use crate::credentials::{Enrolment, Entry, TokenHash};
use crate::error::ApiError;

/// Notes that a token was used. Of most requests there is nothing to note.
///
/// # Errors
/// It has ended since it was looked at, or what has ended cannot be made so durably.
pub(crate) async fn first_use(
    app: &Arc<App>,
    entry: &Entry,
    from: Option<IpAddr>,
) -> Result<(), ApiError> {
    let Some(token) = entry.proof.token().filter(|_| entry.host_id.is_some()) else {
        return Ok(());
    };
    let held = app.credentials.enrolments.token(&token);
    if held.is_some_and(|held| held.used(token).is_none()) {
        return Ok(());
    }
    let app = Arc::clone(app);
    let whole = async move { settle(&app, token, from).await };
    // It goes on when the client goes away: half of it would be neither done nor not.
    let done = tokio::spawn(whole).await;
    done.map_err(ApiError::internal)?
}

async fn settle(app: &App, token: TokenHash, from: Option<IpAddr>) -> Result<(), ApiError> {
    let _one_at_a_time = app.changing_credentials.lock().await;
    let mut told = None;
    keep(app, || {
        let held = app.credentials.enrolments.token(&token);
        let held = held.ok_or_else(|| ApiError::of(ErrorCode::Unauthenticated))?;
        let used = held.used(token);
        told = used.as_ref().map(|used| act(app, &held, used, from));
        Ok(used)
    })
    .await?;
    if let Some(told) = told {
        app.audit.note(told);
    }
    Ok(())
}

fn act(app: &App, held: &Enrolment, used: &Enrolment, from: Option<IpAddr>) -> Act {
    let is_rotated = !Arc::ptr_eq(&held.entry, &used.entry);
    Act {
        at: app.now(),
        actor: Some(used.entry.id.clone()),
        source: from,
        action: "host-token.first-use",
        target: target(used.project_id(), used.host_id()),
        outcome: "done".to_owned(),
        detail: match is_rotated {
            true => "the token before it has ended",
            false => "the enrolment can no longer be asked for again",
        }
        .to_owned(),
        count: 1,
    }
}
