//! Secret keys at rest: a signature is checked with the key itself, so it must come back, and stands
//! in the store only under ChaCha20-Poly1305 with a key from a file beside it.
//!
//! Holds: what is sealed for one record opens for no other (the record's name is associated data);
//! another key is told before it is tried, by its id. A backup of the store alone opens nothing.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use sha2::{Digest as _, Sha256};

use crate::credentials::{Secret, hex, secret};

/// The file with the key that secret keys are encrypted under.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// It cannot be read or written.
    #[error("cannot {what} the secret-key file {}: {source}", path.display())]
    File {
        /// Reading or writing.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what this program writes.
    #[error("the secret-key file {} must hold 64 hex digits and nothing else", path.display())]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// It is missing, and the store has secret keys that only it opens.
    #[error(
        "the secret-key file {} is missing, and the store has access keys that only it opens: put it back, or name it by --secret-key-file",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is another key than the one that the store's secret keys are encrypted under.
    #[error(
        "the secret-key file {} holds key {held}, and access key {ak} is encrypted under {needed}: put the right file back, or name it by --secret-key-file",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// The id of its key.
        held: String,
        /// The access key.
        ak: String,
        /// The id of the key that it needs.
        needed: String,
    },
    /// The right key, and the sealed bytes do not open.
    #[error("the secret key of access key {ak} was altered in the store: it does not open")]
    Altered {
        /// The access key.
        ak: String,
    },
}

/// A sealed secret key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) key_id: String,
    pub(crate) nonce: [u8; 12],
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed(under {})", self.key_id)
    }
}

/// The key that secret keys are sealed under.
pub(crate) struct SealKey {
    path: PathBuf,
    id: String,
    cipher: ChaCha20Poly1305,
}

impl SealKey {
    /// Reads the key, and makes it where there is none and `sealed`, all that the store has, is empty.
    ///
    /// # Errors
    /// The file cannot be read or made, is not of the form, or does not open what is sealed.
    pub(crate) fn open(path: &Path, sealed: &[(&str, &Sealed)]) -> Result<Self, SecretKeyError> {
        let failed = |what| {
            let path = path.to_owned();
            move |source| SecretKeyError::File { what, path, source }
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && sealed.is_empty() => {
                let text = secret::random_token().map_err(failed("make"))?;
                write_new(path, &text).map_err(failed("write"))?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.to_owned();
                return Err(SecretKeyError::Missing { path });
            }
            Err(error) => return Err(failed("read")(error)),
        };
        let bytes: [u8; 32] = hex::decode(text.trim()).ok_or_else(|| SecretKeyError::Form {
            path: path.to_owned(),
        })?;
        let key = Self::new(path.to_owned(), bytes);
        for (ak, sealed) in sealed {
            key.unseal(ak, sealed)?;
        }
        Ok(key)
    }

    fn new(path: PathBuf, bytes: [u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"portolan-secret-key-id\n");
        hash.update(bytes);
        let id = hex::encode(&hash.finalize()).chars().take(16).collect();
        let cipher = ChaCha20Poly1305::new(&Key::from(bytes));
        Self { path, id, cipher }
    }

    /// Seals the secret key of an access key.
    pub(crate) fn seal(&self, ak: &str, sk: &Secret) -> io::Result<Sealed> {
        let nonce: [u8; 12] = secret::random()?;
        let payload = Payload {
            msg: sk.expose().as_bytes(),
            aad: &associated(ak),
        };
        let bytes = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| io::Error::other("the cipher refuses"))?;
        Ok(Sealed {
            key_id: self.id.clone(),
            nonce,
            bytes,
        })
    }

    /// Opens the secret key of an access key.
    ///
    /// # Errors
    /// It was sealed under another key, or was altered.
    pub(crate) fn unseal(&self, ak: &str, sealed: &Sealed) -> Result<Secret, SecretKeyError> {
        if sealed.key_id != self.id {
            return Err(SecretKeyError::Other {
                path: self.path.clone(),
                held: self.id.clone(),
                ak: ak.to_owned(),
                needed: sealed.key_id.clone(),
            });
        }
        let payload = Payload {
            msg: &sealed.bytes,
            aad: &associated(ak),
        };
        let opened = self.cipher.decrypt(&Nonce::from(sealed.nonce), payload);
        opened
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Secret::new)
            .ok_or_else(|| SecretKeyError::Altered { ak: ak.to_owned() })
    }
}

/// The name of the record: its kind and its id.
fn associated(ak: &str) -> Vec<u8> {
    [b"access-key\0".as_slice(), ak.as_bytes()].concat()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    // Its name must be as durable as what is sealed under it.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_sealed_opens_after_a_restart_and_for_its_own_access_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret-key");
        let key = SealKey::open(&path, &[]).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let sk = Secret::new("s".repeat(40));
        let sealed = key.seal("AK", &sk).unwrap();
        assert!(!sealed.bytes.windows(4).any(|bytes| bytes == b"ssss"));
        let again = SealKey::open(&path, &[("AK", &sealed)]).unwrap();
        assert_eq!(again.unseal("AK", &sealed).unwrap(), sk);
        assert!(matches!(
            again.unseal("BK", &sealed),
            Err(SecretKeyError::Altered { .. })
        ));
        let mut altered = sealed.clone();
        altered.bytes[0] ^= 1;
        assert!(matches!(
            again.unseal("AK", &altered),
            Err(SecretKeyError::Altered { .. })
        ));
        assert_ne!(
            key.seal("AK", &sk).unwrap().bytes,
            sealed.bytes,
            "each has its own nonce"
        );
    }

    #[test]
    fn a_missing_another_and_a_broken_key_file_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret-key");
        let sealed = SealKey::open(&path, &[])
            .unwrap()
            .seal("AK", &Secret::new("s".into()))
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let missing = SealKey::open(&path, &[("AK", &sealed)]);
        assert!(matches!(missing, Err(SecretKeyError::Missing { .. })));
        assert!(!path.exists(), "no new key hides that the old one is gone");
        SealKey::open(&path, &[]).unwrap();
        let other = SealKey::open(&path, &[("AK", &sealed)]).err().unwrap();
        assert!(matches!(&other, SecretKeyError::Other { ak, .. } if ak == "AK"));
        assert!(other.to_string().contains("--secret-key-file"), "{other}");
        std::fs::write(&path, "abc").unwrap();
        assert!(matches!(
            SealKey::open(&path, &[]),
            Err(SecretKeyError::Form { .. })
        ));
    }
}
