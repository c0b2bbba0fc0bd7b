//! Checks requests signed by `SDK-HMAC-SHA256`, as the service's own clients sign them.
//!
//! Pure: the request, the hash of its body, the moment and the key are arguments. In two steps, so
//! that what can be refused without the body is: [`Offer::read`] and [`Offer::check_time`], then
//! [`check_declared`] and [`Offer::holds`]. A signature may come again: clients that retry repeat it with its date.
//! Clients disagree on the canonical form: some percent-decode the path before they encode it, others
//! encode it as it is; some sort the query, others keep its order. All four forms are computed from
//! what was received, and one must match. The first does not tell `%2F` from `/` in a path, so
//! access is decided on the routed project, never on the canonical form.
//! Not taken: any other algorithm, and `UNSIGNED-PAYLOAD`, under which a body could be exchanged.

mod authorization;
mod canonical;
mod date;
mod key;

#[cfg(test)]
mod tests;

use axum::http::{HeaderMap, HeaderName};

use crate::credentials::hex;
pub(crate) use crate::credentials::signature::authorization::{Fault, Offer};
use crate::credentials::signature::canonical::Canonical;
pub(crate) use crate::credentials::signature::key::SigningKey;

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-sdk-content-sha256");

/// What of a request is signed, as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Percent escapes and all.
    pub(crate) path: &'a str,
    /// Without its `?`.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Offer<'_> {
    /// Whether the signature was made with `key` over this request, whose body has that SHA-256.
    pub(crate) fn holds(
        &self,
        request: &Request<'_>,
        body_sha256: &[u8; 32],
        key: &SigningKey,
    ) -> bool {
        Canonical::new(self, request, &hex::digits(body_sha256))
            .is_some_and(|canonical| key.has_signed(self, canonical))
    }
}

/// Checks what a request says of its body's hash, if anything.
///
/// # Errors
/// It is not so.
pub(crate) fn check_declared(headers: &HeaderMap, body_sha256: &[u8; 32]) -> Result<(), Fault> {
    let body_hash = hex::digits(body_sha256);
    let mut declared = headers.get_all(CONTENT_SHA256).iter();
    if declared.all(|hash| hash.as_bytes() == body_hash) {
        return Ok(());
    }
    Err(Fault::Form(
        "X-Sdk-Content-Sha256 must be the SHA-256 of the body, if it is given",
    ))
}
