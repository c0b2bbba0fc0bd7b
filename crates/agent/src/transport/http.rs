//! Messages over HTTP/1.1, plain or by TLS, with ureq.
//!
//! Blocking, on a thread of its own: one request at a time needs no async runtime. Holds: every
//! request ends within [`REQUEST_TIME_MAX`]; no more than [`ANSWER_BYTES_MAX`] of an answer is kept;
//! redirects are not followed, so the token goes to the configured server alone; the proxy of the
//! environment is used, but never for a server on this machine.

use std::io::ErrorKind;
use std::time::Duration;

use portolan_wire::error::ErrorBody;
use portolan_wire::heartbeat::{HeartbeatResult, HeartbeatsAnswer};
use portolan_wire::report::{COMES_AGAIN, ReportResult, ReportsAnswer};
use portolan_wire::visible::visible;
use serde::de::DeserializeOwned;
use ureq::http::{Response, header};
use ureq::tls::TlsConfig;

use super::enrolled::NoToken;
use super::roots::root_certs;
use super::{Message, Outcome, Refusal, RootsError, Transport, body};
use crate::config::{
    ClientCertificate, ClientCertificateError, Config, Secret, TokenError, TokenSource,
};
use crate::enrolment::Enrolment;
use crate::trouble::Trouble;

/// Longest time for name resolution, connection and TLS together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest time for a whole request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Largest answer; the one to a single report or heartbeat has less than a kilobyte.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Most characters of an unknown body that go to the log.
const EXCERPT_CHARS_MAX: usize = 200;
/// ureq's buffers; its default of 128 KiB each would be a tenth of the agent's memory.
const BUFFER_BYTES: usize = 16 << 10;

/// The way to the server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// There is no token.
    #[error("the token: {0}")]
    Token(#[from] TokenError),
    /// The certificates to trust cannot be read.
    #[error("the certificates to trust: {0}")]
    Roots(#[from] RootsError),
    /// This host's own certificate cannot be read.
    #[error("the certificate of this host: {0}")]
    ClientCertificate(#[from] ClientCertificateError),
}

/// The way to one server.
#[derive(Debug)]
pub struct HttpTransport {
    http: ureq::Agent,
    reports_url: String,
    heartbeats_url: String,
    pub(super) enrol_url: String,
    pub(super) rotate_url: String,
    pub(super) source: TokenSource,
    /// None before the host has enrolled.
    pub(super) token: Option<Secret>,
    pub(super) enrolment: Option<Enrolment>,
    /// The last answer said when to come again.
    comes_again: bool,
    /// With reading the token again, or with getting another.
    pub(super) trouble: Trouble,
}

impl HttpTransport {
    /// Sets up the way; nothing is sent yet.
    ///
    /// # Errors
    /// Where there is no token, or the certificates to trust cannot be read.
    pub fn new(config: &Config) -> Result<Self, TransportError> {
        let token = match &config.token {
            TokenSource::File(_) | TokenSource::Literal(_) => Some(config.token.read()?),
            // What it answers is the token; see `enrolled`.
            TokenSource::EnrolKey(_) => None,
        };
        config.token.warn_if_others_may_read();
        let server = &config.server;
        if !server.is_https() && !server.is_loopback() {
            tracing::warn!(
                server.url = server.as_str(),
                "the token and the reports travel unencrypted; give an https:// --server"
            );
        }
        let mut http = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIME_MAX))
            .timeout_global(Some(REQUEST_TIME_MAX))
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_idle_connections(1)
            .user_agent(concat!("portolan-agent/", env!("CARGO_PKG_VERSION")));
        if server.is_loopback() {
            http = http.proxy(None);
        }
        if server.is_https() {
            let roots = root_certs(config.ca_file.as_deref())?;
            let own = config.client_certificate.as_ref();
            let own = own.map(ClientCertificate::read).transpose()?;
            let tls = TlsConfig::builder().root_certs(roots).client_cert(own);
            http = http.tls_config(tls.build());
        }
        Ok(Self {
            http: http.build().new_agent(),
            reports_url: server.endpoint(&config.project, "reports"),
            heartbeats_url: server.endpoint(&config.project, "heartbeats"),
            enrol_url: server.endpoint(&config.project, "enrol"),
            rotate_url: server.endpoint(&config.project, "enrol/rotate"),
            source: config.token.clone(),
            token,
            enrolment: None,
            comes_again: false,
            trouble: Trouble::default(),
        })
    }

    pub(super) fn post(
        &self,
        url: &str,
        token: &Secret,
        body: &body::Body,
    ) -> Result<Answer, Failed> {
        let mut request = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-Auth-Token", token.expose());
        if self.comes_again {
            request = request.header(COMES_AGAIN, "1");
        }
        if body.is_zstd {
            request = request.header(header::CONTENT_ENCODING, "zstd");
        }
        let mut response = request
            .send(&body.bytes[..])
            .map_err(|error| Failed::of(&error))?;
        let bytes = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|error| Failed {
                reason: format!("reading the answer: {}", in_words(&error)),
                is_sent: true,
            })?;
        Ok(Answer::new(&response, bytes))
    }

    /// Takes up another token where there is one.
    fn token_changed(&mut self) -> bool {
        match self.source.read() {
            Ok(token) if Some(&token) != self.token.as_ref() => {
                tracing::info!("the token file has another token; using it");
                let _times = self.trouble.over();
                self.token = Some(token);
                true
            }
            Ok(_) => false,
            Err(error) => {
                if self.trouble.is_news(&error.to_string()) {
                    tracing::warn!(%error, "the token cannot be read again; keeping the one in use");
                }
                false
            }
        }
    }
}

