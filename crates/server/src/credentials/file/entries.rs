//! The entries of the credentials file, and what is allowed in each.
//!
//! Holds: an entry tells all its mistakes, not the first; none shows a secret.

use argon2::password_hash::phc::PasswordHash;
use portolan_census::Selection;
use portolan_wire::caps;
use serde::Deserialize;

use crate::credentials::file::selection;
use crate::credentials::{
    AccessKey, EnrolKey, Entry, Grant, Proof, Role, Secret, SigningKey, Source, TokenHash, hex,
};

/// What is wrong in the file, one sentence a mistake.
#[derive(Default)]
pub(super) struct Mistakes {
    entry: String,
    told: Vec<String>,
}

impl Mistakes {
    /// What is told from now on is of this entry; the first of its kind is 1.
    pub(super) fn of(&mut self, kind: &str, place: usize) {
        self.entry = format!("{kind} {place}");
    }

    pub(super) fn tell(&mut self, mistake: impl std::fmt::Display) {
        self.told.push(format!("{}: {mistake}", self.entry));
    }

    pub(super) fn into_told(self) -> Vec<String> {
        self.told
    }

    /// The value, where it has the right form.
    fn take<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|mistake| self.tell(mistake)).ok()
    }
}

/// `[[token]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenEntry {
    secret: Option<String>,
    secret_sha256: Option<String>,
    project_id: Option<String>,
    enterprise_projects: Option<Vec<String>>,
    role: Option<String>,
    expires_at: Option<String>,
}

/// `[[access_key]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessKeyEntry {
    #[serde(default)]
    pub(super) ak: String,
    #[serde(default)]
    sk: String,
    security_token: Option<String>,
    project_id: Option<String>,
    enterprise_projects: Option<Vec<String>>,
    role: Option<String>,
    expires_at: Option<String>,
}

/// `[[user]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEntry {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default = "default_domain")]
    pub(super) domain: String,
    #[serde(default)]
    password_argon2: String,
    project_id: Option<String>,
    enterprise_projects: Option<Vec<String>>,
    role: Option<String>,
    expires_at: Option<String>,
}

/// `[[enrol_key]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolKeyEntry {
    #[serde(default)]
    name: String,
    secret: Option<String>,
    secret_sha256: Option<String>,
    project_id: Option<String>,
    enterprise_projects: Option<Vec<String>>,
    hosts_max: Option<u32>,
    expires_at: Option<String>,
}

fn default_domain() -> String {
    "default".to_owned()
}

impl TokenEntry {
    pub(super) fn read(self, mistakes: &mut Mistakes) -> Option<(TokenHash, Grant)> {
        let token = mistakes.take(token(&self.secret, &self.secret_sha256));
        let role = role(mistakes, &self.role);
        let grant = grant(
            mistakes,
            &self.project_id,
            &self.enterprise_projects,
            role,
            &self.expires_at,
        );
        token.zip(grant)
    }
}

impl AccessKeyEntry {
    pub(super) fn read(self, mistakes: &mut Mistakes) -> Option<Entry> {
        let visible = self.ak.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(1..=caps::STRING_CHARS_MAX).contains(&self.ak.len()) {
            mistakes.tell("ak must be 1 to 256 visible ASCII characters");
        }
        mistakes.take(chars("sk", &self.sk, 1, caps::STRING_CHARS_MAX));
        if let Some(token) = &self.security_token {
            let (least, most) = (caps::TOKEN_CHARS_MIN, caps::TOKEN_CHARS_MAX);
            mistakes.take(chars("security_token", token, least, most));
            if self.expires_at.is_none() {
                mistakes.tell("expires_at must be given with a security_token");
            }
        }
        let role = role(mistakes, &self.role);
        let grant = grant(
            mistakes,
            &self.project_id,
            &self.enterprise_projects,
            role,
            &self.expires_at,
        )?;
        let sk = Secret::new(self.sk);
        let proof = Proof::AccessKey(AccessKey {
            sealed: None,
            security_token: self.security_token.as_deref().map(TokenHash::of),
        });
        let entry = Entry::new(self.ak, String::new(), grant, Source::File, proof);
        Some(entry.signing_with(SigningKey::new(sk.expose())))
    }
}

