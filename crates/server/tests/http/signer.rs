//! Signs requests as the public algorithm says, by code that shares nothing with the server's.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::app::{ALL, App, Token};
use crate::client::{HOST, Request};

/// An access key of a test.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) ak: String,
    pub(crate) sk: String,
    pub(crate) security_token: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl AccessKey {
    pub(crate) fn new(ak: &str) -> Self {
        Self {
            ak: ak.to_owned(),
            sk: format!("secret key of {ak}"),
            security_token: None,
        }
    }

    /// An entry of a credentials file.
    pub(crate) fn entry(&self, role: &'static str, project: &str, more: &str) -> String {
        format!("{}{more}\n", self.entry_as(&Token::new(role, project, ALL)))
    }

    /// The same with what a token grants.
    pub(crate) fn entry_as(&self, token: &Token) -> String {
        let Self { ak, sk, .. } = self;
        let (role, project, ids) = (token.role, &token.project, &token.enterprise_projects);
        format!(
            "[[access_key]]\nak = {ak:?}\nsk = {sk:?}\nrole = {role:?}\nproject_id = {project:?}\n\
             enterprise_projects = {ids:?}\n"
        )
    }

    /// Signs a request, whose target must need no encoding, at the moment of the server's clock.
    pub(crate) fn sign(&self, app: &App, request: Request) -> Request {
        let now = portolan_store::Clock::now(&*app.clock);
        self.sign_at(&now.to_string().replace(['-', ':'], ""), request)
    }

    /// The same at a moment of its own.
    pub(crate) fn sign_at(&self, date: &str, request: Request) -> Request {
        let (path, query) = request
            .target()
            .split_once('?')
            .unwrap_or((request.target(), ""));
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let canonical = format!(
            "{}\n{path}/\n{}\nhost:{HOST}\nx-sdk-date:{date}\n\nhost;x-sdk-date\n{}",
            request.method(),
            pairs.join("&"),
            hex(&Sha256::digest(request.whole_body())),
        );
        let hashed = hex(&Sha256::digest(canonical));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.sk.as_bytes()).unwrap();
        mac.update(format!("SDK-HMAC-SHA256\n{date}\n{hashed}").as_bytes());
        let signature = hex(&mac.finalize().into_bytes());
        let authorization = format!(
            "SDK-HMAC-SHA256 Access={}, SignedHeaders=host;x-sdk-date, Signature={signature}",
            self.ak
        );
        let signed = request
            .header("X-Sdk-Date", date)
            .header("Authorization", &authorization);
        match &self.security_token {
            Some(token) => signed.header("X-Security-Token", token),
            None => signed,
        }
    }
}
