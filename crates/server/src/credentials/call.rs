//! A request that has reached its route, with the credential that it carries.
//!
//! A token is looked up. A signature is over the body as well, so the body of a signed request is
//! received and hashed before its handler runs, under the caps and times of every body; a handler that
//! wants it finds it here either way.
//! Holds: a signature that is offered must hold; a token beside it is no way around it.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::credentials::{Api, Entry, Known, Role, signed, unavailable};
use crate::edge::Peer;
use crate::enrolment::first_use;
use crate::error::ApiError;
use crate::ingest::Incoming;
use crate::limits::Limit;
use crate::tls::ClientCertificate;

/// The request.
pub(crate) struct Call {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
    /// What the connection's client has shown of itself, where the server asks for that.
    pub(super) certificate: Option<ClientCertificate>,
    app: Arc<App>,
    entry: Arc<Entry>,
}

impl FromRequest<Arc<App>> for Call {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let certificate = parts.extensions.get::<ClientCertificate>().cloned();
        let (entry, body) = if is_signed_request(&parts.headers) {
            signed::check(app, &parts, body).await?
        } else {
            (by_token(app, &parts.headers)?, Incoming::Coming(body))
        };
        let from = parts.extensions.get::<Peer>().map(|peer| peer.0);
        first_use(app, &entry, from).await?;
        Ok(Self {
            headers: parts.headers,
            body,
            certificate,
            app: Arc::clone(app),
            entry,
        })
    }
}

impl Call {
    /// The credential, unless it makes this call too often.
    pub(crate) fn credential(&self, api: Api) -> Result<&Arc<Entry>, ApiError> {
        in_pace(&self.app, &self.entry, api)?;
        // No project is asked for there: nothing else would refuse an enrol key.
        if api == Api::Identity && self.entry.grant.role == Role::Enrol {
            return Err(ApiError::of(ErrorCode::RoleNotAllowed).told_to(&self.entry.id));
        }
        Ok(&self.entry)
    }
}

/// The credential of a request whose answer goes on for long: it must hold for as long.
pub(crate) struct Standing {
    /// The token, or none where the request was signed.
    token: Option<String>,
    entry: Arc<Entry>,
    from: Peer,
}

impl Standing {
    pub(crate) fn of(call: &Call, from: Peer) -> Self {
        let signed = is_signed_request(&call.headers);
        let token = call.headers.get("x-auth-token").filter(|_| !signed);
        let token = token.and_then(|token| std::str::from_utf8(token.as_bytes()).ok());
        Self {
            token: token.map(str::to_owned),
            entry: Arc::clone(&call.entry),
            from,
        }
    }

    /// Whether the same request would still be accepted, and see the same.
    pub(crate) async fn holds(&self, app: &App) -> bool {
        let now = match &self.token {
            Some(token) => {
                if let (Some(external), None) = (&app.external, app.credentials.token(token))
                    && external.learn(token, self.from.0).await.is_err()
                {
                    return false;
                }
                of_token(app, token)
            }
            None => {
                let entry = app.credentials.access_key(&self.entry.id);
                entry.ok_or_else(|| ApiError::of(ErrorCode::Unauthenticated))
            }
        };
        now.and_then(|entry| in_use(app, entry))
            .is_ok_and(|entry| entry.grant == self.entry.grant)
    }

    /// Whose streams its stream counts among: those of a log-in are those of the credential that it
    /// came from.
    pub(crate) fn counted(&self, app: &App) -> Arc<Entry> {
        counted(app, &self.entry)
    }
}

/// The credential that the calls of one count for.
fn counted(app: &App, entry: &Arc<Entry>) -> Arc<Entry> {
    let session = app.credentials.session(entry);
    let parent = session.and_then(|session| app.credentials.parent(&session.parent));
    parent.unwrap_or_else(|| Arc::clone(entry))
}

