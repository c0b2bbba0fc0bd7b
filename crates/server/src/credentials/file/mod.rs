//! The credentials file: TOML, for bootstrap, air-gapped use and tests.
//!
//! Every mistake in its entries is told at once, with the place of the entry.

mod entries;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::ids::EnterpriseProjectId;
use serde::Deserialize;

use crate::credentials::Credentials;
use crate::credentials::file::entries::{
    AccessKeyEntry, EnrolKeyEntry, Mistakes, TokenEntry, UserEntry,
};

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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    token: Vec<TokenEntry>,
    access_key: Vec<AccessKeyEntry>,
    user: Vec<UserEntry>,
    enrol_key: Vec<EnrolKeyEntry>,
}

/// Reads a credentials file.
///
/// # Errors
/// It cannot be read, is not TOML of the right form, or has entries that are wrong.
pub fn read_file(path: &Path) -> Result<Credentials, FileError> {
    let file = File::read(path)?;
    file.credentials(path)
}

/// Tells every mistake of a credentials file, and does nothing else.
///
/// # Errors
/// As [`read_file`].
pub fn check_file(path: &Path) -> Result<(), FileError> {
    File::read(path)?.credentials(path).map(drop)
}

impl File {
    fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| FileError::Form {
            path: path.to_owned(),
            // The parser quotes the line, and a line may hold a secret: only its words and its place
            // are told.
            message: match error.span() {
                Some(span) => format!("line {}: {}", line(&text, span.start), error.message()),
                None => error.message().to_owned(),
            },
        })
    }

    fn credentials(self, path: &Path) -> Result<Credentials, FileError> {
        let mut credentials = Credentials::default();
        let mut mistakes = Mistakes::default();
        for (place, entry) in (1..).zip(self.token) {
            mistakes.of("token", place);
            if let Some((token, grant)) = entry.read(&mut mistakes)
                && !credentials.add(token, grant)
            {
                mistakes.tell("secret is given twice");
            }
        }
        let mut known = HashSet::new();
        for (place, entry) in (1..).zip(self.access_key) {
            mistakes.of("access_key", place);
            if !known.insert(entry.ak.clone()) {
                mistakes.tell("ak is given twice");
            }
            if let Some(entry) = entry.read(&mut mistakes) {
                credentials.insert(Arc::new(entry));
            }
        }
        for (place, entry) in (1..).zip(self.user) {
            mistakes.of("user", place);
            if let Some((name, domain, password, grant)) = entry.read(&mut mistakes)
                && !credentials.add_user(name, domain, password, grant)
            {
                mistakes.tell("name is given twice in its domain");
            }
        }
        for (place, entry) in (1..).zip(self.enrol_key) {
            mistakes.of("enrol_key", place);
            if let Some((key, name, grant)) = entry.read(&mut mistakes)
                && !credentials.add_enrol_key(key, name, grant)
            {
                mistakes.tell("secret is given twice");
            }
        }
        match mistakes.into_told() {
            told if told.is_empty() => Ok(credentials),
            told => Err(FileError::Entries {
                path: path.to_owned(),
                mistakes: told,
            }),
        }
    }
}

