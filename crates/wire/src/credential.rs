//! What a credential is to be: the bodies of `POST …/tokens`, `…/access-keys`, `…/enrol-keys` and
//! `…/users`.
//!
//! Read like reports, so that a fault names the field, what is allowed and what was given. An unknown
//! field is a fault here: one that was meant to limit the credential must not be passed over.
//! Holds: no message shows a password.

use serde::{Deserialize, Deserializer};

use crate::caps;
use crate::json;
use crate::report::{
    Flag, Form, Int, Item, List, Maybe, Moment, Object, OrDefault, Read, RequestFault, RoleText,
    Row, SecretText, Text, shapes,
};
use crate::time::UnixMicros;

/// What a credential's holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(rename_all = "lowercase")
)]
pub enum Role {
    /// Reads.
    Reader,
    /// Reports and heartbeats of its enterprise projects, nothing else.
    Agent,
    /// Everything of its project.
    Admin,
    /// Enrols hosts, nothing else. Enrol keys have it, and nothing else does.
    Enrol,
}

impl Role {
    /// The role as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Agent => "agent",
            Self::Admin => "admin",
            Self::Enrol => "enrol",
        }
    }

    /// The role of that text, exactly so.
    pub fn read(text: &str) -> Option<Self> {
        [Self::Reader, Self::Agent, Self::Admin, Self::Enrol]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// The same, of a token, an access key or a user that is to be made.
    pub fn wished(text: &str) -> Option<Self> {
        Self::read(text).filter(|role| *role != Self::Enrol)
    }
}

/// The body of `POST …/tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CredentialRequest {
    /// A name for people; may be empty.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub name: String,
    /// What its holder may do.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub role: Role,
    /// Its enterprise projects; without, all that the asking credential has.
    pub enterprise_projects: Option<Vec<String>>,
    /// When it ends; without, when the asking credential does.
    pub expires_at: Option<UnixMicros>,
}

/// The body of `POST …/access-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccessKeyRequest {
    /// A name for people; may be empty.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub name: String,
    /// What its holder may do.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub role: Role,
    /// Its enterprise projects; without, all that the asking credential has.
    pub enterprise_projects: Option<Vec<String>>,
    /// When it ends; without, when the asking credential does.
    pub expires_at: Option<UnixMicros>,
    /// Whether it signs only beside a security token, and ends.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub temporary: bool,
}

/// The body of `POST …/enrol-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolKeyRequest {
    /// A name for people; may be empty.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub name: String,
    /// The enterprise projects that hosts may be enrolled in; without, all that the asking credential
    /// has.
    pub enterprise_projects: Option<Vec<String>>,
    /// When it ends; without, when the asking credential does. What it enrolled goes on.
    pub expires_at: Option<UnixMicros>,
    /// How many hosts that it enrolled there may be at a time; without, as many as the server keeps.
    pub hosts_max: Option<u32>,
}

/// The body of `POST …/users`. It has no `Debug`: the password is in it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserRequest {
    /// The name to sign in with.
    pub name: String,
    /// The domain of the name: `default` when none is given.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub domain: String,
    /// The password.
    pub password: String,
    /// What its holder may do.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub role: Role,
    /// Its enterprise projects; without, all that the asking credential has.
    pub enterprise_projects: Option<Vec<String>>,
    /// When it ends; without, when the asking credential does.
    pub expires_at: Option<UnixMicros>,
}

impl CredentialRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`NotJson`](crate::error::ErrorCode::NotJson), or
    /// [`FieldInvalid`](crate::error::ErrorCode::FieldInvalid) with the field and what is allowed.
    pub fn parse(body: &[u8]) -> Result<Self, RequestFault> {
        let text = json::whole(body)?;
        Ok(item(&CREDENTIAL, text).read_closed::<CredentialShape>()?)
    }
}

impl AccessKeyRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// As those of [`CredentialRequest::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestFault> {
        let text = json::whole(body)?;
        Ok(item(&ACCESS_KEY, text).read_closed::<AccessKeyShape>()?)
    }
}

