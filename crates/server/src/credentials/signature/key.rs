//! What signatures of one access key are checked with.
//!
//! Two keyed states instead of the secret key: each starts a hash where the key has been taken in, so
//! that a request pays for its own bytes only, and the secret key itself is not kept in memory.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::credentials::hex;
use crate::credentials::signature::authorization::{ALGORITHM, Offer, SCOPE_END, Scope};
use crate::credentials::signature::canonical::Canonical;

type HmacSha256 = Hmac<Sha256>;

/// A secret key, ready to check signatures.
#[derive(Clone)]
pub(crate) struct SigningKey {
    plain: HmacSha256,
    /// Of `SDK` and the secret key, which the older form begins with.
    scoped: HmacSha256,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    pub(crate) fn new(sk: &str) -> Self {
        let scoped = zeroize::Zeroizing::new(format!("SDK{sk}"));
        Self {
            plain: keyed(sk.as_bytes()),
            scoped: keyed(scoped.as_bytes()),
        }
    }

    /// Whether one of the canonical forms was signed with this key. Compared in constant time.
    pub(super) fn has_signed(&self, offer: &Offer<'_>, mut canonical: Canonical<'_>) -> bool {
        let derived = offer.scope.as_ref().map(|scope| self.derived(scope));
        let key = derived.as_ref().unwrap_or(&self.plain);
        while let Some(form) = canonical.next_form() {
            let hash = hex::digits(&Sha256::digest(form).into());
            let mut mac = key.clone();
            mac.update(ALGORITHM.as_bytes());
            mac.update(b"\n");
            mac.update(offer.date.as_bytes());
            mac.update(b"\n");
            if let Some(scope) = &offer.scope {
                mac.update(scope.text.as_bytes());
                mac.update(b"\n");
            }
            mac.update(&hash);
            if mac.verify_slice(&offer.signature).is_ok() {
                return true;
            }
        }
        false
    }

    /// The key of a scope: in four steps, each keyed by the one before.
    fn derived(&self, scope: &Scope<'_>) -> HmacSha256 {
        let steps = [scope.date, scope.region, scope.service, SCOPE_END];
        steps
            .into_iter()
            .fold(self.scoped.clone(), |mut mac, step| {
                mac.update(step.as_bytes());
                keyed(&mac.finalize().into_bytes())
            })
    }
}

fn keyed(key: &[u8]) -> HmacSha256 {
    // A key of any length is taken, so there is no error to give; an empty one would be as wrong.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&Default::default()))
}