/// The number of the line that holds a byte.
fn line(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|b| *b == b'\n').count()
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
    Ok(Selection::of(selected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::TokenHash;

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
                Selection::of(["a".into(), "b".into()])
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
            "[[token]]\nsecret = \"{short}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"root\"\n\
             [[token]]\nsecret = \"{0}\"\nproject_id = \"\"\nenterprise_projects = [\"0\"]\n\
             [[token]]\nsecret = \"{0}\"\nproject_id = \"p\"\nenterprise_projects = []\nrole = \"reader\"\nexpires_at = \"soon\"\n\
             [[access_key]]\nak = \"a key\"\nsk = \"\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n\
             [[access_key]]\nak = \"AK\"\nsk = \"{0}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n\
             [[access_key]]\nak = \"AK\"\nsk = \"{0}\"\nsecurity_token = \"{short}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n\
             [[user]]\nname = \"\"\npassword_argon2 = \"{0}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n",
            "y".repeat(32)
        );
        let told = read(&text).unwrap_err();
        for part in [
            "token 1: secret must be 32 to 4096 characters, got 31",
            "token 1: role must be reader, agent or admin, got root",
            "token 2: project_id must be 1 to 256 characters, got 0",
            "token 2: role must be reader, agent or admin, got none",
            "token 3: enterprise_projects must name at least one",
            "token 3: expires_at is not a moment in RFC 3339",
            "access_key 1: ak must be 1 to 256 visible ASCII characters",
            "access_key 1: sk must be 1 to 256 characters, got 0",
            "access_key 3: ak is given twice",
            "access_key 3: security_token must be 32 to 4096 characters, got 31",
            "access_key 3: expires_at must be given with a security_token",
            "user 1: name must be 1 to 256 characters, got 0",
            "user 1: password_argon2 must be an Argon2id hash",
        ] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert_eq!(told.matches("; ").count(), 12, "{told}");
        assert!(!told.contains("yyyy") && !told.contains("xxxx"), "{told}");
    }

    #[test]
    fn an_access_key_is_known_and_its_secrets_are_not_shown() {
        let rest = "project_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n";
        let token = "t".repeat(32);
        let text = format!(
            "[[access_key]]\nak = \"AK\"\nsk = \"hidden\"\n{rest}\
             [[access_key]]\nak = \"TK\"\nsk = \"hidden\"\nsecurity_token = \"{token}\"\n\
             expires_at = \"2027-01-01T00:00:00Z\"\n{rest}"
        );
        let credentials = read(&text).unwrap();
        let (kept, temporary) = (
            credentials.access_key("AK").unwrap(),
            credentials.access_key("TK").unwrap(),
        );
        assert!(kept.signing_key().is_some() && temporary.signing_key().is_some());
        let (right, wrong) = (TokenHash::of(&token), TokenHash::of("t"));
        assert!(
            [None, Some(right)]
                .into_iter()
                .all(|token| kept.takes(token))
        );
        assert!(temporary.takes(Some(right)));
        assert!(
            ![None, Some(wrong)]
                .into_iter()
                .any(|token| temporary.takes(token))
        );
        let shown = format!("{credentials:?}");
        assert!(
            !shown.contains("hidden") && !shown.contains("tttt"),
            "{shown}"
        );
    }

    #[test]
    fn an_enrol_key_is_known_and_its_mistakes_are_told() {
        let entry = |rest: &str| {
            let secret = "e".repeat(32);
            format!(
                "[[enrol_key]]\nsecret = \"{secret}\"\nproject_id = \"p\"\nenterprise_projects = [\"0\"]\n{rest}"
            )
        };
        let credentials = read(&entry("hosts_max = 7\nname = \"racks\"\n")).unwrap();
        let hash = TokenHash::of(&"e".repeat(32));
        let key = credentials.token(&hash).unwrap();
        assert_eq!(key.grant.role, crate::credentials::Role::Enrol);
        let crate::credentials::Proof::EnrolKey(proof) = key.proof else {
            panic!("{key:?}")
        };
        assert_eq!((proof.hosts_max, key.name.as_str()), (Some(7), "racks"));
        let told = read(&entry("hosts_max = 0\n")).unwrap_err();
        assert!(
            told.contains("enrol_key 1: hosts_max must be 1 to 1000000"),
            "{told}"
        );
        let told = read(&format!("{}{}", entry(""), entry(""))).unwrap_err();
        assert!(
            told.contains("enrol_key 2: secret is given twice"),
            "{told}"
        );
        // It has a role already.
        assert!(read(&entry("role = \"agent\"\n")).is_err());
    }

    #[test]
    fn users_of_the_right_form_are_no_mistake() {
        let password = crate::credentials::Secret::new("correct horse battery".into());
        let hash = crate::credentials::password_hash(&password).unwrap();
        let rest = "project_id = \"p\"\nenterprise_projects = [\"0\"]\nrole = \"reader\"\n";
        let text = format!(
            "[[user]]\nname = \"alice\"\ndomain = \"a\"\npassword_argon2 = \"{hash}\"\n{rest}\
             [[user]]\nname = \"alice\"\npassword_argon2 = \"{hash}\"\n{rest}"
        );
        let users: Vec<_> = read(&text).unwrap().entries().cloned().collect();
        assert_eq!(users.len(), 2, "{users:?}");
        assert_ne!(users[0].id, users[1].id);
    }

    #[test]
    fn what_is_no_toml_is_told_by_its_line_and_without_its_words() {
        let told = read("[[token]]\nsecret = \"hidden\"\nrole\n").unwrap_err();
        assert!(
            told.contains("line 3:") && !told.contains("hidden"),
            "{told}"
        );
    }

    #[test]
    fn an_unknown_key_is_a_mistake() {
        assert!(read("[[token]]\nsecrets = \"a\"\n").is_err());
    }
}