impl HttpTransport {
    /// The token for the next request.
    fn ready(&mut self) -> Result<Secret, NoToken> {
        if self.enrolment.is_some() {
            return self.ready_token();
        }
        let none = || NoToken::NotHad("there is no token".to_owned());
        self.token.clone().ok_or_else(none)
    }

    /// Another token after the one in use was refused, if there is one.
    fn another_token(&mut self, refusal: Refusal) -> Result<Option<Secret>, NoToken> {
        if self.enrolment.is_some() {
            return self.enrol_again(refusal).map(Some);
        }
        let has_changed = self.token_changed();
        Ok(self.token.clone().filter(|_| has_changed))
    }
}

impl Transport for HttpTransport {
    fn send(&mut self, message: Message) -> Outcome {
        let is_report = matches!(message, Message::Report(_));
        let url = if is_report {
            &self.reports_url
        } else {
            &self.heartbeats_url
        }
        .clone();
        let body = match body::encode(message) {
            Ok(body) => body,
            Err(reason) => return Outcome::NotSent(reason),
        };
        let token = match self.ready() {
            Ok(token) => token,
            Err(why) => return why.into(),
        };
        let mut answer = self.post(&url, &token, &body);
        if let Ok(refused) = &answer
            && refused.status == 401
        {
            let refusal = refused.refusal();
            // Another token needs neither a restart nor a back-off.
            match self.another_token(refusal) {
                Ok(Some(token)) => answer = self.post(&url, &token, &body),
                Ok(None) => {}
                Err(why) => return why.into(),
            }
        }
        let told = |answer: &Answer| answer.status != 200 && answer.retry_after.is_some();
        self.comes_again = answer.as_ref().is_ok_and(told);
        match answer {
            Err(failed) if failed.is_sent => Outcome::Unreachable(failed.reason),
            Err(failed) => Outcome::NotSent(failed.reason),
            Ok(answer) if answer.status != 200 => Outcome::Refused(answer.refusal()),
            Ok(answer) if is_report => {
                let read = |body: ReportsAnswer| single(body.results);
                let harmless = |mut result: ReportResult| {
                    make_visible([&mut result.error_code, &mut result.error_msg]);
                    make_visible(result.current.iter_mut().map(|held| &mut held.agent_id));
                    Outcome::Report(result)
                };
                answer
                    .read(read)
                    .map_or_else(Outcome::Unreachable, harmless)
            }
            Ok(answer) => {
                let read = |body: HeartbeatsAnswer| single(body.results);
                let harmless = |mut result: HeartbeatResult| {
                    make_visible([&mut result.error_code, &mut result.error_msg]);
                    Outcome::Heartbeat(result)
                };
                answer
                    .read(read)
                    .map_or_else(Outcome::Unreachable, harmless)
            }
        }
    }
}

