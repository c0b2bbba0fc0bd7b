//! An answer, and what every answer must have.
//!
//! Headers are part of the contract: one that is not named here fails the test.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};

use serde_json::Value;

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) to_head: bool,
}

/// What an answer says, whichever request it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Essence {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Every header that an answer may have, whatever it is about.
const HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "date",
    "connection",
    REQUEST_ID,
];
/// Headers of answers about counts.
const COUNT_HEADERS: &[&str] = &["x-portolan-as-of", "x-portolan-hosts", "x-portolan-warning"];

const EXPORT_TYPES: &[&str] = &["application/jsonl", "text/csv; charset=utf-8"];

/// Every request id that this process has seen.
static SEEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

impl Answer {
    /// The value of a header that stands once, or not at all.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(given, _)| given == name);
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} stands twice: {:?}",
            self.headers
        );
        first
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The body of a 200.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Status, code and text of an error.
    pub(crate) fn error(&self) -> (u16, String, String) {
        assert!(self.status >= 400, "{} is no error", self.status);
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (self.status, text("error_code"), text("error_msg"))
    }

    /// Status and code of an error.
    pub(crate) fn code(&self) -> (u16, String) {
        let (status, code, _) = self.error();
        (status, code)
    }

    /// All of the answer but what belongs to this one request.
    pub(crate) fn essence(self) -> Essence {
        let id = self.header(REQUEST_ID).unwrap().to_owned();
        let of_one_request = |(name, _): &(String, String)| name == REQUEST_ID || name == "date";
        let headers = self
            .headers
            .into_iter()
            .filter(|header| !of_one_request(header))
            .collect();
        let body = String::from_utf8(self.body).unwrap().replace(&id, "ID");
        Essence {
            status: self.status,
            headers,
            body,
        }
    }

    /// What every answer must have; `sent_id` is the request id that the client sent, and an answer of
    /// the Keystone API has its errors in that form.
    pub(crate) fn check(&self, sent_id: Option<&str>, is_keystones: bool) {
        let id = self
            .header(REQUEST_ID)
            .unwrap_or_else(|| panic!("no request id: {self:?}"));
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        assert!(id.len() == 32 && id.bytes().all(hex), "request id {id}");
        assert_ne!(Some(id), sent_id, "the client's request id came back");
        assert!(
            SEEN.lock().unwrap().insert(id.to_owned()),
            "request id {id} came twice"
        );
        for (name, _) in &self.headers {
            let name = name.as_str();
            let known = HEADERS.contains(&name)
                || (COUNT_HEADERS.contains(&name) && self.status == 200)
                || (name == "transfer-encoding" && self.is_export())
                || (name == "content-security-policy"
                    && self.header("content-type") == Some("text/html; charset=utf-8"))
                || (name == "x-subject-token" && is_keystones && [200, 201].contains(&self.status))
                || (["transfer-encoding", "cache-control"].contains(&name)
                    && self.header("content-type") == Some("text/event-stream"))
                || (name == "allow" && self.status == 404)
                || (name == "retry-after" && [429, 500, 503].contains(&self.status));
            assert!(known, "header {name} on {}", self.status);
        }
        if self.status >= 400 && !self.to_head {
            match is_keystones {
                true => self.check_keystones_error(),
                false => self.check_error(id),
            }
        }
    }

    /// Whether it is sent as it is made.
    fn is_export(&self) -> bool {
        let kind = self.header("content-type");
        self.status == 200 && EXPORT_TYPES.iter().any(|known| kind == Some(known))
    }

    fn check_keystones_error(&self) {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        let fields = |value: &Value| {
            let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(fields(&body), ["error"], "{body}");
        let fault = &body["error"];
        assert_eq!(fields(fault), ["code", "message", "title"], "{body}");
        assert_eq!(fault["code"], self.status, "{body}");
        let text = |name: &str| fault[name].as_str().unwrap().len();
        assert!(text("message") > 0 && text("title") > 0, "{body}");
    }

    /// Status and message of an error in Keystone's form.
    pub(crate) fn keystones_error(&self) -> (u16, String) {
        let message = self.json()["error"]["message"].as_str().unwrap().to_owned();
        (self.status, message)
    }

    fn check_error(&self, id: &str) {
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        let mut fields: Vec<&String> = body.as_object().unwrap().keys().collect();
        fields.sort();
        assert_eq!(fields, ["error_code", "error_msg", "request_id"], "{body}");
        assert_eq!(body["request_id"], id);
        let code = body["error_code"].as_str().unwrap();
        let text = published(self.status, code);
        let message = body["error_msg"].as_str().unwrap();
        assert!(
            message.starts_with(text),
            "{message:?} does not begin with {text:?}"
        );
        // A detail is a sentence of its own behind the published text, or there is none.
        let detail = message.strip_prefix(text).unwrap();
        assert!(detail.is_empty() || detail.starts_with(' '), "{message:?}");
        assert!(
            !detail.ends_with(' ') && !detail.contains('\n'),
            "{message:?}"
        );
    }
}

/// The text that the errors of a code begin with: contract 3.2 and 3.3 for HSS and APIGW.
fn published(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (400, "HSS.0001") => "Invalid parameter.",
        (400, "HSS.0002") => "Failed to parse the request.",
        (400, "HSS.0011") => "Requested resource not found.",
        (400, "HSS.0013") => "Insufficient permissions.",
        (404, "APIGW.0101") => {
            "The API does not exist or has not been published in the environment."
        }
        (400, "APIGW.0201") => "API request error.",
        (414, "APIGW.0201") => "Request URI too large.",
        (431, "APIGW.0201") => "Request header too large.",
        (401, "APIGW.0301") => "Incorrect IAM authentication information:",
        (403, "APIGW.0302") => "The IAM user is not authorized to access the API.",
        (403, "APIGW.0306") => "API access denied.",
        (401, "APIGW.0307") => "The token must be updated.",
        (429, "APIGW.0308") => "The throttling threshold has been reached.",
        (503, "APIGW.0613") => "The IAM service is currently unavailable.",
        (400, "PORTOLAN.0001") => "The body is not JSON.",
        (400, "PORTOLAN.0002") => "The number of items is not allowed.",
        (415, "PORTOLAN.0003") => "Unsupported content type or encoding.",
        (413, "PORTOLAN.0004") => "The body is too large.",
        (429, "PORTOLAN.0005") => "Too many reports are waiting.",
        (503, "PORTOLAN.0006") => "The server is not serving.",
        (503, "PORTOLAN.0007") => "The store failed.",
        (400, "PORTOLAN.0010") => "A field is invalid.",
        (400, "PORTOLAN.0011") => "The enterprise project is not granted.",
        (404, "PORTOLAN.0014") => "There is no such host.",
        (404, "PORTOLAN.0015") => "There is no such credential.",
        (409, "PORTOLAN.0016") => "The credential cannot be revoked here.",
        (409, "PORTOLAN.0017") => "The credential cannot be made.",
        (403, "PORTOLAN.0018") => "The credential is not for that host.",
        (409, "PORTOLAN.0019") => "The host is enrolled already.",
        (400, "PORTOLAN.0020") => "The moment is outside the history that is kept.",
        (400, "PORTOLAN.0021") => "The position is not in the history that is kept.",
        _ => panic!("{code} with status {status} is not an error that a test expects"),
    }
}
