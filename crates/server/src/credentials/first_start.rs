//! The token of the first start: an administrator's, in a file that only its owner can read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portolan_wire::caps;

use crate::credentials::{Credentials, Grant, Source, TokenHash, random_token};

/// The admin token can be neither read nor made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} the admin token {}: {source}", path.display())]
pub struct FirstStartError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The credential of `data_dir/admin-token`, made there when the file is missing, with whether it
/// was made now.
///
/// # Errors
/// The file cannot be read or written.
pub fn admin_token(data_dir: &Path) -> Result<(Credentials, Option<PathBuf>), FirstStartError> {
    let path = data_dir.join("admin-token");
    let failed = |what| {
        let path = path.clone();
        move |source| FirstStartError { what, path, source }
    };
    let (token, made) = match read(&path).map_err(failed("use"))? {
        Some(token) => (token, None),
        None => {
            let token = random_token().map_err(failed("make"))?;
            write_new(&path, &token).map_err(failed("write"))?;
            (token, Some(path.clone()))
        }
    };
    let mut credentials = Credentials::default();
    let grant = Grant::whole_server();
    credentials.add_from(Source::FirstStart, TokenHash::of(&token), grant);
    Ok((credentials, made))
}

/// The token of a file; `None` where there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(token) => checked(token.trim()).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An empty or short file would let nobody in, or anybody.
fn checked(token: &str) -> io::Result<String> {
    let allowed = caps::TOKEN_CHARS_MIN..=caps::TOKEN_CHARS_MAX;
    if allowed.contains(&token.chars().count()) {
        return Ok(token.to_owned());
    }
    let what =
        "it must hold a token of 32 to 4096 characters; remove the file to have a new one made";
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

pub(super) fn write_new(path: &Path, token: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{token}")?;
    file.sync_all()
}
