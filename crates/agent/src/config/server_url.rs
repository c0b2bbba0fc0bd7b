//! Where the server is: scheme, host, port and the base path before `/portolan/v1`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::Uri;

/// All but the unreserved characters of RFC 3986, 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Without a slash at its end.
    base: String,
    is_https: bool,
    is_loopback: bool,
}

/// The text is no address of a server.
#[derive(Debug, thiserror::Error)]
#[error(
    "a server is http:// or https://, a host, an optional port and an optional path, without user, \
     query or fragment, such as https://portolan.example:8443; got {got:?}"
)]
pub struct ServerUrlError {
    got: String,
}

impl ServerUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// Where it is none, or one with parts that make no sense here.
    pub fn parse(text: &str) -> Result<Self, ServerUrlError> {
        let error = || ServerUrlError {
            got: without_user(text),
        };
        let uri: Uri = text.parse().map_err(|_| error())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(error()),
        };
        let authority = uri.authority().ok_or_else(error)?.as_str();
        let extra = authority.contains('@') || uri.query().is_some() || text.contains('#');
        let host = uri.host().unwrap_or("");
        if extra || host.is_empty() {
            return Err(error());
        }
        let scheme = if is_https { "https" } else { "http" };
        let base = format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'));
        Ok(Self {
            base,
            is_https,
            is_loopback: is_loopback(host),
        })
    }

    /// The address of `resource` of `project`.
    pub(crate) fn endpoint(&self, project: &str, resource: &str) -> String {
        let project = utf8_percent_encode(project, SEGMENT);
        format!("{}/portolan/v1/projects/{project}/{resource}", self.base)
    }

    /// Whether it is spoken to by TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The address as it was understood.
    pub fn as_str(&self) -> &str {
        &self.base
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// An address that holds a password must not end in a log.
fn without_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(server: &str, project: &str) -> String {
        ServerUrl::parse(server)
            .unwrap()
            .endpoint(project, "reports")
    }

    #[test]
    fn a_base_path_is_kept_and_a_project_is_one_segment() {
        let cases = [
            (
                "http://127.0.0.1:8080",
                "p1",
                "http://127.0.0.1:8080/portolan/v1/projects/p1/reports",
            ),
            (
                "https://h/",
                "p1",
                "https://h/portolan/v1/projects/p1/reports",
            ),
            (
                "https://h:1/a/b/",
                "p-._~1",
                "https://h:1/a/b/portolan/v1/projects/p-._~1/reports",
            ),
            (
                "http://[::1]:9",
                "a/b ?ä%",
                "http://[::1]:9/portolan/v1/projects/a%2Fb%20%3F%C3%A4%25/reports",
            ),
        ];
        for (server, project, address) in cases {
            assert_eq!(endpoint(server, project), address);
        }
    }

    #[test]
    fn what_is_no_server_is_refused_without_telling_a_password() {
        for bad in [
            "",
            "h",
            "h:80",
            "ftp://h",
            "http://",
            "http:///x",
            "/x",
            "http://h?x=1",
            "http://h#x",
            "http://u:secret@h",
            "http://h h",
        ] {
            let error = ServerUrl::parse(bad).unwrap_err().to_string();
            assert!(error.contains("http:// or https://"), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn loopback_is_known_by_address_and_name() {
        for (server, loopback) in [
            ("http://127.0.0.9", true),
            ("http://[::1]:80", true),
            ("http://LOCALHOST", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(
                ServerUrl::parse(server).unwrap().is_loopback(),
                loopback,
                "{server}"
            );
        }
    }
}
