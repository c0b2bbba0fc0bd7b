//! Signs a GET as the service's Python client does: the same headers, in the same order.
//!
//! By code of its own, from the public description of `SDK-HMAC-SHA256`: what the server checks is not
//! made by the server's own code. A signature holds for 15 minutes, longer than a query is measured.

use std::fmt::Write as _;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use portolan_wire::time::UnixMicros;
use sha2::{Digest as _, Sha256};

use crate::http::ServerUrl;

/// An access key.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) ak: String,
    pub(crate) sk: String,
}

impl AccessKey {
    /// A GET, signed now and ready to be sent. Of the target only the query may need an order: names and
    /// values are plain.
    pub(crate) fn get(&self, server: &ServerUrl, target: &str, project: &str) -> Vec<u8> {
        let date = now();
        let headers = [
            ("content-type", "application/json"),
            ("host", server.authority()),
            ("user-agent", "huaweicloud-usdk-python/3.0; fleet-bench"),
            ("x-project-id", project),
            ("x-sdk-date", &date),
        ];
        let authorization = self.authorization(target, &headers);
        let mut request = format!("GET {target} HTTP/1.1\r\n");
        for (name, value) in headers {
            let _infallible = write!(request, "{name}: {value}\r\n");
        }
        let _infallible = write!(
            request,
            "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\
             Authorization: {authorization}\r\n\r\n"
        );
        request.into()
    }

    fn authorization(&self, target: &str, headers: &[(&str, &str)]) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = format!("GET\n{path}/\n{}\n", pairs.join("&"));
        for (name, value) in headers {
            let _infallible = writeln!(canonical, "{name}:{value}");
        }
        let _infallible = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(b"")));
        let date = headers.last().map_or("", |(_, date)| date);
        let signed = format!(
            "SDK-HMAC-SHA256\n{date}\n{}",
            hex(&Sha256::digest(canonical))
        );
        let key = self.sk.as_bytes();
        let signature = Hmac::<Sha256>::new_from_slice(key).map(|mut mac| {
            mac.update(signed.as_bytes());
            hex(&mac.finalize().into_bytes())
        });
        // A key of any length is taken.
        let signature = signature.unwrap_or_default();
        let ak = &self.ak;
        format!("SDK-HMAC-SHA256 Access={ak}, SignedHeaders={names}, Signature={signature}")
    }
}

/// `YYYYMMDDTHHMMSSZ`.
#[expect(
    clippy::disallowed_methods,
    reason = "the server compares it with its own clock"
)]
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    let moment = UnixMicros::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
    moment.to_string().replace(['-', ':'], "")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signature that the service's Python client made.
    #[test]
    fn it_signs_as_the_python_client_does() {
        let key = AccessKey {
            ak: "AKPYTEST0000000000AA".to_owned(),
            sk: "py-Sk/Test+Secret=0123456789abcdefGHIJ".to_owned(),
        };
        let project = "5fd3b4c2a1e04f0c9d1e2f3a4b5c6d7e";
        let target = format!("/v5/{project}/asset/port/statistics");
        let headers = [
            ("content-type", "application/json"),
            ("host", "hss.example.test:8443"),
            ("x-project-id", project),
            ("x-sdk-date", "20260102T030405Z"),
        ];
        assert_eq!(
            key.authorization(&target, &headers),
            "SDK-HMAC-SHA256 Access=AKPYTEST0000000000AA, \
             SignedHeaders=content-type;host;x-project-id;x-sdk-date, \
             Signature=3e33ffcd6068b1bff5a28077e4759c7c4e7728e90b91fe813689a7ee3cc8d39d"
        );
    }
}
