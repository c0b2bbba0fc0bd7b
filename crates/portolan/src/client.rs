//! The HTTP client of the commands that ask a server.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portolan_agent::{ServerUrl, read_ca_file};
use portolan_wire::caps::{TOKEN_CHARS_MAX, TOKEN_CHARS_MIN};
use portolan_wire::error::ErrorBody;
use serde_json::Value;
use ureq::http::{HeaderValue, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Body, BodyReader};

use crate::cli::Server;
use crate::usage::Usage;

/// Largest answer that is read, in bytes: 200 rows of 20,000 ports each stay far below.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// A server, and a project of it.
pub(crate) struct Client {
    agent: ureq::Agent,
    server: ServerUrl,
    token: HeaderValue,
    project: String,
}

/// Where a server is, how its certificate is checked, and as whom to ask.
pub(crate) struct Address {
    pub(crate) server: ServerUrl,
    pub(crate) token: HeaderValue,
    pub(crate) tls: TlsConfig,
}

impl Address {
    /// Reads what a command was given; tells all mistakes in it.
    pub(crate) fn read(server: &str, token: &str, ca_file: Option<&Path>) -> Result<Self, Usage> {
        let url = ServerUrl::parse(server).map_err(|error| format!("--server: {error}"));
        let token = header(token);
        let is_https = url
            .as_ref()
            .is_ok_and(|url| url.as_str().starts_with("https://"));
        let tls = tls(is_https, ca_file).map_err(|error| format!("--ca-file: {error:#}"));
        match (url, token, tls) {
            (Ok(server), Ok(token), Ok(tls)) => Ok(Self { server, token, tls }),
            (url, token, tls) => {
                let mistakes = [url.err(), token.err(), tls.err()];
                Err(Usage(mistakes.into_iter().flatten().collect()))
            }
        }
    }
}

impl Client {
    /// A client for the project that was named, or else for the one that the token is for.
    pub(crate) fn new(server: &Server) -> anyhow::Result<Self> {
        let address = Address::read(&server.server, &server.token, server.ca_file.as_deref())?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(address.tls);
        let mut client = Self {
            agent: config.build().into(),
            server: address.server,
            token: address.token,
            project: String::new(),
        };
        client.project = match &server.project {
            Some(project) => project.clone(),
            None => client.own_project()?,
        };
        Ok(client)
    }

    fn own_project(&self) -> anyhow::Result<String> {
        let credential = self.get(&format!("{}/portolan/v1/credential", self.server.as_str()))?;
        match credential.get("project_id").and_then(Value::as_str) {
            Some("*") | None => bail!("the token is for every project: name one with --project"),
            Some(project) => Ok(project.to_owned()),
        }
    }

    /// The address of `path` in the project.
    fn in_project(&self, path: &str) -> String {
        let project = escape(&self.project);
        let server = self.server.as_str();
        format!("{server}/portolan/v1/projects/{project}{path}")
    }

    /// `GET /portolan/v1/projects/{project}{path}` with a query.
    pub(crate) fn read(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.get(&self.asking(path, query))
    }

    /// The address of `path` in the project, with a query.
    fn asking(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut url = self.in_project(path);
        for (place, (name, value)) in query.iter().enumerate() {
            url.push(if place == 0 { '?' } else { '&' });
            url.push_str(&format!("{name}={}", escape(value)));
        }
        url
    }

