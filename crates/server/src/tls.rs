//! The server's certificate and key, and the CA of its clients' certificates, read at start and again
//! on SIGHUP.
//!
//! A client certificate is asked for, and never demanded, by the handshake: people and their tools come
//! to the same address as agents. Which calls need one is decided where they are authorised. It is for
//! the hosts that its subject alternative names name: a DNS name as it stands, or a URI of
//! [`HOST_URI`]; the common name says nothing, as in RFC 9525.
//! Holds: a connection is spoken to under the certificate that was good last; files that cannot be
//! used change nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;
use webpki::EndEntityCert;

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate first, then those between it and the CA.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
    /// Certificates of clients, where they are looked at.
    pub clients: Option<ClientCertificates>,
}

/// Which certificates of clients are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM: the CA that signs them, or several.
    pub ca: PathBuf,
    /// Whether reports, heartbeats and enrolments need one. One that is shown limits them to its
    /// hosts either way.
    pub is_required: bool,
}

/// What begins a URI that names a host.
const HOST_URI: &str = "urn:portolan:host:";

/// What the client of a connection has shown, where the server asks for it.
#[derive(Clone, Debug)]
pub(crate) struct ClientCertificate {
    /// The hosts that its certificate is for; `None` without one.
    pub(crate) hosts: Option<Arc<[String]>>,
    /// Whether there must be one to speak for a host.
    pub(crate) is_required: bool,
}

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not of the form.
    #[error("{} holds no {what} in PEM form that can be read: {message}", path.display())]
    File {
        /// What it must hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// They do not fit together.
    #[error(
        "the certificate in {} and the key in {} cannot be used: {message}",
        files.certificate.display(),
        files.key.display()
    )]
    Pair {
        /// The files.
        files: TlsFiles,
        /// Why.
        message: String,
    },
}

/// TLS as the server speaks it now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not fit together.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let config = ArcSwap::from_pointee(config(&files)?);
        Ok(Self { files, config })
    }

    /// Reads both files again, for connections from now on.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); what was read before stays in use.
    pub fn read_again(&self) -> Result<(), TlsError> {
        self.config.store(Arc::new(config(&self.files)?));
        Ok(())
    }

    /// What the client of a connection has shown; `None` where it was not asked.
    pub(crate) fn shown(&self, connection: &ServerConnection) -> Option<ClientCertificate> {
        let clients = self.files.clients.as_ref()?;
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Some(ClientCertificate {
            hosts: certificate.map(hosts_of),
            is_required: clients.is_required,
        })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

fn config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let certificates = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unusable("private key", &files.key, &error))?;
    let pair = |error: rustls::Error| TlsError::Pair {
        files: files.clone(),
        message: error.to_string(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match &files.clients {
        Some(clients) => verifier(&clients.ca, &provider)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Checks certificates of clients that show one.
fn verifier(
    ca: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let what = "certificate of a CA";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(what, ca, &error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(what, ca, &error))
}

/// The hosts that a certificate is for.
fn hosts_of(certificate: &CertificateDer<'_>) -> Arc<[String]> {
    // It was read before, to be checked.
    let Ok(read) = EndEntityCert::try_from(certificate) else {
        return Arc::default();
    };
    let uris = read.valid_uri_names();
    let of_uris = uris.filter_map(|uri| uri.strip_prefix(HOST_URI));
    let names = read.valid_dns_names().chain(of_uris);
    names.map(str::to_owned).collect()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "certificate";
    let read: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(|certificates| certificates.collect());
    let certificates = read.map_err(|error| unusable(what, path, &error))?;
    if certificates.is_empty() {
        return Err(unusable(what, path, &"there is none in it"));
    }
    Ok(certificates)
}

fn unusable(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        what,
        path: path.to_owned(),
        message: why.to_string(),
    }
}
