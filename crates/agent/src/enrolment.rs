//! The token that this host got for an enrol key: what is kept of it, and when it is due for another.
//!
//! Holds: a token is durable before it is used for the first time; the key by which a lost answer is
//! asked for again is durable before the question. A token belongs to one host, project and enterprise
//! project: of any other this is none.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::{Config, Secret};
use crate::identity::random_id;
use crate::state::{StateDir, StateError};
use crate::stop::Stop;

const FORMAT: u32 = 1;
/// How long a rotation that failed is left alone: the token in use is as good as before.
const ROTATION_AGAIN: Duration = Duration::from_secs(3_600);

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whose {
    pub(crate) project: String,
    pub(crate) enterprise_project: String,
    pub(crate) host_id: String,
}

/// The content of `credential.json`. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptCredential {
    format: u32,
    whose: Whose,
    /// The token, once there is one.
    token: Option<String>,
    /// When it was answered, in seconds since 1970.
    made_at_s: u64,
    /// Of an enrolment whose answer has not come yet.
    retry_key: Option<String>,
}

impl fmt::Debug for KeptCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptCredential({:?})", self.whose)
    }
}

impl KeptCredential {
    pub(crate) fn is_sound(&self) -> bool {
        let is_token = |token: &String| Secret::token(token).is_ok();
        self.format == FORMAT && self.token.as_ref().is_none_or(is_token)
    }
}

/// This host's enrolment.
#[derive(Debug)]
pub(crate) struct Enrolment {
    state: Arc<StateDir>,
    stop: Stop,
    rotate_after: Duration,
    kept: KeptCredential,
    token: Option<Secret>,
    not_before: Option<Instant>,
}

impl Enrolment {
    /// What the state folder holds of it.
    pub(crate) fn load(
        config: &Config,
        host_id: &str,
        state: Arc<StateDir>,
        stop: Stop,
    ) -> Result<Self, StateError> {
        let whose = Whose {
            project: config.project.clone(),
            enterprise_project: config.enterprise_project.clone(),
            host_id: host_id.to_owned(),
        };
        let kept = state.load_credential()?;
        let before = kept.as_ref().filter(|kept| kept.whose != whose);
        if let Some(before) = before {
            tracing::warn!(
                host.id = %whose.host_id,
                host.id_before = %before.whose.host_id,
                "the token in the state folder is of another host, project or enterprise project; enrolling"
            );
        }
        let kept = kept.filter(|kept| kept.whose == whose);
        let kept = kept.unwrap_or(KeptCredential {
            format: FORMAT,
            whose,
            token: None,
            made_at_s: 0,
            retry_key: None,
        });
        let token = kept.token.as_deref().map(Secret::token);
        Ok(Self {
            state,
            stop,
            rotate_after: config.rotate_after,
            // A token that is no token was moved aside.
            token: token.and_then(Result::ok),
            kept,
            not_before: None,
        })
    }

    pub(crate) fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(crate) fn whose(&self) -> &Whose {
        &self.kept.whose
    }

    /// The key of the enrolment that begins or goes on now; durable when it returns.
    pub(crate) fn begin(&mut self) -> Result<String, StateError> {
        if let Some(key) = &self.kept.retry_key {
            return Ok(key.clone());
        }
        let key = format!("{}{}", random_id(), random_id());
        let begun = KeptCredential {
            retry_key: Some(key.clone()),
            ..self.kept.clone()
        };
        self.state.keep_credential(&begun)?;
        self.kept = begun;
        Ok(key)
    }

    /// Takes up a token that was answered at `now_s`; durable when it returns.
    pub(crate) fn take(&mut self, token: Secret, now_s: u64) -> Result<(), StateError> {
        let taken = KeptCredential {
            token: Some(token.expose().to_owned()),
            made_at_s: now_s,
            retry_key: None,
            ..self.kept.clone()
        };
        self.state.keep_credential(&taken)?;
        (self.kept, self.token, self.not_before) = (taken, Some(token), None);
        Ok(())
    }

    /// Whether the token is old enough for another at `now_s`, or somebody asked for one.
    pub(crate) fn is_due(&mut self, now_s: u64) -> bool {
        let age = Duration::from_secs(now_s.saturating_sub(self.kept.made_at_s));
        let is_told = self.stop.take_rotation();
        let is_left_alone = self.not_before.is_some_and(|at| Instant::now() < at);
        self.token.is_some() && (is_told || age >= self.rotate_after && !is_left_alone)
    }

    /// Another token could not be had: the one in use stays, for a while.
    pub(crate) fn put_off(&mut self) {
        self.not_before = Instant::now().checked_add(ROTATION_AGAIN);
    }
}