    /// The body of an answer that goes on, behind the event of that id.
    pub(crate) fn stream(
        &self,
        path: &str,
        query: &[(&str, &str)],
        after: Option<&str>,
    ) -> Result<BodyReader<'static>, NoStream> {
        let mut asking = self
            .agent
            .get(self.asking(path, query))
            .header("X-Auth-Token", &self.token)
            .header("Accept", "text/event-stream");
        if let Some(after) = after {
            asking = asking.header("Last-Event-ID", after);
        }
        let asked = asking.call();
        match asked {
            Ok(answer) if answer.status().is_success() => Ok(answer.into_body().into_reader()),
            Ok(answer) => {
                let status = answer.status();
                let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                let why = self.answer(Ok(answer)).err();
                let why = why.unwrap_or_else(|| anyhow::anyhow!("the server answers {status}"));
                Err(NoStream { why, may_pass })
            }
            Err(error) => Err(NoStream {
                why: self
                    .answer(Err(error))
                    .err()
                    .unwrap_or_else(|| anyhow::anyhow!("no answer")),
                may_pass: true,
            }),
        }
    }

    /// All rows of a list that pages by cursor.
    pub(crate) fn read_all(
        &self,
        path: &str,
        list: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut page_query = query.to_vec();
            page_query.push(("limit", "200"));
            page_query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut page = self.read(path, &page_query)?;
            if let Some(Value::Array(page_rows)) = page.get_mut(list).map(Value::take) {
                rows.extend(page_rows);
            }
            cursor = page
                .get("next_cursor")
                .and_then(Value::as_str)
                .map(str::to_owned);
            if cursor.is_none() {
                return Ok(rows);
            }
        }
    }

    /// `GET` of a whole address.
    pub(crate) fn get(&self, url: &str) -> anyhow::Result<Value> {
        let asked = self
            .agent
            .get(url)
            .header("X-Auth-Token", &self.token)
            .call();
        let body = self.answer(asked)?;
        serde_json::from_slice(&body).context("the answer is not JSON: is this a Portolan server?")
    }

    /// `POST` of JSON to a path in the project.
    pub(crate) fn create(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let asked = self
            .agent
            .post(self.in_project(path))
            .header("X-Auth-Token", &self.token)
            .send_json(body);
        let body = self.answer(asked)?;
        serde_json::from_slice(&body).context("the answer is not JSON: is this a Portolan server?")
    }

    /// `DELETE` of a path in the project.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<()> {
        let asked = self
            .agent
            .delete(self.in_project(path))
            .header("X-Auth-Token", &self.token)
            .call();
        self.answer(asked).map(drop)
    }

    /// The body of an answer that is no error.
    fn answer(&self, asked: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Vec<u8>> {
        let mut answer = asked.with_context(|| format!("cannot ask {}", self.server.as_str()))?;
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .with_context(|| format!("cannot read the answer of {}", self.server.as_str()))?;
        if answer.status().is_success() {
            return Ok(body);
        }
        match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(error) => bail!(
                "the server answers {} {}: {} (request {})",
                answer.status().as_u16(),
                error.error_code,
                error.error_msg,
                error.request_id
            ),
            Err(_) => bail!("the server answers {}", answer.status()),
        }
    }
}

/// Why a stream does not begin.
pub(crate) struct NoStream {
    pub(crate) why: anyhow::Error,
    /// Whether it may begin when it is asked for again.
    pub(crate) may_pass: bool,
}

/// A token as a request carries it. One of a credentials file may hold spaces, and characters beyond
/// ASCII. The text itself is in no error.
fn header(token: &str) -> Result<HeaderValue, String> {
    let token = token.trim();
    let chars = token.chars().count();
    let fits = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&chars);
    let value = HeaderValue::from_bytes(token.as_bytes());
    match value {
        Ok(mut value) if fits => {
            value.set_sensitive(true);
            Ok(value)
        }
        _ => Err(format!(
            "--token: a token is {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} characters without control characters, got {chars} characters"
        )),
    }
}

/// What a server's certificate is checked against: with `--ca-file` only what is in it, else what the
/// system trusts, and where that is nothing, what Mozilla does.
pub(crate) fn tls(is_https: bool, ca_file: Option<&Path>) -> anyhow::Result<TlsConfig> {
    let roots = match ca_file {
        Some(path) => specific(read_ca_file(path)?),
        None if !is_https => RootCerts::WebPki,
        None => {
            let native = rustls_native_certs::load_native_certs().certs;
            let native: Vec<_> = native
                .iter()
                .map(|certificate| Certificate::from_der(certificate).to_owned())
                .collect();
            if native.is_empty() {
                RootCerts::WebPki
            } else {
                specific(native)
            }
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).build())
}

fn specific(certificates: Vec<Certificate<'static>>) -> RootCerts {
    RootCerts::Specific(Arc::new(certificates))
}

/// One path segment or query value.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
