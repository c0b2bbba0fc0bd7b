//! The request of a log-in. Fields that are unknown are ignored, as Keystone does.

use portolan_wire::error::ErrorCode;
use serde::Deserialize;
use serde_json::Value;

use crate::credentials::{Method, Secret};
use crate::error::ApiError;

#[derive(Deserialize)]
pub(super) struct Body {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    /// Text where it says `unscoped`.
    #[serde(default)]
    scope: Option<Value>,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Option<PasswordMethod>,
    token: Option<TokenMethod>,
}

#[derive(Deserialize)]
struct PasswordMethod {
    user: User,
}

#[derive(Deserialize)]
struct User {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Named>,
    password: String,
}

#[derive(Deserialize)]
struct TokenMethod {
    id: String,
}

/// By id, or by name, which is the same here.
#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Scopes {
    project: Option<Project>,
    domain: Option<Named>,
    system: Option<Value>,
    #[serde(rename = "OS-TRUST:trust")]
    trust: Option<Value>,
}

#[derive(Deserialize)]
struct Project {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Named>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) by: By,
    pub(super) scope: Wanted,
}

/// By what somebody logs in.
#[derive(Debug)]
pub(super) enum By {
    Password { user: UserName, password: Secret },
    Token(Secret),
}

/// How a user is named.
#[derive(Debug)]
pub(super) enum UserName {
    Id(String),
    Name { name: String, domain: String },
}

/// What the new token is to be for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    Project { id: String, domain: Option<String> },
    Domain(String),
}

impl Body {
    pub(super) fn read(self) -> Result<Asked, ApiError> {
        let Identity {
            methods,
            password,
            token,
        } = self.auth.identity;
        let method = match methods.as_slice() {
            [one] => Method::read(one),
            _ => None,
        };
        let by = match method {
            Some(Method::Password) => {
                let user = password.ok_or_else(|| invalid("identity.password is missing."))?;
                user.user.read()?
            }
            Some(Method::Token) => {
                let token = token.ok_or_else(|| invalid("identity.token is missing."))?;
                By::Token(Secret::new(token.id))
            }
            None => {
                return Err(invalid(
                    "identity.methods must be [\"password\"] or [\"token\"]: no other method, and no two together, are known.",
                ));
            }
        };
        Ok(Asked {
            by,
            scope: scope(self.auth.scope)?,
        })
    }
}

impl User {
    fn read(self) -> Result<By, ApiError> {
        let user = match (self.id, self.name) {
            (Some(id), _) => UserName::Id(id),
            (None, Some(name)) => UserName::Name {
                name,
                domain: self.domain.and_then(Named::into_id).ok_or_else(|| {
                    invalid("user.domain must have an id or a name, as the user is named by name.")
                })?,
            },
            (None, None) => return Err(invalid("user must have an id or a name.")),
        };
        Ok(By::Password {
            user,
            password: Secret::new(self.password),
        })
    }
}

impl Named {
    fn into_id(self) -> Option<String> {
        self.id.or(self.name)
    }
}

fn scope(given: Option<Value>) -> Result<Wanted, ApiError> {
    let given = match given {
        None | Some(Value::Null) => return Ok(Wanted::Nothing),
        Some(Value::String(text)) if text == "unscoped" => return Ok(Wanted::Nothing),
        Some(given) => given,
    };
    let wrong = "scope must be \"unscoped\", or name a project or a domain.";
    let scopes: Scopes = serde_json::from_value(given).map_err(|_| invalid(wrong))?;
    // Of both the project counts.
    match scopes {
        Scopes {
            project: Some(project),
            ..
        } => {
            let id = project.id.or(project.name);
            Ok(Wanted::Project {
                id: id.ok_or_else(|| invalid("scope.project must have an id or a name."))?,
                domain: project.domain.and_then(Named::into_id),
            })
        }
        Scopes {
            domain: Some(domain),
            ..
        } => {
            let id = domain.into_id();
            let id = id.ok_or_else(|| invalid("scope.domain must have an id or a name."))?;
            Ok(Wanted::Domain(id))
        }
        Scopes {
            system: Some(_), ..
        }
        | Scopes { trust: Some(_), .. } => Err(invalid(
            "scope must be a project or a domain: systems and trusts are not known here.",
        )),
        Scopes { .. } => Ok(Wanted::Nothing),
    }
}

fn invalid(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::FieldInvalid, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(given: Value) -> Result<Wanted, String> {
        scope(Some(given)).map_err(|error| error.reason().to_owned())
    }

    #[test]
    fn a_scope_is_read_in_every_form_that_clients_send() {
        let project = |domain: Option<&str>| Wanted::Project {
            id: "p".into(),
            domain: domain.map(Into::into),
        };
        for (given, expected) in [
            (json!("unscoped"), Wanted::Nothing),
            (json!({"unscoped": {}}), Wanted::Nothing),
            (json!(null), Wanted::Nothing),
            (json!({"project": {"id": "p"}}), project(None)),
            (
                json!({"project": {"name": "p", "domain": {"name": "d"}}, "domain": {"id": "d"}}),
                project(Some("d")),
            ),
            (json!({"domain": {"name": "d"}}), Wanted::Domain("d".into())),
        ] {
            assert_eq!(wanted(given.clone()).unwrap(), expected, "{given}");
        }
        for (given, part) in [
            (json!("all"), "scope must"),
            (json!({"system": {"all": true}}), "systems"),
            (json!({"OS-TRUST:trust": {"id": "t"}}), "trusts"),
            (json!({"project": {}}), "scope.project"),
            (json!({"project": 5}), "scope must"),
        ] {
            let told = wanted(given.clone()).unwrap_err();
            assert!(told.contains(part), "{given}: {told}");
        }
    }
}
