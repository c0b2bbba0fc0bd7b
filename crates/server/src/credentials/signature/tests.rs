//! The verifier against every vector: real clients' signatures, changed ones, and the scoped form.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::credentials::signature::date;

const SIGNING: &str = include_str!("../../../tests/vectors/signing.json");
const SCOPED: &str = include_str!("../../../tests/vectors/scoped_signing.json");

#[derive(Debug, Deserialize)]
struct Vector {
    name: String,
    ak: String,
    sk: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    expected: Expected,
    clock: String,
    accept: bool,
}

#[derive(Debug, Deserialize)]
struct Expected {
    authorization: String,
}

impl Vector {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let authorization = (
            "Authorization".to_owned(),
            self.expected.authorization.clone(),
        );
        for (name, value) in self.headers.iter().chain([&authorization]) {
            // As it arrives: without blanks around it.
            let value = HeaderValue::from_bytes(value.trim_ascii().as_bytes()).unwrap();
            headers.append(HeaderName::try_from(name.as_str()).unwrap(), value);
        }
        headers
    }

    fn verify(&self) -> Result<(), String> {
        let headers = self.headers();
        let request = Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
        };
        let offer = Offer::read(&headers).map_err(|fault| fault.to_string())?;
        let now = date::read(&self.clock).unwrap();
        offer.check_time(now).map_err(|fault| fault.to_string())?;
        let body_sha256 = Sha256::digest(&self.body).into();
        check_declared(&headers, &body_sha256).map_err(|fault| fault.to_string())?;
        let key = SigningKey::new(&self.sk);
        let holds = offer.ak == self.ak && offer.holds(&request, &body_sha256, &key);
        holds.then_some(()).ok_or("it does not hold".to_owned())
    }
}

fn check(vectors: &str) -> (usize, usize) {
    let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
    for vector in &vectors {
        let verified = vector.verify();
        assert_eq!(
            verified.is_ok(),
            vector.accept,
            "{}: {verified:?}",
            vector.name
        );
    }
    let accepted = vectors.iter().filter(|vector| vector.accept).count();
    (accepted, vectors.len() - accepted)
}

#[test]
fn every_signature_of_the_clients_is_answered_as_its_vector_says() {
    assert_eq!(check(SIGNING), (61, 19));
}

#[test]
fn every_signature_of_the_scoped_form_is_answered_as_its_vector_says() {
    assert_eq!(check(SCOPED), (9, 10));
}

/// A change of a part of a vector, and what takes it back.
type Change = (&'static str, fn(&mut Vector), fn(&mut Vector));

const CHANGES: [Change; 5] = [
    ("method", |v| v.method.push('S'), |v| cut(&mut v.method, 1)),
    ("path", |v| v.path.push('x'), |v| cut(&mut v.path, 1)),
    (
        "query",
        |v| v.query.push_str("&q"),
        |v| cut(&mut v.query, 2),
    ),
    ("body", |v| v.body.push(' '), |v| cut(&mut v.body, 1)),
    ("secret", |v| v.sk.push(' '), |v| cut(&mut v.sk, 1)),
];

fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.len() - bytes);
}

fn accepted() -> impl Iterator<Item = Vector> {
    let all = [SIGNING, SCOPED].map(|text| serde_json::from_str::<Vec<Vector>>(text).unwrap());
    all.into_iter().flatten().filter(|vector| vector.accept)
}

#[test]
fn no_part_of_a_signed_request_can_be_changed() {
    for mut vector in accepted() {
        for (part, change, undo) in CHANGES {
            change(&mut vector);
            assert!(vector.verify().is_err(), "{}: {part}", vector.name);
            undo(&mut vector);
            assert!(vector.verify().is_ok(), "{}: {part}", vector.name);
        }
    }
}

#[test]
fn a_signed_header_can_be_neither_changed_nor_doubled_nor_left_out() {
    let mut tried = 0;
    for mut vector in accepted() {
        let authorization = vector.expected.authorization.clone();
        let (_, names) = authorization.split_once("SignedHeaders=").unwrap();
        let (names, _) = names.split_once(',').unwrap();
        let headers = vector.headers.clone();
        for (place, (name, _)) in headers.iter().enumerate() {
            if names
                .split(';')
                .all(|signed| !name.eq_ignore_ascii_case(signed))
            {
                continue;
            }
            tried += 1;
            vector.headers[place].1.push('1');
            assert!(vector.verify().is_err(), "{}: {name}", vector.name);
            vector.headers = headers.clone();
            vector.headers.push((name.clone(), "1".into()));
            assert!(vector.verify().is_err(), "{}: {name} twice", vector.name);
            vector.headers = headers.clone();
            vector.headers.remove(place);
            assert!(vector.verify().is_err(), "{}: no {name}", vector.name);
            vector.headers = headers.clone();
        }
    }
    assert!(tried > 200, "{tried}");
}

/// Else one long header, named ten thousand times, would be copied as often.
#[test]
fn a_header_that_is_named_over_and_over_is_not_copied_without_bound() {
    let names = vec!["a"; 10_000].join(";");
    let authorization = format!(
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders={names};x-sdk-date, Signature={}",
        "0".repeat(64)
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("a", "v".repeat(20_000)),
        ("authorization", authorization),
        ("x-sdk-date", "20260102T030405Z".to_owned()),
    ] {
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    let request = Request {
        method: "GET",
        path: "/",
        query: "",
        headers: &headers,
    };
    let offer = Offer::read(&headers).unwrap();
    assert!(Canonical::new(&offer, &request, &[b'0'; 64]).is_none());
}
