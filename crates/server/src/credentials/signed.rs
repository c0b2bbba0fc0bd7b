//! Whose signature a request carries.
//!
//! An unknown access key takes the same path as a known one with a wrong signature, checked with a
//! key that nobody has, and gets the same answer. What is refused before the body is received
//! (form, time, too many failures) does not depend on whether the access key exists.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};
use portolan_wire::caps;
use portolan_wire::error::ErrorCode;

use crate::app::App;
use crate::credentials::call::in_use;
use crate::credentials::secret::random_token;
use crate::credentials::signature::{Fault, Offer, Request, SigningKey, check_declared};
use crate::credentials::{Entry, TokenHash};
use crate::edge::{Peer, Target};
use crate::error::ApiError;
use crate::failures::{Failures, Pair, Rules, WhenFull};
use crate::ingest::{Incoming, receive_signed};
use crate::limits::Limit;

const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-security-token");

/// A mistaken clock or a malformed header is no failure. What is guessed at has more than 200 random
/// bits, so a guesser who is not counted gets nowhere.
const RULES: Rules = Rules {
    locked_after: caps::SIGNATURE_FAILURES_MAX + 1,
    lock_s: caps::SIGNATURE_LOCK_S,
    kept_max: caps::SIGNATURE_FAILURES_KEPT_MAX,
    when_full: WhenFull::NotCounted,
};

/// What a server needs to check signatures, beside its credentials.
#[derive(Debug)]
pub(crate) struct Signatures {
    failures: Failures,
    /// Signs for every access key that does not exist: nobody has it.
    nobody: SigningKey,
}

impl Signatures {
    /// # Errors
    /// The system has no randomness to give.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            failures: Failures::new(RULES),
            nobody: SigningKey::new(&random_token()?),
        })
    }
}

/// The credential that signed a request, and the request's body.
pub(super) async fn check(
    app: &App,
    parts: &Parts,
    body: Body,
) -> Result<(Arc<Entry>, Incoming), ApiError> {
    let offer = Offer::read(&parts.headers).map_err(refused)?;
    offer.check_time(app.now()).map_err(refused)?;
    let pair = pair(app, parts, &offer);
    let failures = &app.signatures.failures;
    let locked_s = pair.and_then(|pair| failures.locked_s(pair, app.clock.now_s()));
    if locked_s.is_some() {
        let detail = "AK access failed to reach the limit,forbidden";
        let error = ApiError::new(ErrorCode::Unauthenticated, detail);
        return Err(error.at(Limit::SignatureFailures));
    }
    // No other method has a use for a large one.
    let most = match parts.method {
        Method::POST => caps::BODY_SENT_BYTES_MAX,
        _ => caps::SMALL_BODY_SENT_BYTES_MAX,
    };
    let time = app.limits.body;
    // The edge tells it of every request.
    let peer = parts.extensions.get::<Peer>();
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
    let (body, body_sha256) =
        receive_signed(&app.room, from, time, &parts.headers, body, most).await?;
    check_declared(&parts.headers, &body_sha256).map_err(refused)?;
    let entry = signer(app, parts, &offer, &body_sha256)
        .inspect_err(|_| pair.into_iter().for_each(|pair| count(app, pair)))?;
    if let Some(pair) = pair {
        failures.forget(pair);
    }
    Ok((in_use(app, entry)?, Incoming::Received(body)))
}

fn signer(
    app: &App,
    parts: &Parts,
    offer: &Offer<'_>,
    body_sha256: &[u8; 32],
) -> Result<Arc<Entry>, ApiError> {
    let target = parts.extensions.get::<Target>().map(|target| &target.0);
    let target = target.unwrap_or(&parts.uri);
    let request = Request {
        method: parts.method.as_str(),
        path: target.path(),
        query: target.query().unwrap_or(""),
        headers: &parts.headers,
    };
    let entry = app.credentials.access_key(offer.ak);
    let key = entry.as_ref().and_then(|entry| entry.signing_key());
    let held = offer.holds(&request, body_sha256, key.unwrap_or(&app.signatures.nobody));
    let token = security_token(&parts.headers);
    match entry {
        Some(entry) if held && entry.takes(token) => Ok(entry),
        entry => {
            let error = ApiError::new(ErrorCode::Unauthenticated, "verify aksk signature fail");
            Err(match entry {
                Some(entry) => error.told_to(&entry.id),
                None => error,
            })
        }
    }
}

/// The hash of the security token, where one is given once: hashes are compared, so that the time of
/// a comparison tells nothing of the token.
fn security_token(headers: &HeaderMap) -> Option<TokenHash> {
    let mut tokens = headers.get_all(SECURITY_TOKEN).iter();
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => std::str::from_utf8(token.as_bytes())
            .ok()
            .map(TokenHash::of),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// What failures are counted by. From this machine itself they are not, as for connections: behind a
/// proxy beside the server every client has its address.
fn pair(app: &App, parts: &Parts, offer: &Offer<'_>) -> Option<Pair> {
    let peer: IpAddr = parts.extensions.get::<Peer>()?.0;
    let spared = app.limits.spares_loopback && peer.is_loopback();
    (!spared).then(|| app.signatures.failures.pair(&[offer.ak], peer))
}

fn count(app: &App, pair: Pair) {
    if !app.signatures.failures.add(pair, app.clock.now_s()) {
        app.metrics.reached(Limit::SignatureFailuresKept);
    }
}

fn refused(fault: Fault) -> ApiError {
    let error = ApiError::new(ErrorCode::Unauthenticated, fault.to_string());
    match fault {
        Fault::Form(_) => error,
        Fault::Time { .. } => error.because("signature expired"),
    }
}