impl EnrolKeyEntry {
    /// The key, its name, and where it enrols hosts.
    pub(super) fn read(self, mistakes: &mut Mistakes) -> Option<(EnrolKey, String, Grant)> {
        mistakes.take(chars("name", &self.name, 0, caps::STRING_CHARS_MAX));
        let token = mistakes.take(token(&self.secret, &self.secret_sha256));
        let hosts_max = self.hosts_max;
        let most = caps::ENROLMENTS_MAX;
        if hosts_max.is_some_and(|hosts| hosts == 0 || hosts as usize > most) {
            mistakes.tell(format!("hosts_max must be 1 to {most}"));
        }
        let grant = grant(
            mistakes,
            &self.project_id,
            &self.enterprise_projects,
            Some(Role::Enrol),
            &self.expires_at,
        );
        let token = token?;
        Some((EnrolKey { token, hosts_max }, self.name, grant?))
    }
}

impl UserEntry {
    /// Name, domain, hash of the password, and what it grants.
    pub(super) fn read(self, mistakes: &mut Mistakes) -> Option<(String, String, String, Grant)> {
        mistakes.take(chars("name", &self.name, 1, caps::STRING_CHARS_MAX));
        mistakes.take(chars("domain", &self.domain, 1, caps::STRING_CHARS_MAX));
        let hash = PasswordHash::new(&self.password_argon2);
        if !hash.is_ok_and(|hash| hash.algorithm.as_str() == "argon2id") {
            mistakes.tell("password_argon2 must be an Argon2id hash in the PHC form, $argon2id$…");
        }
        let role = role(mistakes, &self.role);
        let grant = grant(
            mistakes,
            &self.project_id,
            &self.enterprise_projects,
            role,
            &self.expires_at,
        );
        Some((self.name, self.domain, self.password_argon2, grant?))
    }
}

fn role(mistakes: &mut Mistakes, role: &Option<String>) -> Option<Role> {
    let role = role.as_deref().unwrap_or("none");
    let wished = Role::wished(role);
    mistakes.take(wished.ok_or_else(|| format!("role must be reader, agent or admin, got {role}")))
}

/// The hash of a token that is given either way.
fn token(secret: &Option<String>, sha256: &Option<String>) -> Result<TokenHash, String> {
    match (secret, sha256) {
        (Some(secret), None) => chars(
            "secret",
            secret,
            caps::TOKEN_CHARS_MIN,
            caps::TOKEN_CHARS_MAX,
        )
        .map(|()| TokenHash::of(secret)),
        (None, Some(text)) => hex::decode(text)
            .map(TokenHash)
            .ok_or("secret_sha256 must be 64 hex digits".into()),
        _ => Err("exactly one of secret and secret_sha256 must be given".into()),
    }
}

/// What every kind of entry grants.
fn grant(
    mistakes: &mut Mistakes,
    project_id: &Option<String>,
    enterprise_projects: &Option<Vec<String>>,
    role: Option<Role>,
    expires_at: &Option<String>,
) -> Option<Grant> {
    let project_id = project_id.clone().unwrap_or_default();
    let project = mistakes.take(chars(
        "project_id",
        &project_id,
        1,
        caps::PROJECT_ID_CHARS_MAX,
    ));
    let granted: Option<Selection> =
        mistakes.take(selection(enterprise_projects.clone().unwrap_or_default()));
    let expires_at = mistakes.take(
        expires_at
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error| format!("expires_at is {error}")),
    );
    project?;
    Some(Grant {
        project_id,
        enterprise_projects: granted?,
        role: role?,
        expires_at: expires_at?,
    })
}

fn chars(field: &str, text: &str, least: usize, most: usize) -> Result<(), String> {
    let given = text.chars().count();
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(format!(
        "{field} must be {least} to {most} characters, got {given}"
    ))
}
