//! Asking Keystone: `GET /v3/auth/tokens` as the service user, whose own token is fetched when it is
//! needed and again when Keystone no longer takes it. Blocks; it belongs on the blocking pool.

use std::sync::{Arc, Mutex, PoisonError};

use portolan_wire::caps;
use portolan_wire::time::UnixMicros;
use serde_json::json;
use ureq::Body;
use ureq::http::Response;

use crate::credentials::external::answer::Answer;
use crate::credentials::external::settings::ExternalKeystone;
use crate::credentials::external::{Said, Unavailable};
use crate::credentials::{Secret, TokenHash};

/// How long before its end the service user's token is not used any more, in microseconds.
const BEFORE_ITS_END: i64 = 60_000_000;

/// The service user's token.
#[derive(Clone)]
struct Own {
    token: Arc<Secret>,
    ends: UnixMicros,
}

pub(super) struct Client {
    settings: ExternalKeystone,
    own: Mutex<Option<Own>>,
}

impl Client {
    pub(super) fn new(settings: ExternalKeystone) -> Self {
        Self {
            settings,
            own: Mutex::new(None),
        }
    }

    /// What Keystone says of a token.
    pub(super) fn validate(
        &self,
        hash: &TokenHash,
        token: &str,
        now: UnixMicros,
    ) -> Result<Said, Unavailable> {
        let own = self.own_token(now, None)?;
        let mut answer = self.ask(&own, token)?;
        if answer.status() == 401 {
            // The service user's token was revoked, or Keystone has lost it: once more with another.
            let own = self.own_token(now, Some(&own))?;
            answer = self.ask(&own, token)?;
        }
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(Said::Bad),
            403 => {
                return Err(Unavailable(format!(
                    "the user {} may not validate tokens: it needs a role that may, such as service",
                    self.settings.user.name
                )));
            }
            status => return Err(Unavailable(format!("it answers {status}"))),
        }
        let told: Answer = read(&mut answer)?;
        let entry = told
            .token
            .entry(hash, &self.settings)
            .map_err(Unavailable)?;
        Ok(Said::Good(Arc::new(entry)))
    }

    fn ask(&self, own: &Own, token: &str) -> Result<Response<Body>, Unavailable> {
        let request = self
            .settings
            .client
            .get(self.settings.at("/auth/tokens?nocatalog"));
        let request = request
            .header("X-Auth-Token", own.token.expose())
            .header("X-Subject-Token", token);
        request
            .call()
            .map_err(|error| Unavailable(error.to_string()))
    }

    /// The service user's token: the one that there is, unless it ends or is the one that failed.
    fn own_token(&self, now: UnixMicros, failed: Option<&Own>) -> Result<Own, Unavailable> {
        // Held while one is fetched: the others need it, too.
        let mut held = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let good = held.as_ref().filter(|own| {
            let has_failed = failed.is_some_and(|failed| Arc::ptr_eq(&failed.token, &own.token));
            !has_failed && own.ends.0 - BEFORE_ITS_END > now.0
        });
        if let Some(own) = good {
            return Ok(own.clone());
        }
        *held = None;
        let own = self.log_in()?;
        *held = Some(own.clone());
        Ok(own)
    }

    fn log_in(&self) -> Result<Own, Unavailable> {
        let user = &self.settings.user;
        let body = json!({"auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {
                    "name": user.name,
                    "domain": {"name": user.domain},
                    "password": user.password.expose(),
                }},
            },
            "scope": {"project": {
                "name": user.project,
                "domain": {"name": user.project_domain},
            }},
        }});
        let request = self
            .settings
            .client
            .post(self.settings.at("/auth/tokens?nocatalog"));
        let sent = request
            .header("Content-Type", "application/json")
            .send(body.to_string());
        let mut answer = sent.map_err(|error| Unavailable(error.to_string()))?;
        let status = answer.status().as_u16();
        if status != 201 {
            return Err(Unavailable(format!(
                "it answers {status} to the log-in of the user {}",
                user.name
            )));
        }
        let token = answer.headers().get("x-subject-token");
        let token = token.and_then(|token| token.to_str().ok());
        let token = token.ok_or_else(|| Unavailable("a log-in gave no token".to_owned()))?;
        let token = Arc::new(Secret::new(token.to_owned()));
        let told: Answer = read(&mut answer)?;
        let ends = told.token.ends().map_err(Unavailable)?;
        Ok(Own { token, ends })
    }
}

fn read(answer: &mut Response<Body>) -> Result<Answer, Unavailable> {
    let body = answer.body_mut().with_config();
    let bytes = body.limit(caps::KEYSTONE_ANSWER_BYTES_MAX).read_to_vec();
    let bytes = bytes.map_err(|error| Unavailable(error.to_string()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Unavailable(format!("its answer is not a token's: {error}")))
}
