//! `[auth.keystone]`: the Keystone elsewhere that validates tokens which are unknown here.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use portolan_agent::with_causes;
use portolan_server::credentials::{
    ExternalKeystone, ExternalRoles, KeystonePassword, ServiceUser,
};
use portolan_wire::caps;
use serde::Deserialize;

use crate::client::tls;

const DOMAIN: &str = "Default";

/// `[auth.keystone]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeystoneTable {
    /// Its address, such as `https://keystone.example:5000`.
    url: Option<String>,
    /// Plain HTTP to it, on an address that is not loopback.
    #[serde(default)]
    insecure_http: bool,
    /// The name of the user as whom it is asked, who may validate tokens.
    user: Option<String>,
    /// The name of the user's domain.
    user_domain: Option<String>,
    /// A file that holds the user's password and nothing else.
    password_file: Option<PathBuf>,
    /// The name of the project in which the user may do that.
    project: Option<String>,
    /// The name of the project's domain.
    project_domain: Option<String>,
    /// What its certificate is checked against, in PEM form, instead of what the system trusts.
    ca_file: Option<PathBuf>,
    /// Which of its roles stand for which of Portolan's.
    #[serde(default)]
    roles: RolesTable,
    /// Which enterprise projects a token of each project grants, by the project's id.
    #[serde(default)]
    enterprise_projects: BTreeMap<String, Vec<String>>,
}

/// `[auth.keystone.roles]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RolesTable {
    admin: Vec<String>,
    reader: Vec<String>,
    agent: Vec<String>,
}

impl KeystoneTable {
    /// What the server is told of it, where nothing of it is a mistake.
    pub(crate) fn read(self, mistakes: &mut Vec<String>) -> Option<ExternalKeystone> {
        let before = mistakes.len();
        let mut tell = |mistake: String| mistakes.push(format!("auth.keystone.{mistake}"));
        let url = self.url.unwrap_or_default();
        if !is_address(&url) {
            tell(format!(
                "url must be an address such as https://keystone.example:5000, got {url:?}"
            ));
        } else if !self.insecure_http && !is_safe(&url) {
            tell("url must begin with https://, as plain HTTP would show tokens and the password to the network; or say insecure_http = true".to_owned());
        }
        let mut text = |name: &str, given: Option<String>, default: &str| {
            let text = given.unwrap_or_else(|| default.to_owned());
            if text.is_empty() {
                tell(format!("{name} must be given"));
            }
            text
        };
        let name = text("user", self.user, "");
        let domain = text("user_domain", self.user_domain, DOMAIN);
        let project = text("project", self.project, "");
        let project_domain = text("project_domain", self.project_domain, DOMAIN);
        let password = password(self.password_file).map_err(&mut tell);
        let RolesTable {
            admin,
            reader,
            agent,
        } = self.roles;
        if admin.is_empty() && reader.is_empty() && agent.is_empty() {
            tell("roles must name a role of Keystone's for admin, reader or agent: else no token may anything".to_owned());
        }
        let mut enterprise_projects = BTreeMap::new();
        if self.enterprise_projects.is_empty() {
            tell("enterprise_projects must name what the tokens of a project grant, or of every other one: \"*\" = [\"all_granted_eps\"]".to_owned());
        }
        for (project, ids) in self.enterprise_projects {
            match ExternalKeystone::enterprise_projects(ids) {
                Ok(granted) => {
                    enterprise_projects.insert(project, granted);
                }
                Err(error) => tell(format!("enterprise_projects.{project:?}: {error}")),
            }
        }
        let is_https = url.starts_with("https://");
        let tls = tls(is_https, self.ca_file.as_deref()).map_err(|error| {
            tell(format!("ca_file: {}", with_causes(&*error)));
        });
        let (Ok(password), Ok(tls)) = (password, tls) else {
            return None;
        };
        let request = Duration::from_secs(caps::KEYSTONE_REQUEST_S_MAX);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(request))
            .tls_config(tls);
        (mistakes.len() == before).then(|| ExternalKeystone {
            url,
            user: ServiceUser {
                name,
                domain,
                password,
                project,
                project_domain,
            },
            roles: ExternalRoles {
                admin,
                reader,
                agent,
            },
            enterprise_projects,
            client: config.build().into(),
        })
    }
}

fn is_address(url: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let is_one = url.parse::<ureq::http::Uri>().is_ok_and(|uri| {
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        has_host && uri.query().is_none()
    });
    rest.is_some() && is_one
}

/// TLS, or this machine alone.
fn is_safe(url: &str) -> bool {
    let host = url.parse::<ureq::http::Uri>();
    let host = host.ok().and_then(|uri| uri.host().map(str::to_owned));
    let host = host.unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.starts_with("https://")
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}

fn password(file: Option<PathBuf>) -> Result<KeystonePassword, String> {
    let file = file.ok_or("password_file must name a file with the user's password")?;
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("password_file {}: {error}", file.display()))?;
    // A line break at the end is the editor's.
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("password_file {} is empty", file.display())),
        password => Ok(KeystonePassword::new(password.to_owned())),
    }
}
