//! Which certificates the agent trusts.
//!
//! With `--ca-file` only those in the file, as with curl's `--cacert`: who runs a CA of their own
//! does not want every public one beside it. Else the system's, so that what
//! `update-ca-certificates` changed is honoured, and where there are none (a bare container)
//! Mozilla's, compiled in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// The file of `--ca-file` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not PEM, or holds no certificate.
    #[error("{} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}

/// The certificates in a PEM file, at least one.
///
/// # Errors
/// Where the file cannot be read, is not PEM or holds none.
pub fn read_ca_file(path: &Path) -> Result<Vec<Certificate<'static>>, RootsError> {
    let pem = std::fs::read(path).map_err(|source| RootsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let items: Result<Vec<_>, _> = parse_pem(&pem).collect();
    let certificates: Vec<_> = items
        .unwrap_or_default()
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(RootsError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

/// What a TLS connection is checked against.
pub(super) fn root_certs(ca_file: Option<&Path>) -> Result<RootCerts, RootsError> {
    if let Some(path) = ca_file {
        return Ok(RootCerts::Specific(Arc::new(read_ca_file(path)?)));
    }
    let native = rustls_native_certs::load_native_certs();
    if native.certs.is_empty() {
        tracing::warn!("the system has no certificates to trust; using those compiled in");
        return Ok(RootCerts::WebPki);
    }
    let certificates = native
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    Ok(RootCerts::Specific(Arc::new(certificates.collect())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(read_ca_file(&path), Err(RootsError::Read { .. })));
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        for text in ["", "hello", key, broken] {
            std::fs::write(&path, text).unwrap();
            let error = read_ca_file(&path).unwrap_err();
            assert!(
                matches!(&error, RootsError::NoCertificate { .. }),
                "{text:?}: {error}"
            );
            assert!(error.to_string().contains("ca.pem"), "{error}");
        }
    }

    #[test]
    fn every_certificate_of_a_file_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let one = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, format!("# two of them\n{one}\n{one}")).unwrap();
        assert_eq!(read_ca_file(&path).unwrap().len(), 2);
    }
}
