//! Getting this host's own token, and another one in time.
//!
//! It comes before the message that needs it, on the thread that sends, so that a refused enrolment is
//! backed off from and told like any other refusal. Holds: a host that has a token enrols again only
//! when the server does not know it any more, and whether it may is the server's to say.

use portolan_wire::enrolment::{EnrolRequest, HostToken};

use super::body::Body;
use super::http::{Answer, HttpTransport, TransportError};
use super::{Outcome, Refusal};
use crate::config::Secret;
use crate::enrolment::{Enrolment, Whose};
use crate::meter::unix_seconds;

/// Why there is no token to send a message with.
pub(super) enum NoToken {
    Refused(Refusal),
    NotHad(String),
}

impl From<NoToken> for Outcome {
    fn from(why: NoToken) -> Self {
        match why {
            NoToken::Refused(refusal) => Self::Refused(refusal),
            // The message waits for its token: it has not gone.
            NoToken::NotHad(reason) => Self::NotSent(reason),
        }
    }
}

impl HttpTransport {
    /// The same way for a host with a token of its own.
    ///
    /// # Errors
    /// There is none yet, and no enrol key to get one.
    pub(crate) fn enrolled(mut self, enrolment: Enrolment) -> Result<Self, TransportError> {
        if enrolment.token().is_none() {
            self.source.read()?;
        }
        self.enrolment = Some(enrolment);
        Ok(self)
    }

    /// This host's token, got or replaced first where that is due.
    pub(super) fn ready_token(&mut self) -> Result<Secret, NoToken> {
        let is_due = |enrolment: &mut Enrolment| enrolment.is_due(unix_seconds());
        if self.enrolment.as_mut().is_some_and(is_due) {
            self.rotate();
        }
        match self.enrolment.as_ref().and_then(Enrolment::token) {
            Some(token) => Ok(token.clone()),
            None => self.enrol(),
        }
    }

    /// The token has ended: whether the host may have another one is for the server to say.
    pub(super) fn enrol_again(&mut self, refusal: Refusal) -> Result<Secret, NoToken> {
        if self.trouble.is_news("ended") {
            tracing::warn!(error = %refusal.text, "the token of this host has ended; enrolling again");
        }
        let with = |text: String| format!("{}; {text}", refusal.text);
        self.enrol().map_err(|outcome| match outcome {
            NoToken::Refused(again) => NoToken::Refused(Refusal {
                text: with(again.text),
                ..again
            }),
            NoToken::NotHad(why) => NoToken::Refused(Refusal {
                text: with(why),
                ..refusal
            }),
        })
    }

    fn enrol(&mut self) -> Result<Secret, NoToken> {
        let not_sent = |why: String| NoToken::NotHad(format!("cannot enrol: {why}"));
        let key = self
            .source
            .read()
            .map_err(|error| not_sent(format!("the enrol key: {error}")))?;
        let Some(enrolment) = &mut self.enrolment else {
            return Err(not_sent("the state folder is missing".to_owned()));
        };
        let retry_key = enrolment.begin();
        let retry_key = retry_key.map_err(|error| not_sent(error.to_string()))?;
        let whose = enrolment.whose();
        let asked = EnrolRequest {
            host_id: whose.host_id.clone(),
            enterprise_project_id: whose.enterprise_project.clone(),
            retry_key: Some(retry_key),
        };
        let bytes = serde_json::to_vec(&asked).map_err(|error| not_sent(error.to_string()))?;
        let answer = self.post(&self.enrol_url, &key, &plain(bytes));
        let answer = answer.map_err(|failed| not_sent(failed.reason))?;
        if answer.status != 201 {
            let refusal = answer.refusal();
            return Err(NoToken::Refused(Refusal {
                text: format!("the enrolment was refused: {}", refusal.text),
                ..refusal
            }));
        }
        let token = self.take(&answer).map_err(not_sent)?;
        let _times = self.trouble.over();
        tracing::info!(
            host.id = %asked.host_id,
            "this host is enrolled; its token is kept in the state folder"
        );
        Ok(token)
    }

    /// Gets another token. Where that fails the one in use stays.
    fn rotate(&mut self) {
        let Some(old) = self.enrolment.as_ref().and_then(Enrolment::token).cloned() else {
            return;
        };
        let answer = self.post(&self.rotate_url, &old, &plain(b"{}".to_vec()));
        let answer = answer.map_err(|failed| failed.reason);
        let taken = answer.and_then(|answer| match answer.status {
            201 => self.take(&answer).map(drop),
            _ => Err(answer.refusal().text),
        });
        match (taken, &mut self.enrolment) {
            (Ok(()), _) => {
                tracing::info!("this host has another token; the old one ends with its first use")
            }
            (Err(error), Some(enrolment)) => {
                enrolment.put_off();
                tracing::warn!(%error, "another token cannot be had; the one in use stays, and it is tried again in an hour");
            }
            (Err(_), None) => {}
        }
    }

    /// Keeps the token of an answer.
    fn take(&mut self, answer: &Answer) -> Result<Secret, String> {
        let Some(enrolment) = &mut self.enrolment else {
            return Err("the state folder is missing".to_owned());
        };
        let is_its = |token: &HostToken, whose: &Whose| {
            (&token.host_id, &token.enterprise_project_id)
                == (&whose.host_id, &whose.enterprise_project)
        };
        let token: HostToken = answer.read(Some)?;
        if !is_its(&token, enrolment.whose()) {
            return Err("the token that was answered is another host's".to_owned());
        }
        let secret = Secret::token(&token.token).map_err(|error| error.to_string())?;
        // IMPORTANT: durable before it is used; its first use ends the one before.
        let kept = enrolment.take(secret.clone(), unix_seconds());
        kept.map_err(|error| error.to_string())?;
        Ok(secret)
    }
}

fn plain(bytes: Vec<u8>) -> Body {
    Body {
        bytes,
        is_zstd: false,
    }
}