/// An answer, read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Answer {
    fn new<B>(response: &Response<B>, body: Vec<u8>) -> Self {
        let retry_after = response.headers().get(header::RETRY_AFTER);
        Self {
            status: response.status().as_u16(),
            retry_after: retry_after.and_then(|value| seconds(value.to_str().ok()?)),
            body,
        }
    }

    pub(super) fn read<B: DeserializeOwned, T>(
        &self,
        take: impl FnOnce(B) -> Option<T>,
    ) -> Result<T, String> {
        let body: B = serde_json::from_slice(&self.body).map_err(|error| {
            let error = visible(&error.to_string());
            format!("the answer 200 is not what a Portolan server says: {error}")
        })?;
        take(body).ok_or_else(|| "the answer 200 does not hold exactly one result".to_owned())
    }

    pub(super) fn refusal(&self) -> Refusal {
        let text = match serde_json::from_slice::<ErrorBody>(&self.body) {
            Ok(error) => {
                format!(
                    "{}: {} (request {})",
                    error.error_code, error.error_msg, error.request_id
                )
            }
            Err(_) => String::from_utf8_lossy(&self.body)
                .chars()
                .take(EXCERPT_CHARS_MAX)
                .collect(),
        };
        Refusal {
            status: self.status,
            text: visible(&text),
            retry_after: self.retry_after,
        }
    }
}

/// Whoever answers may be no server of ours, and what it says goes to the log.
fn make_visible<'a>(texts: impl IntoIterator<Item = &'a mut Option<String>>) {
    for text in texts.into_iter().flatten() {
        *text = visible(text);
    }
}

/// `Retry-After` in seconds; the form with a date needs a common clock, and no server of ours uses it.
fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than fit are still a very long time.
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))))
}

fn single<T>(results: Vec<T>) -> Option<T> {
    let [result] = <[T; 1]>::try_from(results).ok()?;
    Some(result)
}

/// A request that got no answer.
pub(super) struct Failed {
    pub(super) reason: String,
    /// Whether it may have reached somebody.
    is_sent: bool,
}

impl Failed {
    fn of(error: &ureq::Error) -> Self {
        let is_sent = match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_)
            | ureq::Error::BadUri(_)
            | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => false,
            // Others are told of a connection that stood, too.
            ureq::Error::Io(cause) => cause.kind() != ErrorKind::ConnectionRefused,
            _ => true,
        };
        Self {
            reason: in_words(error),
            is_sent,
        }
    }
}

/// What failed, with the hint for the one certificate mistake that everybody makes once.
fn in_words(error: &ureq::Error) -> String {
    let text = error.to_string();
    if text.contains("CaUsedAsEndEntity") {
        return format!(
            "{text}: the server shows a self-signed CA certificate as its own; give it one that \
             the CA in --ca-file signed"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_only() {
        assert_eq!(seconds("120"), Some(Duration::from_secs(120)));
        assert_eq!(seconds(" 0 "), Some(Duration::ZERO));
        assert_eq!(
            seconds(&"9".repeat(30)),
            Some(Duration::from_secs(u64::from(u32::MAX)))
        );
        for other in ["", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"] {
            assert_eq!(seconds(other), None, "{other:?}");
        }
    }

    #[test]
    fn only_a_single_result_is_an_answer() {
        assert_eq!(single(vec![7]), Some(7));
        assert_eq!(single(Vec::<u8>::new()), None);
        assert_eq!(single(vec![7, 8]), None);
    }

    #[test]
    fn an_error_of_the_server_is_told_by_code_and_another_body_by_its_beginning() {
        let answer = |body: &str| Answer {
            status: 503,
            retry_after: None,
            body: body.into(),
        };
        let ours =
            answer(r#"{"error_code":"PORTOLAN.0006","error_msg":"starting","request_id":"ab"}"#);
        assert_eq!(ours.refusal().text, "PORTOLAN.0006: starting (request ab)");
        let other = answer(&"<".repeat(1_000)).refusal();
        assert_eq!((other.status, other.text), (503, "<".repeat(200)));
        let ours = answer(r#"{"error_code":"\u001b[31m","error_msg":"","request_id":""}"#);
        assert_eq!(ours.refusal().text, "\\u{1b}[31m:  (request )");
        assert_eq!(answer("\u{1b}\n").refusal().text, "\\u{1b}\\n");
    }
}
