//! Secrets: made from the system's randomness, and shown to nobody by accident.

use std::fmt;
use std::io;
use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use zeroize::Zeroizing;

use crate::credentials::hex;

/// Text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for whom it is meant.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A token of 64 hex digits, 256 random bits.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_token() -> io::Result<String> {
    Ok(hex::encode(&random::<32>()?))
}

/// The id of a credential: 32 hex digits.
pub(crate) fn random_id() -> io::Result<String> {
    Ok(hex::encode(&random::<16>()?))
}

/// An access key's public half: 20 of A-Z and 0-9, the form that clients of the service expect.
pub(crate) fn random_ak() -> io::Result<String> {
    random_text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 20)
}

/// An access key's secret half: 40 letters and digits, 238 random bits.
pub(crate) fn random_sk() -> io::Result<Secret> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    random_text(letters, 40).map(Secret::new)
}

pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Each letter as likely as any other: bytes beyond the last whole multiple are drawn again.
fn random_text(letters: &[u8], length: usize) -> io::Result<String> {
    let fair = 256 / letters.len() * letters.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random::<64>()?.map(usize::from) {
            let letter = letters.get(byte % letters.len());
            if let Some(&letter) = letter.filter(|_| byte < fair && text.len() < length) {
                text.push(char::from(letter));
            }
        }
    }
    Ok(text)
}

/// The Argon2id hash of a password in the PHC string format. Takes tens of milliseconds and 19 MiB.
pub(crate) fn password_hash(password: &Secret) -> io::Result<String> {
    let salt = random::<16>()?;
    let hash: Result<PasswordHash, _> =
        Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(io::Error::other)
}

/// Whether a password is the one of a hash. Without a hash it takes as long, and is not: who asks
/// must not learn from the time whether there is such a user.
pub(crate) fn password_holds(password: &Secret, hash: Option<&str>) -> bool {
    // Made before anybody's is checked, so that the first unknown user takes no longer.
    let nobodys = nobodys_hash();
    let bytes = password.expose().as_bytes();
    let holds = Argon2::default().verify_password(bytes, hash.unwrap_or(nobodys));
    holds.is_ok() && hash.is_some()
}

/// The hash of a password that nobody has: as dear as the others.
fn nobodys_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let made = random_token().and_then(|password| password_hash(&Secret::new(password)));
        made.unwrap_or_default()
    });
    &HASH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_secrets_have_their_form_and_differ() {
        let (ak, sk) = (random_ak().unwrap(), random_sk().unwrap());
        let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        assert!(ak.len() == 20 && ak.bytes().all(upper), "{ak}");
        assert!(sk.0.len() == 40 && sk.0.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(sk, random_sk().unwrap());
        assert_eq!(random_token().unwrap().len(), 64);
    }

    #[test]
    fn a_secret_is_not_shown_and_a_password_is_salted() {
        let password = Secret::new("correct horse battery".into());
        assert_eq!(format!("{password:?}"), "Secret(…)");
        let hashes = [0, 1].map(|_| password_hash(&password).unwrap());
        assert_ne!(hashes[0], hashes[1]);
        assert!(hashes[0].starts_with("$argon2id$v=19$"), "{}", hashes[0]);
        // What is checked for who is unknown costs the same.
        let cost = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(cost(nobodys_hash()), cost(&hashes[0]));
        assert!(password_holds(&password, Some(&hashes[0])));
        let wrong = Secret::new("correct horse battery ".into());
        assert!(!password_holds(&wrong, Some(&hashes[0])));
        assert!(!password_holds(&password, Some("$argon2id$")));
        assert!(!password_holds(&password, None));
    }
}
