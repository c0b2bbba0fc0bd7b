//! What an operator tells of a Keystone elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use portolan_census::Selection;

use crate::credentials::{Role, Secret, selection};

/// A Keystone that tokens are validated by.
#[derive(Clone, Debug)]
pub struct ExternalKeystone {
    /// Its address, with or without `/v3`.
    pub url: String,
    /// As whom it is asked.
    pub user: ServiceUser,
    /// The names of its roles that stand for each of Portolan's.
    pub roles: ExternalRoles,
    /// The enterprise projects that a token of each project grants, by the project's id; `*` is every
    /// other project.
    pub enterprise_projects: BTreeMap<String, Selection>,
    /// The client, with its certificates and times; it must give statuses as they are.
    pub client: ureq::Agent,
}

/// The user as whom a Keystone is asked. It needs a role that may validate tokens, such as `service`.
#[derive(Clone, Debug)]
pub struct ServiceUser {
    /// Its name.
    pub name: String,
    /// The name of its domain.
    pub domain: String,
    /// Its password.
    pub password: KeystonePassword,
    /// The name of the project in which it has that role.
    pub project: String,
    /// The name of that project's domain.
    pub project_domain: String,
}

/// A password that is not shown.
#[derive(Clone)]
pub struct KeystonePassword(Secret);

impl KeystonePassword {
    /// Of its text.
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for KeystonePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The names of Keystone's roles that stand for each of Portolan's.
#[derive(Clone, Debug, Default)]
pub struct ExternalRoles {
    /// For [`Role::Admin`].
    pub admin: Vec<String>,
    /// For [`Role::Reader`].
    pub reader: Vec<String>,
    /// For [`Role::Agent`].
    pub agent: Vec<String>,
}

impl ExternalRoles {
    /// The role of who has those: admin, which may all, before reader before agent.
    pub(super) fn role_of(&self, names: &[String]) -> Option<Role> {
        let has = |wanted: &[String]| names.iter().any(|name| wanted.contains(name));
        if has(&self.admin) {
            Some(Role::Admin)
        } else if has(&self.reader) {
            Some(Role::Reader)
        } else if has(&self.agent) {
            Some(Role::Agent)
        } else {
            None
        }
    }
}

/// A list of enterprise projects that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SettingsMistake(String);

impl ExternalKeystone {
    /// The key of [`Self::enterprise_projects`] for every project that has none of its own.
    pub const EVERY_OTHER: &str = "*";

    /// Reads a list of enterprise projects.
    ///
    /// # Errors
    /// It is empty, or an id is too long.
    pub fn enterprise_projects(ids: Vec<String>) -> Result<Selection, SettingsMistake> {
        selection(ids).map_err(SettingsMistake)
    }

    /// What a token of a project grants.
    pub(super) fn granted_in(&self, project_id: &str) -> Option<&Selection> {
        let table = &self.enterprise_projects;
        table
            .get(project_id)
            .or_else(|| table.get(Self::EVERY_OTHER))
    }

    /// The address of a path of its API.
    pub(super) fn at(&self, path: &str) -> String {
        let url = self.url.trim_end_matches('/');
        let url = url.strip_suffix("/v3").unwrap_or(url);
        format!("{url}/v3{path}")
    }
}
