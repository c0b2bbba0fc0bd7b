//! What Keystone tells of a token, and what that grants here.

use portolan_census::Selection;
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;
use serde::Deserialize;

use crate::credentials::external::settings::ExternalKeystone;
use crate::credentials::{Entry, Grant, Proof, Role, Source, TokenHash};

#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) token: Token,
}

#[derive(Deserialize)]
pub(super) struct Token {
    expires_at: String,
    user: User,
    project: Option<Project>,
    #[serde(default)]
    roles: Vec<Named>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Project {
    id: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Token {
    /// When it ends.
    pub(super) fn ends(&self) -> Result<UnixMicros, String> {
        let ends = self.expires_at.parse();
        ends.map_err(|error| format!("expires_at is {error}"))
    }

    /// The credential that it is here. Without a project of which enterprise projects are granted, or
    /// without a role that stands for one, it grants nothing: it is known, and may nothing.
    pub(super) fn entry(
        self,
        hash: &TokenHash,
        settings: &ExternalKeystone,
    ) -> Result<Entry, String> {
        let most = caps::STRING_CHARS_MAX;
        if self.user.id.chars().count() > most || self.user.name.chars().count() > most {
            return Err(format!(
                "its user's id or name has more than {most} characters"
            ));
        }
        let grant = self.grant(settings)?;
        // Known by the user in the audit log; no id of a credential that is kept here looks so.
        let id = format!("keystone:{}", self.user.id);
        let proof = Proof::Token(*hash);
        Ok(Entry::new(
            id,
            self.user.name,
            grant,
            Source::Keystone,
            proof,
        ))
    }

    fn grant(&self, settings: &ExternalKeystone) -> Result<Grant, String> {
        let expires_at = Some(self.ends()?);
        let names: Vec<String> = self.roles.iter().map(|role| role.name.clone()).collect();
        let is_one = |id: &&str| {
            *id != Grant::EVERY_PROJECT
                && (1..=caps::PROJECT_ID_CHARS_MAX).contains(&id.chars().count())
        };
        let project = self.project.as_ref().map(|project| project.id.as_str());
        let granted = project.filter(is_one).and_then(|id| {
            let enterprise_projects = settings.granted_in(id)?.clone();
            Some(Grant {
                project_id: id.to_owned(),
                enterprise_projects,
                role: settings.roles.role_of(&names)?,
                expires_at,
            })
        });
        Ok(granted.unwrap_or(Grant {
            project_id: Grant::NO_PROJECT.to_owned(),
            enterprise_projects: Selection::of([]),
            role: Role::Reader,
            expires_at,
        }))
    }
}
