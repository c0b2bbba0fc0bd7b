//! The certificate by which this host shows a server who it is, and its key.

use std::path::{Path, PathBuf};

use ureq::tls::{ClientCert, PemItem, PrivateKey, parse_pem};

use crate::transport::{RootsError, read_ca_file};

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the host's certificate first, then those between it and the CA.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// They cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientCertificateError {
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] RootsError),
    /// The key.
    #[error("{} holds no private key in PEM form that can be read", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
}

impl ClientCertificate {
    /// Reads both files.
    ///
    /// # Errors
    /// One of them cannot be read, or holds none.
    pub fn read(&self) -> Result<ClientCert, ClientCertificateError> {
        let chain = read_ca_file(&self.certificate)?;
        let key = private_key(&self.key).ok_or_else(|| ClientCertificateError::Key {
            path: self.key.clone(),
        })?;
        Ok(ClientCert::new_with_certs(&chain, key))
    }
}

fn private_key(path: &Path) -> Option<PrivateKey<'static>> {
    let pem = std::fs::read(path).ok()?;
    parse_pem(&pem).find_map(|item| match item {
        Ok(PemItem::PrivateKey(key)) => Some(key),
        _ => None,
    })
}