impl EnrolKeyRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// As those of [`CredentialRequest::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestFault> {
        let text = json::whole(body)?;
        Ok(item(&ENROL_KEY, text).read_closed::<EnrolKeyShape>()?)
    }
}

impl UserRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// As those of [`CredentialRequest::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestFault> {
        let text = json::whole(body)?;
        Ok(item(&USER, text).read_closed::<UserShape>()?)
    }
}

fn item<'a>(form: &'static Form, text: &'a str) -> Item<'a> {
    Item {
        form,
        index: None,
        text,
    }
}

type Name = Text<0, { caps::STRING_CHARS_MAX }>;
type UserName = Text<1, { caps::STRING_CHARS_MAX }>;
type Password = SecretText<{ caps::PASSWORD_CHARS_MIN }, { caps::PASSWORD_CHARS_MAX }>;
type EnterpriseProject = Text<1, { caps::ENTERPRISE_PROJECT_ID_CHARS_MAX }>;
type EnterpriseProjects = List<EnterpriseProject, { caps::CREDENTIAL_ENTERPRISE_PROJECTS_MAX }>;

const CREDENTIAL: Form = Form {
    list: "credential",
    host_id: &[],
    rows: &[
        Row::required::<Object<CredentialShape>>(""),
        Row::optional::<Name>("name"),
        Row::required::<RoleText>("role"),
        Row::optional::<EnterpriseProjects>("enterprise_projects"),
        Row::optional::<EnterpriseProject>("enterprise_projects[]"),
        Row::optional::<Moment>("expires_at"),
    ],
};

const ACCESS_KEY: Form = Form {
    list: "access key",
    host_id: &[],
    rows: &[
        Row::required::<Object<AccessKeyShape>>(""),
        Row::optional::<Name>("name"),
        Row::required::<RoleText>("role"),
        Row::optional::<EnterpriseProjects>("enterprise_projects"),
        Row::optional::<EnterpriseProject>("enterprise_projects[]"),
        Row::optional::<Moment>("expires_at"),
        Row::optional::<Flag>("temporary"),
    ],
};

/// How many hosts an enrol key is for.
type Hosts = Int<u32, 1, { caps::ENROLMENTS_MAX as u64 }>;

const ENROL_KEY: Form = Form {
    list: "enrol key",
    host_id: &[],
    rows: &[
        Row::required::<Object<EnrolKeyShape>>(""),
        Row::optional::<Name>("name"),
        Row::optional::<EnterpriseProjects>("enterprise_projects"),
        Row::optional::<EnterpriseProject>("enterprise_projects[]"),
        Row::optional::<Moment>("expires_at"),
        Row::optional::<Hosts>("hosts_max"),
    ],
};

const USER: Form = Form {
    list: "user",
    host_id: &[],
    rows: &[
        Row::required::<Object<UserShape>>(""),
        Row::required::<UserName>("name"),
        Row::optional::<UserName>("domain"),
        Row::required::<Password>("password"),
        Row::required::<RoleText>("role"),
        Row::optional::<EnterpriseProjects>("enterprise_projects"),
        Row::optional::<EnterpriseProject>("enterprise_projects[]"),
        Row::optional::<Moment>("expires_at"),
    ],
};

#[derive(Deserialize)]
#[serde(remote = "CredentialRequest")]
struct CredentialShape {
    #[serde(default, deserialize_with = "OrDefault::<Name>::read")]
    name: String,
    #[serde(deserialize_with = "RoleText::read")]
    role: Role,
    #[serde(default, deserialize_with = "Maybe::<EnterpriseProjects>::read")]
    enterprise_projects: Option<Vec<String>>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    expires_at: Option<UnixMicros>,
}

