//! Enrolled hosts whose retirement is forgotten. The census knows nothing of them any more, so that
//! they have reported is noted with their enrolments: at the next start they would be awaited.

use std::sync::Arc;

use portolan_store::{RecordChange, Submission};
use portolan_wire::ids::HostKey;

use super::put;
use crate::app::App;
use crate::credentials::Enrolment;
use crate::error::ApiError;
use crate::ingest::submit;

/// Notes of those of these hosts that are enrolled that they have reported. The caller holds
/// `changing_credentials`, until they are forgotten.
///
/// # Errors
/// It cannot be made durable.
pub(crate) async fn note_reported(
    app: &App,
    hosts: impl IntoIterator<Item = HostKey>,
) -> Result<(), ApiError> {
    let enrolments = &app.credentials.enrolments;
    let enrolled = hosts
        .into_iter()
        .filter_map(|key| enrolments.of_host(key.project.as_str(), key.host.as_str()));
    let noted: Vec<Arc<Enrolment>> = enrolled
        .filter(|enrolment| !enrolment.reported)
        .map(|enrolment| {
            Arc::new(Enrolment {
                reported: true,
                ..Enrolment::clone(&enrolment)
            })
        })
        .collect();
    if noted.is_empty() {
        return Ok(());
    }
    let changes: Result<Vec<RecordChange>, _> = noted.iter().map(|one| put(one)).collect();
    let changes = changes?;
    submit(app, |reply| Submission::records(changes, reply)).await?;
    enrolments.put_all(&noted);
    Ok(())
}
