//! The header `Authorization` of a signed request, read strictly.
//!
//! `SDK-HMAC-SHA256 Access={ak}, SignedHeaders={a;b;c}, Signature={hex}`, or the older form of the
//! Terraform provider with `Credential={ak}/{date}/{region}/{service}/sdk_request` in place of
//! `Access={ak}`, whose key is derived from date, region and service.

use axum::http::{HeaderMap, HeaderName, header};
use portolan_wire::caps;
use portolan_wire::time::UnixMicros;

use crate::credentials::hex;
use crate::credentials::signature::date;

/// The one algorithm that is taken.
pub(super) const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// The header that says when a request was signed.
const DATE: HeaderName = HeaderName::from_static("x-sdk-date");
/// How a scope ends.
pub(super) const SCOPE_END: &str = "sdk_request";

/// Why an offered signature is refused before it is compared. None tells whether its access key exists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// `Authorization` or `X-Sdk-Date` is not as it must be.
    #[error("verify aksk signature fail, {0}")]
    Form(&'static str),
    /// It was signed too long ago, or too far ahead.
    #[error("signature expired, signature time:{signed_at},server time:{now}")]
    Time {
        /// As the client wrote it.
        signed_at: String,
        /// The same for the server.
        now: String,
    },
}

/// A signature that a request offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer<'a> {
    pub(crate) ak: &'a str,
    pub(super) scope: Option<Scope<'a>>,
    /// Names in lower case, between semicolons, in the order in which they were signed.
    pub(super) signed_headers: &'a str,
    pub(super) signature: [u8; 32],
    /// `X-Sdk-Date`, as it came.
    pub(super) date: &'a str,
    signed_at: UnixMicros,
}

/// What the key of the older form is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    /// All of it, as it stands in the string to sign.
    pub(super) text: &'a str,
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> Offer<'a> {
    /// Reads what a request offers.
    ///
    /// # Errors
    /// It is of another algorithm, not of the form, or does not sign its date.
    pub(crate) fn read(headers: &'a HeaderMap) -> Result<Self, Fault> {
        let given = once(headers, &header::AUTHORIZATION);
        let given = given.ok_or(Fault::Form("Authorization must be given once"))?;
        let (algorithm, rest) = given.split_once(' ').unwrap_or((given, ""));
        if algorithm != ALGORITHM {
            return Err(Fault::Form("the algorithm must be SDK-HMAC-SHA256"));
        }
        let form = Fault::Form(
            "Authorization must be SDK-HMAC-SHA256 Access=AK, SignedHeaders=a;b, Signature=64 lower-case hex digits",
        );
        let (identity, signed_headers, signature) = parts(rest).ok_or(form.clone())?;
        let (ak, scope) = identity.ok_or(form.clone())?;
        let allowed = (1..=caps::STRING_CHARS_MAX).contains(&ak.len());
        if !allowed || !ak.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(form);
        }
        let signature = hex::hash(signature).ok_or(form)?;
        if !signed_headers.split(';').any(|name| name == DATE.as_str()) {
            return Err(Fault::Form("x-sdk-date must be among the signed headers"));
        }
        let unread = Fault::Form("X-Sdk-Date must be given once, as YYYYMMDDTHHMMSSZ");
        let date = once(headers, &DATE).ok_or(unread.clone())?;
        let signed_at = date::read(date).ok_or(unread)?;
        if scope.is_some_and(|scope| !date.starts_with(scope.date)) {
            return Err(Fault::Form(
                "the date of Credential must be that of X-Sdk-Date",
            ));
        }
        Ok(Self {
            ak,
            scope,
            signed_headers,
            signature,
            date,
            signed_at,
        })
    }

    /// Checks that it was signed near `now`: `caps::SIGNATURE_SKEW_S_MAX` before or after.
    ///
    /// # Errors
    /// It was not.
    pub(crate) fn check_time(&self, now: UnixMicros) -> Result<(), Fault> {
        let most = caps::SIGNATURE_SKEW_S_MAX * 1_000_000;
        if now.0.abs_diff(self.signed_at.0) <= most {
            return Ok(());
        }
        Err(Fault::Time {
            signed_at: self.date.to_owned(),
            now: date::show(now),
        })
    }
}

/// Who signed, by an access key and, in the older form, a scope; the signed headers; the signature.
type Parts<'a> = (Option<(&'a str, Option<Scope<'a>>)>, &'a str, &'a str);

fn parts(text: &str) -> Option<Parts<'_>> {
    let mut parts = text.split(',').map(str::trim_ascii);
    let (identity, headers, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let identity = match identity.strip_prefix("Access=") {
        Some(ak) => Some((ak, None)),
        None => identity.strip_prefix("Credential=").and_then(scoped),
    };
    Some((
        identity,
        headers.strip_prefix("SignedHeaders=")?,
        signature.strip_prefix("Signature=")?,
    ))
}

