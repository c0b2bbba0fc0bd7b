//! Enrolled hosts whose retirement is forgotten. The census knows nothing of them any more, so that
//! they have reported is noted with their enrolments: at the next start they would be awaited.

use portolan_wire::ids::HostKey;

use super::put;
use crate::app::App;
use crate::credentials::{Enrolment, change_records};
use crate::error::ApiError;

/// Notes of those of these hosts that are enrolled that they have reported. The caller holds
/// `changing_credentials`, until they are forgotten.
///
/// # Errors
/// It cannot be made durable.
pub(crate) async fn note_reported(
    app: &App,
    hosts: impl IntoIterator<Item = HostKey>,
) -> Result<(), ApiError> {
    let hosts: Vec<HostKey> = hosts.into_iter().collect();
    change_records(app, || {
        let enrolments = &app.credentials.enrolments;
        let enrolled = hosts
            .iter()
            .filter_map(|key| enrolments.of_host(key.project.as_str(), key.host.as_str()))
            .filter(|enrolment| !enrolment.reported);
        let noted = enrolled.map(|enrolment| {
            put(&Enrolment {
                reported: true,
                ..Enrolment::clone(&enrolment)
            })
        });
        Ok((noted.collect::<Result<_, _>>()?, ()))
    })
    .await
}
