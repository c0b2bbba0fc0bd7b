//! Credentials are entered and taken out in the order of commits, from the committer's thread: those
//! that this server makes, and those of other servers on the same log.
//!
//! Holds: what a commit says of credentials is in effect before the commit is visible. A handler
//! enters nothing by itself: between its commit and its turn another server may have revoked it.

use std::sync::Arc;

use portolan_census::Commit;
use portolan_store::{Checked, OnRecords, RecordChange, RecordKey, RecordKind, Submission};

use crate::app::App;
use crate::credentials::{Directory, Kind, SealKey, decode, decode_enrolment, decode_session};
use crate::error::ApiError;
use crate::ingest::submit;

/// What the committer is to call with changed records.
pub(crate) fn entering(directory: Arc<Directory>, seal_key: Arc<SealKey>) -> OnRecords {
    Box::new(move |records| {
        let mut commits = Vec::new();
        for write in records {
            match &write.value {
                Some(value) => enter(&directory, &seal_key, &write.key, value, &mut commits),
                None => take_out(&directory, &write.key, &mut commits),
            }
        }
        commits
    })
}

fn enter(
    directory: &Directory,
    seal_key: &SealKey,
    key: &RecordKey,
    value: &[u8],
    commits: &mut Vec<Commit>,
) {
    let entered = match key.kind {
        RecordKind::Token | RecordKind::AccessKey | RecordKind::User | RecordKind::EnrolKey => {
            credential(directory, seal_key, key, value)
        }
        RecordKind::Session => decode_session(key, value)
            .map(|session| {
                let session = session.into_iter().map(Arc::new);
                directory.insert_sessions(&session.collect::<Vec<_>>());
            })
            .map_err(|error| error.to_string()),
        RecordKind::Enrolment => decode_enrolment(key, value)
            .map(|enrolment| {
                for enrolment in enrolment.into_iter().map(Arc::new) {
                    directory.enrolments.put(&enrolment);
                    if !enrolment.reported {
                        let group = enrolment.enterprise_project();
                        commits.push(Commit::Enrol(enrolment.host(), group));
                    }
                }
            })
            .map_err(|error| error.to_string()),
        // The committer's own.
        RecordKind::Ignore => Ok(()),
    };
    if let Err(error) = entered {
        tracing::error!(
            error,
            "a credential that another server made cannot be used here"
        );
    }
}

fn credential(
    directory: &Directory,
    seal_key: &SealKey,
    key: &RecordKey,
    value: &[u8],
) -> Result<(), String> {
    let Some(entry) = decode(key, value).map_err(|error| error.to_string())? else {
        return Ok(());
    };
    entry.unseal(seal_key).map_err(|error| {
        format!("{error}; all servers of a cluster need the same --secret-key-file")
    })?;
    directory.insert_made(&Arc::new(entry));
    Ok(())
}

fn take_out(directory: &Directory, key: &RecordKey, commits: &mut Vec<Commit>) {
    match key.kind {
        RecordKind::Session => directory.sessions.remove_id(&key.id),
        RecordKind::Enrolment => {
            if let Some(gone) = directory.enrolments.remove_id(&key.id) {
                commits.push(Commit::Release(gone.host()));
            }
        }
        RecordKind::Ignore => {}
        RecordKind::Token | RecordKind::AccessKey | RecordKind::User | RecordKind::EnrolKey => {
            if let Some(kind) = Kind::of_record(key.kind) {
                directory.remove_made(kind, &key.id);
            }
        }
    }
}

/// Makes changes of records durable and visible, which `check` allows and works out of what is there:
/// again, as often as another server changed records in between. The caller holds
/// `changing_credentials`.
pub(crate) async fn change_records<T: Send>(
    app: &App,
    mut check: impl FnMut() -> Result<(Vec<RecordChange>, T), ApiError> + Send,
) -> Result<T, ApiError> {
    loop {
        // IMPORTANT: before the check, which is of what is there now or later.
        let mark = app.published.records_mark();
        let (changes, checked) = check()?;
        if changes.is_empty() {
            return Ok(checked);
        }
        let asked = |reply| Submission::checked_records(changes, mark, reply);
        match submit(app, asked).await? {
            Checked::Made => return Ok(checked),
            Checked::Again => {}
        }
    }
}