#[derive(Deserialize)]
#[serde(remote = "AccessKeyRequest")]
struct AccessKeyShape {
    #[serde(default, deserialize_with = "OrDefault::<Name>::read")]
    name: String,
    #[serde(deserialize_with = "RoleText::read")]
    role: Role,
    #[serde(default, deserialize_with = "Maybe::<EnterpriseProjects>::read")]
    enterprise_projects: Option<Vec<String>>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    expires_at: Option<UnixMicros>,
    #[serde(default, deserialize_with = "OrDefault::<Flag>::read")]
    temporary: bool,
}

#[derive(Deserialize)]
#[serde(remote = "EnrolKeyRequest")]
struct EnrolKeyShape {
    #[serde(default, deserialize_with = "OrDefault::<Name>::read")]
    name: String,
    #[serde(default, deserialize_with = "Maybe::<EnterpriseProjects>::read")]
    enterprise_projects: Option<Vec<String>>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    expires_at: Option<UnixMicros>,
    #[serde(default, deserialize_with = "Maybe::<Hosts>::read")]
    hosts_max: Option<u32>,
}

#[derive(Deserialize)]
#[serde(remote = "UserRequest")]
struct UserShape {
    #[serde(deserialize_with = "UserName::read")]
    name: String,
    #[serde(default = "domain_default", deserialize_with = "domain")]
    domain: String,
    #[serde(deserialize_with = "Password::read")]
    password: String,
    #[serde(deserialize_with = "RoleText::read")]
    role: Role,
    #[serde(default, deserialize_with = "Maybe::<EnterpriseProjects>::read")]
    enterprise_projects: Option<Vec<String>>,
    #[serde(default, deserialize_with = "Maybe::<Moment>::read")]
    expires_at: Option<UnixMicros>,
}

fn domain_default() -> String {
    "default".to_owned()
}

fn domain<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let given = Maybe::<UserName>::read(json)?;
    Ok(given.unwrap_or_else(domain_default))
}

