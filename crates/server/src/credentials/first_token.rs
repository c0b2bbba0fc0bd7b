//! The administrator's token of a new cluster: in the log, where one server makes it, and in that
//! server's data folder.
//!
//! Holds: of servers that start at once, one makes it. It is written down before it is made: a crash
//! between the two leaves nobody outside.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portolan_store::RecordChange;

use super::first_start::{read, write_new};
use crate::app::App;
use crate::credentials::{
    Entry, Grant, Proof, Source, TokenHash, change_records, encode, random_id, random_token,
};
use crate::error::ApiError;

/// Makes the token where the cluster has no administrator and the operator wrote nobody down; says in
/// which file it is.
///
/// # Errors
/// The file cannot be read or written, or the token cannot be made durable.
pub(crate) async fn first_token(app: &App, data_dir: &Path) -> Result<Option<PathBuf>, String> {
    let (kept, new) = (
        data_dir.join("admin-token"),
        data_dir.join("admin-token.new"),
    );
    let done = first_token_in(app, &kept, &new).await;
    done.map_err(|why| format!("{}: {why}", kept.display()))
}

async fn first_token_in(app: &App, kept: &Path, new: &Path) -> Result<Option<PathBuf>, String> {
    let of_before = read(new).map_err(text)?;
    let is_made = |token: &String| app.credentials.token(token).is_some();
    if of_before.as_ref().is_some_and(is_made) {
        // It was made, and the process ended before the file had its name.
        std::fs::rename(new, kept).map_err(text)?;
        return Ok(Some(kept.to_owned()));
    }
    if app.credentials.has_written() || app.credentials.has_made_administrator() {
        return remove(new).map(|()| None).map_err(text);
    }
    let token = match read(kept).map_err(text)?.or(of_before) {
        // Of before this store became a cluster.
        Some(token) => token,
        None => {
            let token = random_token().map_err(text)?;
            write_new(new, &token).map_err(text)?;
            token
        }
    };
    let id = random_id().map_err(text)?;
    let proof = Proof::Token(TokenHash::of(&token));
    let entry = Entry::new(
        id,
        "first start".to_owned(),
        Grant::whole_server(),
        Source::Store,
        proof,
    );
    let entry = Arc::new(entry.made(app.now(), "first start".to_owned()));
    let made = {
        let _one_at_a_time = app.changing_credentials.lock().await;
        change_records(app, || {
            if app.credentials.has_made_administrator() {
                return Ok((Vec::new(), false));
            }
            let (key, value) = encode(&entry).map_err(ApiError::internal)?;
            let change = RecordChange::put(key, value).map_err(ApiError::internal)?;
            Ok((vec![change], true))
        })
        .await
    };
    match made {
        Ok(true) if kept.exists() => Ok(Some(kept.to_owned())),
        Ok(true) => {
            std::fs::rename(new, kept).map_err(text)?;
            Ok(Some(kept.to_owned()))
        }
        Ok(false) => remove(new).map(|()| None).map_err(text),
        // It may have been made all the same: the next start looks.
        Err(error) => Err(format!(
            "the administrator's token cannot be made ({})",
            error.code().as_str()
        )),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
