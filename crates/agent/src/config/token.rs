//! The token: where it comes from, and how it is kept out of logs.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use portolan_wire::caps::{TOKEN_CHARS_MAX, TOKEN_CHARS_MIN};

/// Where the token comes from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A file that holds it alone; read again when the server does not know the token, so that a
    /// new one needs no restart.
    File(PathBuf),
    /// The token itself.
    Literal(Secret),
    /// A file that holds an enrol key alone: with it this host gets a token of its own, which the state
    /// folder keeps. Read when there is none, so that it may be gone afterwards.
    EnrolKey(PathBuf),
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a token, without the white space around it.
    ///
    /// # Errors
    /// Where it cannot be a token: 32 to 4,096 printable ASCII characters.
    pub fn token(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let length_fits = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len());
        if length_fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenError::Form {
                chars: text.chars().count(),
            })
        }
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// There is no token to be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no token.
    #[error(
        "a token is {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} printable ASCII characters without \
         spaces, got {chars} characters"
    )]
    Form {
        /// How long the text is; never the text itself.
        chars: usize,
    },
}

impl TokenSource {
    /// The token, or the enrol key, as it is now.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no token.
    pub fn read(&self) -> Result<Secret, TokenError> {
        match self {
            Self::Literal(secret) => Ok(secret.clone()),
            Self::File(path) | Self::EnrolKey(path) => Secret::token(&read_bounded(path)?),
        }
    }

    /// Says in the log when others can read the token.
    pub(crate) fn warn_if_others_may_read(&self) {
        let (Self::File(path) | Self::EnrolKey(path)) = self else {
            return;
        };
        let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            tracing::warn!(
                file.path = %path.display(),
                file.mode = format_args!("{:o}", mode & 0o777),
                "others may read the token file; chmod 600 it"
            );
        }
    }
}

/// More than the longest token and its line end need not be read.
fn read_bounded(path: &Path) -> Result<String, TokenError> {
    let failed = |source| TokenError::Read {
        path: path.to_owned(),
        source,
    };
    let limit = u64::try_from(TOKEN_CHARS_MAX * 2).unwrap_or(u64::MAX);
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_checked_and_never_shown() {
        let text = "k".repeat(32);
        let secret = Secret::token(&format!("  {text}\n")).unwrap();
        assert_eq!(secret.expose(), text);
        assert!(!format!("{:?}", TokenSource::Literal(secret)).contains(&text));
        for bad in [
            &"k".repeat(31),
            &"k".repeat(4_097),
            &format!("{text} {text}"),
            &"ä".repeat(32),
        ] {
            let error = Secret::token(bad).unwrap_err().to_string();
            assert!(
                error.contains("32 to 4096") && !error.contains(bad.as_str()),
                "{error}"
            );
        }
        assert!(Secret::token(&"k".repeat(4_096)).is_ok());
    }

    #[test]
    fn a_file_is_read_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = TokenSource::File(path.clone());
        assert!(matches!(source.read(), Err(TokenError::Read { .. })));
        for text in ["a".repeat(40), "b".repeat(40)] {
            fs::write(&path, format!("{text}\n")).unwrap();
            assert_eq!(source.read().unwrap().expose(), text);
        }
    }
}