shapes! { CredentialShape => CredentialRequest, AccessKeyShape => AccessKeyRequest, EnrolKeyShape => EnrolKeyRequest, UserShape => UserRequest }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn fault(body: &str) -> (ErrorCode, String) {
        let fault = CredentialRequest::parse(body.as_bytes()).unwrap_err();
        (fault.code, fault.message)
    }

    fn user_fault(body: &str) -> String {
        let Err(fault) = UserRequest::parse(body.as_bytes()) else {
            panic!("{body} was read")
        };
        fault.message
    }

    #[test]
    fn every_field_is_read_and_null_is_absent() {
        let body = br#" {"name":"ci","role":"reader","enterprise_projects":["0","b"],"expires_at":"2027-01-01T00:00:00Z"}
"#;
        let end = "2027-01-01T00:00:00Z".parse().unwrap();
        let expected = CredentialRequest {
            name: "ci".into(),
            role: Role::Reader,
            enterprise_projects: Some(vec!["0".into(), "b".into()]),
            expires_at: Some(end),
        };
        assert_eq!(CredentialRequest::parse(body).unwrap(), expected);
        let bare = CredentialRequest {
            name: String::new(),
            role: Role::Admin,
            enterprise_projects: None,
            expires_at: None,
        };
        for body in [
            r#"{"role":"admin"}"#,
            r#"{"role":"admin","name":null,"enterprise_projects":null,"expires_at":null}"#,
        ] {
            assert_eq!(CredentialRequest::parse(body.as_bytes()).unwrap(), bare);
        }
        let password = "é".repeat(12);
        let body =
            format!(r#"{{"name":"a","password":"{password}","role":"agent","domain":null}}"#);
        let user = UserRequest::parse(body.as_bytes()).ok().unwrap();
        assert_eq!((user.domain.as_str(), user.password), ("default", password));
    }

    #[test]
    fn a_fault_names_the_field_what_is_allowed_and_what_was_given() {
        let long = "n".repeat(257);
        let many = format!("[{}\"a\"]", "\"a\",".repeat(1_000));
        for (body, told) in [
            ("{}", "role is required"),
            ("[]", "the body must be an object, got []"),
            (
                r#"{"role":7}"#,
                "role must be reader, agent or admin, got 7",
            ),
            (
                r#"{"role":"root"}"#,
                r#"role must be reader, agent or admin, got "root""#,
            ),
            (
                r#"{"role":"admin","role":"reader"}"#,
                "role must be given once",
            ),
            (
                r#"{"rule":"admin"}"#,
                "rule is no known field; known are name, role, enterprise_projects, expires_at",
            ),
            (
                r#"{"role":"reader","expires_at":"tomorrow"}"#,
                r#"expires_at must be a moment in RFC 3339 that ends with Z, such as 2026-11-24T02:13:00Z, got "tomorrow""#,
            ),
            (
                r#"{"role":"reader","enterprise_projects":"0"}"#,
                r#"enterprise_projects must be an array, got "0""#,
            ),
            (
                r#"{"role":"reader","enterprise_projects":["a",""]}"#,
                r#"enterprise_projects[1] must be a string of 1 to 128 characters without NUL, got """#,
            ),
            (
                &format!(r#"{{"role":"reader","enterprise_projects":{many}}}"#),
                "enterprise_projects must have at most 1000 entries, got 1001",
            ),
            (
                &format!(r#"{{"role":"reader","name":"{long}"}}"#),
                &format!(
                    "name must be a string of 0 to 256 characters without NUL, got \"{}…",
                    "n".repeat(62)
                ),
            ),
        ] {
            assert_eq!(fault(body), (ErrorCode::FieldInvalid, told.to_owned()));
        }
        for (body, told) in [
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{} x", "trailing characters at line 1 column 4"),
        ] {
            assert_eq!(fault(body), (ErrorCode::NotJson, told.to_owned()));
        }
    }

    #[test]
    fn the_role_of_enrol_keys_is_none_that_can_be_wished_for() {
        let told = r#"role must be reader, agent or admin, got "enrol""#;
        assert_eq!(
            fault(r#"{"role":"enrol"}"#),
            (ErrorCode::FieldInvalid, told.to_owned())
        );
        assert_eq!(Role::read("enrol"), Some(Role::Enrol));
    }

    #[test]
    fn an_enrol_key_is_for_so_many_hosts() {
        let read = |body: &str| EnrolKeyRequest::parse(body.as_bytes());
        assert_eq!(read("{}").unwrap().hosts_max, None);
        for (given, hosts_max) in [("1", 1), ("1000000", 1_000_000)] {
            let body = format!(r#"{{"name":"n","hosts_max":{given}}}"#);
            assert_eq!(read(&body).unwrap().hosts_max, Some(hosts_max));
        }
        for bad in ["0", "1000001", "\"1\""] {
            let fault = read(&format!(r#"{{"hosts_max":{bad}}}"#)).unwrap_err();
            let told = format!("hosts_max must be 1 to 1000000, got {bad}");
            assert_eq!(fault.message, told);
        }
        let fault = read(r#"{"role":"admin"}"#).unwrap_err();
        assert!(
            fault.message.starts_with("role is no known field"),
            "{fault}"
        );
    }

    #[test]
    fn a_password_is_measured_and_never_shown() {
        let with =
            |password: &str| format!(r#"{{"name":"a","role":"agent","password":{password}}}"#);
        let must = "password must be a string of 12 to 1024 characters without NUL, got";
        let quoted = |chars: usize| format!("\"{}\"", "x".repeat(chars));
        for (password, given) in [
            (quoted(11), "one of 11 characters"),
            (quoted(1_025), "one of 1025 characters"),
            (r#""with\u0000a nul""#.to_owned(), "one of 10 characters"),
            ("123456789012".to_owned(), "no string"),
        ] {
            assert_eq!(user_fault(&with(&password)), format!("{must} {given}"));
        }
        for fits in [12, 1_024] {
            assert!(UserRequest::parse(with(&quoted(fits)).as_bytes()).is_ok());
        }
        assert_eq!(user_fault(r#"{"role":"agent"}"#), "name is required");
    }
}