fn scoped(text: &str) -> Option<(&str, Option<Scope<'_>>)> {
    let (ak, scope) = text.split_once('/')?;
    let mut parts = scope.split('/');
    let (date, region, service) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = date.len() == 8 && !region.is_empty() && !service.is_empty();
    if !whole || parts.next() != Some(SCOPE_END) || parts.next().is_some() {
        return None;
    }
    let scope = Scope {
        text: scope,
        date,
        region,
        service,
    };
    Some((ak, Some(scope)))
}

/// The value of a header that stands once and is ASCII.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const SIGNATURE: &str = "3e33ffcd6068b1bff5a28077e4759c7c4e7728e90b91fe813689a7ee3cc8d39d";

    fn headers(authorization: &str, date: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            "authorization",
            HeaderValue::try_from(authorization).unwrap(),
        );
        headers.insert(DATE, HeaderValue::try_from(date).unwrap());
        headers
    }

    fn read(authorization: &str, date: &str) -> Result<(String, Option<String>), String> {
        let headers = headers(authorization, date);
        let offer = Offer::read(&headers).map_err(|fault| fault.to_string())?;
        let scope = offer.scope.map(|scope| scope.text.to_owned());
        Ok((offer.ak.to_owned(), scope))
    }

    #[test]
    fn both_forms_are_read_and_nothing_near_them() {
        let date = "20260102T030405Z";
        let plain = format!(
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature={SIGNATURE}"
        );
        assert_eq!(read(&plain, date), Ok(("AK".into(), None)));
        let tight = plain.replace(", ", ",");
        assert_eq!(read(&tight, date), Ok(("AK".into(), None)));
        let credential = "Credential=AK/20260102/region-1/hss/sdk_request";
        let scoped = plain.replace("Access=AK", credential);
        let scope = "20260102/region-1/hss/sdk_request".to_owned();
        assert_eq!(read(&scoped, date), Ok(("AK".into(), Some(scope))));
        let with =
            |part: &str, other: &str| (plain.replace(part, other), scoped.replace(part, other));
        for (part, other, told) in [
            (
                "SDK-HMAC-SHA256",
                "sdk-hmac-sha256",
                "the algorithm must be",
            ),
            ("SDK-HMAC-SHA256", "SDK-HMAC-SM3", "the algorithm must be"),
            ("x-sdk-date", "x-date", "x-sdk-date must be among"),
            ("x-sdk-date", "X-Sdk-Date", "x-sdk-date must be among"),
            ("3e33", "3E33", "lower-case hex"),
            ("3e33", "3e3", "lower-case hex"),
            ("Signature=", "Signatur=", "Authorization must be"),
            ("SignedHeaders=", "", "Authorization must be"),
            ("=AK", "=", "Authorization must be"),
            ("=AK", "=A K", "Authorization must be"),
            (
                ", SignedHeaders",
                ", Access=B, SignedHeaders",
                "Authorization must be",
            ),
            ("/20260102/", "/20260103/", "the date of Credential"),
            ("/20260102/", "/2026010/", "Authorization must be"),
            ("/hss/", "//", "Authorization must be"),
            ("/sdk_request", "/aws4_request", "Authorization must be"),
            ("/sdk_request", "/sdk_request/", "Authorization must be"),
        ] {
            let (plain_faulty, scoped_faulty) = with(part, other);
            for faulty in [plain_faulty, scoped_faulty] {
                if faulty == plain || faulty == scoped {
                    continue;
                }
                let fault = read(&faulty, date).unwrap_err();
                assert!(fault.starts_with("verify aksk signature fail, "), "{fault}");
                assert!(fault.contains(told), "{faulty}: {fault}");
            }
        }
        let long = plain.replace("AK", &"A".repeat(257));
        assert!(read(&long, date).is_err());
        let fault = read(&plain, "2026-01-02T03:04:05Z").unwrap_err();
        assert!(fault.contains("X-Sdk-Date must be"), "{fault}");
    }

    #[test]
    fn what_is_given_twice_is_refused() {
        let plain =
            format!("SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature={SIGNATURE}");
        for name in [header::AUTHORIZATION, DATE] {
            let mut headers = headers(&plain, "20260102T030405Z");
            assert!(Offer::read(&headers).is_ok());
            headers.append(&name, HeaderValue::from_static("none"));
            assert!(Offer::read(&headers).is_err(), "{name}");
        }
    }

    #[test]
    fn fifteen_minutes_both_ways_are_taken_and_a_microsecond_more_is_not() {
        let plain =
            format!("SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature={SIGNATURE}");
        let headers = headers(&plain, "20260102T030405Z");
        let offer = Offer::read(&headers).unwrap();
        let signed_at: UnixMicros = "2026-01-02T03:04:05Z".parse().unwrap();
        let quarter = 900_000_000;
        for (micros, taken) in [
            (0, true),
            (quarter, true),
            (-quarter, true),
            (quarter + 1, false),
            (-quarter - 1, false),
        ] {
            let now = signed_at.plus_micros(micros);
            assert_eq!(offer.check_time(now).is_ok(), taken, "{micros}");
        }
        let late = offer
            .check_time(signed_at.plus_micros(2 * quarter))
            .unwrap_err();
        assert_eq!(
            late.to_string(),
            "signature expired, signature time:20260102T030405Z,server time:20260102T033405Z"
        );
    }
}