/// Counts a call of a credential, or refuses it because there are too many. A log-in's calls are those
/// of the credential that it came from: who logs in again has no more of them.
pub(crate) fn in_pace(app: &App, entry: &Arc<Entry>, api: Api) -> Result<(), ApiError> {
    let Some(a_second) = app.settings.calls_a_second.filter(|_| api.is_throttled()) else {
        return Ok(());
    };
    if counted(app, entry).pace.allows(api, app.now(), a_second) {
        return Ok(());
    }
    // The words of the service's own gateway.
    let detail = format!("policy user over ratelimit,limit:{a_second},time:1 second");
    Err(ApiError::new(ErrorCode::Throttled, detail).at(Limit::CallsOfACredential))
}

fn by_token(app: &App, headers: &HeaderMap) -> Result<Arc<Entry>, ApiError> {
    let refused = |detail: &str| ApiError::new(ErrorCode::Unauthenticated, detail);
    let mut tokens = headers.get_all("x-auth-token").iter();
    let token = match (tokens.next(), tokens.next()) {
        (Some(token), None) if !token.is_empty() => token,
        (None, _) | (Some(_), None) => return Err(refused("x-auth-token not found")),
        (Some(_), Some(_)) => return Err(refused("x-auth-token must be given once")),
    };
    // Not `to_str`: a token of the credentials file may have characters beyond ASCII.
    let token = std::str::from_utf8(token.as_bytes()).map_err(|_| refused("decrypt token fail"))?;
    in_use(app, of_token(app, token)?)
}

/// The credential of a token, as far as it is known here.
fn of_token(app: &App, token: &str) -> Result<Arc<Entry>, ApiError> {
    let entry = app.credentials.token(token);
    match (entry, app.external.as_ref().map(|known| known.known(token))) {
        (Some(entry), _) | (None, Some(Known::Good(entry))) => Ok(entry),
        (None, None | Some(Known::Bad)) => Err(ApiError::new(
            ErrorCode::Unauthenticated,
            "decrypt token fail",
        )),
        // It was asked for before (`routes::learn`), and others have pushed the answer out since.
        (None, Some(Known::Nothing)) => Err(unavailable()),
    }
}

/// A credential whose holder has proved it, unless it has ended.
pub(super) fn in_use(app: &App, entry: Arc<Entry>) -> Result<Arc<Entry>, ApiError> {
    let now = app.now();
    if entry.is_expired(now) {
        return Err(ApiError::of(ErrorCode::TokenExpired).told_to(&entry.id));
    }
    entry.used(now);
    Ok(entry)
}

/// Whether a request offers a signature.
pub(crate) fn is_signed_request(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(header::AUTHORIZATION);
    offered.iter().any(is_signed)
}

/// Whether the value of an Authorization header offers a signature, by any scheme that signs: those of
/// the service's own clients (`SDK-…`, `V11-…`), and others of the form. Its clients also send
/// `none` beside a token, which offers nothing.
fn is_signed(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    // What nearly every one of them begins with needs no copy.
    if value.starts_with(b"SDK-HMAC-SHA256 ") {
        return true;
    }
    let value = value.to_ascii_uppercase();
    let (scheme, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(end) => value.split_at(end),
        None => (value.as_slice(), [].as_slice()),
    };
    let holds = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    scheme.starts_with(b"SDK-")
        || scheme.starts_with(b"V11-")
        || holds(scheme, b"-HMAC-")
        || holds(rest, b"SIGNATURE=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_that_signs_is_told_from_what_signs_nothing() {
        for signed in [
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=00",
            "sdk-hmac-sha256",
            "SDK-HMAC-SM3 Access=AK",
            "SDK-ECDSA-P256-SHA256 Access=AK",
            "SDK-SM2-SM3 Access=AK",
            "V11-HMAC-SHA256 Credential=AK/20260102/r/hss, SignedHeaders=x, Signature=00",
            "v11-hmac-sha256",
            "AWS4-HMAC-SHA256 Credential=AK/20260102/r/s/aws4_request, Signature=00",
            "Signature keyId=\"k\",signature=\"00\"",
        ] {
            assert!(is_signed(&HeaderValue::from_static(signed)), "{signed}");
        }
        for other in [
            "",
            "none",
            "Bearer abc",
            "Basic YTpi",
            "SDK",
            "x SDK-HMAC-SHA256",
        ] {
            assert!(!is_signed(&HeaderValue::from_static(other)), "{other}");
        }
    }
}
