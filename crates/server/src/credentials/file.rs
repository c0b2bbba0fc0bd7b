//! The credentials file: TOML, for bootstrap, air-gapped use and tests.
//!
//! Every mistake in it is told at once, with the place of its entry.

use std::path::{Path, PathBuf};

use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::ids::EnterpriseProjectId;
use serde::Deserialize;

use crate::credentials::{Credentials, Grant, Role, TokenHash, hex};

/// A credentials file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the credentials file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML of the right form.
    #[error("the credentials file {} is not readable: {message}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        message: String,
    },
    /// Entries are wrong.
    #[error("the credentials file {} has mistakes: {}", path.display(), mistakes.join("; "))]
    Entries {
        /// The file.
        path: PathBuf,
        /// One sentence a mistake.
        mistakes: Vec<String>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<TokenEntry>,
    #[serde(default)]
    access_key: Vec<AccessKeyEntry>,
    #[serde(default)]
    user: Vec<UserEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    secret: Option<String>,
    secret_sha256: Option<String>,
    project_id: String,
    enterprise_projects: Vec<String>,
    role: String,
    expires_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "read for its form: signed requests are not verified yet"
)]
struct AccessKeyEntry {
    ak: String,
    sk: String,
    project_id: String,
    enterprise_projects: Vec<String>,
    role: String,
    expires_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "read for its form: tokens are not issued to users yet"
)]
struct UserEntry {
    name: String,
    domain: String,
    password_argon2: String,
    project_id: String,
    enterprise_projects: Vec<String>,
    role: String,
}

/// Reads a credentials file.
///
/// # Errors
/// It cannot be read, is not TOML of the right form, or has entries that are wrong.
pub fn read_file(path: &Path) -> Result<Credentials, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file: File = toml::from_str(&text).map_err(|error| FileError::Form {
        path: path.to_owned(),
        // The parser quotes the line, and a line may hold a secret: only its words are told.
        message: error.message().to_owned(),
    })?;
    if !file.access_key.is_empty() || !file.user.is_empty() {
        tracing::warn!(
            access_keys = file.access_key.len(),
            users = file.user.len(),
            "access keys and users of the credentials file are not used: this version takes tokens only"
        );
    }
    let mut credentials = Credentials::default();
    let mut mistakes = Vec::new();
    for (place, entry) in file.token.into_iter().enumerate() {
        let added = entry.read().and_then(|(token, grant)| {
            credentials
                .add(token, grant)
                .then_some(())
                .ok_or_else(|| "secret is given twice".into())
        });
        if let Err(mistake) = added {
            mistakes.push(format!("token {}: {mistake}", place + 1));
        }
    }
    if mistakes.is_empty() {
        Ok(credentials)
    } else {
        Err(FileError::Entries {
            path: path.to_owned(),
            mistakes,
        })
    }
}

impl TokenEntry {
    fn read(self) -> Result<(TokenHash, Grant), String> {
        let token = match (&self.secret, &self.secret_sha256) {
            (Some(secret), None) => {
                let chars = secret.chars().count();
                if !(caps::TOKEN_CHARS_MIN..=caps::TOKEN_CHARS_MAX).contains(&chars) {
                    return Err(format!("secret must be 32 to 4096 characters, got {chars}"));
                }
                TokenHash::of(secret)
            }
            (None, Some(text)) => hex::decode(text)
                .map(TokenHash)
                .ok_or("secret_sha256 must be 64 hex digits")?,
            _ => return Err("exactly one of secret and secret_sha256 must be given".into()),
        };
        let project_chars = self.project_id.chars().count();
        if !(1..=caps::PROJECT_ID_CHARS_MAX).contains(&project_chars) {
            return Err(format!(
                "project_id must be 1 to 256 characters, got {project_chars}"
            ));
        }
        let role = Role::read(&self.role)
            .ok_or_else(|| format!("role must be reader, agent or admin, got {}", self.role))?;
        let expires_at = match self.expires_at {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|error| format!("expires_at is {error}"))?,
            ),
        };
        let enterprise_projects = selection(self.enterprise_projects)?;
        Ok((
            token,
            Grant {
                project_id: self.project_id,
                enterprise_projects,
                role,
                expires_at,
            },
        ))
    }
}

/// Reads a list of enterprise projects.
pub(crate) fn selection(ids: Vec<String>) -> Result<Selection, String> {
    if ids.is_empty() {
        return Err("enterprise_projects must name at least one".into());
    }
    if ids.iter().any(|id| id == EnterpriseProjectId::ALL_GRANTED) {
        return Ok(Selection::Whole);
    }
    let mut selected: Vec<EnterpriseProjectId> = Vec::with_capacity(ids.len());
    for id in ids {
        if !(1..=caps::ENTERPRISE_PROJECT_ID_CHARS_MAX).contains(&id.chars().count()) {
            return Err("each of enterprise_projects must be 1 to 128 characters".into());
        }
        selected.push(id.into());
    }
    // A union counts each of its scopes once.
    selected.sort();
    selected.dedup();
    Ok(Selection::Of(selected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Credentials, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_file(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_is_found_by_its_secret_or_by_the_hash_of_it() {
        let secret = "s".repeat(32);
        let hex: String = Sha256Hex(&secret).to_string();
        let entry = |how: &str| {
            format!(
                "[[token]]\n{how}\nproject_id = \"p\"\nenterprise_projects = [\"b\", \"a\", \"b\"]\nrole = \"reader\"\nexpires_at = \"2027-01-01T00:00:00Z\"\n"
            )
        };
        for how in [
            format!("secret = \"{secret}\""),
            format!("secret_sha256 = \"{hex}\""),
        ] {
            let credentials = read(&entry(&how)).unwrap();
            let grant = &credentials.token(&TokenHash::of(&secret)).unwrap().grant;
            assert_eq!(grant.project_id, "p");
            assert_eq!(
                grant.enterprise_projects,
                Selection::Of(vec!["a".into(), "b".into()])
            );
            assert_eq!(
                grant.expires_at,
                Some("2027-01-01T00:00:00Z".parse().unwrap())
            );
            assert!(credentials.token(&TokenHash::of(&"t".repeat(32))).is_none());
        }
    }

    struct Sha256Hex<'a>(&'a str);

    impl std::fmt::Display for Sha256Hex<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            TokenHash::of(self.0)
                .0
                .iter()
                .try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_secret_is() {
        let short = "x".repeat(31);
        let text = format!(
            "[[token]]\nsecret = \"{short}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n\
             [[token]]\nsecret = \"{0}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"root\"\n\
             [[token]]\nsecret = \"{0}\"\nproject_id = \"\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n\
             [[token]]\nsecret = \"{0}\"\nproject_id = \"p\"\nenterprise_projects = []\nrole = \"reader\"\n",
            "y".repeat(32)
        );
        let told = read(&text).unwrap_err();
        for part in [
            "token 1: secret must be 32 to 4096 characters, got 31",
            "token 2: role must be reader, agent or admin, got root",
            "token 3: project_id must be 1 to 256 characters, got 0",
            "token 4: enterprise_projects must name at least one",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("yyyy") && !told.contains("xxxx"), "{told}");
    }

    #[test]
    fn an_unknown_key_is_a_mistake() {
        assert!(read("[[token]]\nsecrets = \"a\"\n").is_err());
    }
}
