//! Enrolment: how a host gets a credential of its own from an enrol key, and another one later.

use serde::{Deserialize, Serialize};

use crate::report::{
    EnterpriseProjectText, Form, HostIdText, Item, Maybe, Object, Read as _, RequestFault, Row,
    SecretText, enterprise_project, enterprise_project_default, shapes,
};
use crate::{caps, json};

/// The body of `POST …/enrol`. It has no `Debug`: the retry key is as good as the token that was not
/// used yet.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EnrolRequest {
    /// The host's id.
    pub host_id: String,
    /// The enterprise project it belongs to; `0` when none is given.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub enterprise_project_id: String,
    /// Random text that nobody else knows. Until the token that was answered is used for the first
    /// time, the same request with the same key answers another one in its place: an answer may be
    /// lost. Without it, it needs an administrator then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_key: Option<String>,
}

impl EnrolRequest {
    /// Reads a body. Fields that are not known are passed over: agents may be newer than the server.
    ///
    /// # Errors
    /// [`NotJson`](crate::error::ErrorCode::NotJson), or
    /// [`FieldInvalid`](crate::error::ErrorCode::FieldInvalid) with the field and what is allowed.
    pub fn parse(body: &[u8]) -> Result<Self, RequestFault> {
        let item = Item {
            form: &ENROL,
            index: None,
            text: json::whole(body)?,
        };
        Ok(item.read::<EnrolShape>()?)
    }
}

/// A token that is bound to one host: the answer to `POST …/enrol` and `…/enrol/rotate`. It has no
/// `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostToken {
    /// Its project.
    pub project_id: String,
    /// Its enterprise project.
    pub enterprise_project_id: String,
    /// The only host that it speaks for.
    pub host_id: String,
    /// What it may do: `agent`.
    pub role: String,
    /// The token, told this once.
    pub token: String,
}

type RetryKey = SecretText<{ caps::RETRY_KEY_CHARS_MIN }, { caps::RETRY_KEY_CHARS_MAX }>;

const ENROL: Form = Form {
    list: "enrolment",
    host_id: &["host_id"],
    rows: &[
        Row::required::<Object<EnrolShape>>(""),
        Row::required::<HostIdText>("host_id"),
        Row::optional::<EnterpriseProjectText>("enterprise_project_id"),
        Row::optional::<RetryKey>("retry_key"),
    ],
};

#[derive(Deserialize)]
#[serde(remote = "EnrolRequest")]
struct EnrolShape {
    #[serde(deserialize_with = "HostIdText::read")]
    host_id: String,
    #[serde(
        default = "enterprise_project_default",
        deserialize_with = "enterprise_project"
    )]
    enterprise_project_id: String,
    #[serde(default, deserialize_with = "Maybe::<RetryKey>::read")]
    retry_key: Option<String>,
}

shapes! { EnrolShape => EnrolRequest }

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> String {
        let Err(fault) = EnrolRequest::parse(body.as_bytes()) else {
            panic!("{body} was read")
        };
        fault.message
    }

    #[test]
    fn a_host_is_named_and_the_rest_may_be_left_out() {
        let key = "k".repeat(32);
        let body = format!(
            r#"{{"host_id":"web-1","enterprise_project_id":"red","retry_key":"{key}","newer":[1]}}"#
        );
        let Ok(read) = EnrolRequest::parse(body.as_bytes()) else {
            panic!("{body}")
        };
        assert_eq!(read.host_id, "web-1");
        assert_eq!(read.enterprise_project_id, "red");
        assert_eq!(read.retry_key, Some(key));
        let bare = EnrolRequest::parse(br#"{"host_id":"a","retry_key":null}"#);
        let Ok(bare) = bare else { panic!("bare") };
        assert_eq!(
            (bare.enterprise_project_id.as_str(), bare.retry_key),
            ("0", None)
        );
    }

    #[test]
    fn a_fault_names_the_field_and_shows_no_retry_key() {
        assert_eq!(fault("{}"), "host_id is required");
        let told = r#"host_id must be a string of 1 to 64 of [A-Za-z0-9._:-], got "a b""#;
        assert_eq!(fault(r#"{"host_id":"a b"}"#), told);
        let told = fault(r#"{"host_id":"a","enterprise_project_id":"all_granted_eps"}"#);
        assert!(told.starts_with("enterprise_project_id must be"), "{told}");
        for chars in [31, 129] {
            let key = "k".repeat(chars);
            let told = fault(&format!(r#"{{"host_id":"a","retry_key":"{key}"}}"#));
            let must = "retry_key must be a string of 32 to 128 characters without NUL, got";
            assert_eq!(told, format!("{must} one of {chars} characters"));
        }
    }
}
