//! The canonical forms of a request: what a client hashed before it signed.
//!
//! `METHOD \n path \n query \n`, a line `name:value` for each signed header, an empty line, the list
//! of the signed headers, and the hash of the body.

use std::borrow::Cow;
use std::ops::Range;

use axum::http::HeaderMap;
use portolan_wire::caps;
use portolan_wire::query::percent_decode;

use crate::credentials::signature::Request;
use crate::credentials::signature::authorization::Offer;

/// The forms of one request, one after the other in one buffer.
pub(super) struct Canonical<'a> {
    request: Request<'a>,
    /// Everything from the first signed header on, which all forms share.
    rest: Vec<u8>,
    paths: Candidates,
    queries: Candidates,
    place: usize,
    form: Vec<u8>,
}

/// One or two spellings of the same part, the commoner first.
struct Candidates {
    first: Vec<u8>,
    second: Option<Vec<u8>>,
}

impl Candidates {
    fn one(first: Vec<u8>) -> Self {
        Self {
            first,
            second: None,
        }
    }

    fn new(first: Vec<u8>, second: Vec<u8>) -> Self {
        let second = Some(second).filter(|second| *second != first);
        Self { first, second }
    }

    fn get(&self, place: usize) -> Option<&[u8]> {
        match place {
            0 => Some(&self.first),
            _ => self.second.as_deref(),
        }
    }
}

/// Every pair of a path's and a query's spelling.
const FORMS: Range<usize> = 0..4;

impl<'a> Canonical<'a> {
    /// `None` where a signed header is missing, stands twice or is named over and over, or the target does not decode: then
    /// there is no form that could have been signed.
    pub(super) fn new(
        offer: &Offer<'_>,
        request: &Request<'a>,
        body_hash: &[u8; 64],
    ) -> Option<Self> {
        let mut rest = Vec::with_capacity(512);
        let collapses = offer.scope.is_some();
        for name in offer.signed_headers.split(';') {
            let value = signed_header(request.headers, name)?;
            rest.extend_from_slice(name.as_bytes());
            rest.push(b':');
            if collapses {
                push_collapsed(&mut rest, value);
            } else {
                rest.extend_from_slice(value);
            }
            rest.push(b'\n');
            // Each stands in the head once, so together they are no longer: else one is named again
            // and again.
            if rest.len() > 2 * caps::HEAD_BYTES_MAX {
                return None;
            }
        }
        rest.push(b'\n');
        rest.extend_from_slice(offer.signed_headers.as_bytes());
        rest.push(b'\n');
        rest.extend_from_slice(body_hash);
        Some(Self {
            request: *request,
            rest,
            paths: paths(request.path)?,
            queries: queries(request.query)?,
            place: FORMS.start,
            form: Vec::with_capacity(1_024),
        })
    }

    /// The next form that has not been seen.
    pub(super) fn next_form(&mut self) -> Option<&[u8]> {
        while self.place < FORMS.end {
            let (path, query) = (self.place / 2, self.place % 2);
            self.place += 1;
            let (Some(path), Some(query)) = (self.paths.get(path), self.queries.get(query)) else {
                continue;
            };
            self.form.clear();
            for part in [self.request.method.as_bytes(), path, query] {
                self.form.extend_from_slice(part);
                self.form.push(b'\n');
            }
            self.form.extend_from_slice(&self.rest);
            return Some(&self.form);
        }
        None
    }
}

/// The value of a signed header. One that stands twice could be read either way.
fn signed_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    // The map takes names of either case; a signed name is written in lower case.
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes().trim_ascii()),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// With one blank for each run of white space, as the older form wants it.
fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let mut after_blank = false;
    for byte in value {
        let blank = byte.is_ascii_whitespace();
        if !(blank && after_blank) {
            out.push(if blank { b' ' } else { *byte });
        }
        after_blank = blank;
    }
}

fn paths(path: &str) -> Option<Candidates> {
    let spelled = |path: &str| {
        let mut out = Vec::with_capacity(path.len() + 16);
        push_encoded(&mut out, path, |byte| byte == b'/');
        if out.last() != Some(&b'/') {
            out.push(b'/');
        }
        out
    };
    Some(match percent_decode(path, "path").ok()? {
        Cow::Borrowed(path) => Candidates::one(spelled(path)),
        Cow::Owned(decoded) => Candidates::new(spelled(&decoded), spelled(path)),
    })
}

fn queries(query: &str) -> Option<Candidates> {
    let pairs = query.split('&').filter(|piece| !piece.is_empty());
    let pairs: Option<Vec<_>> = pairs.map(pair).collect();
    let mut pairs = pairs?;
    let in_order = spelled(&pairs);
    if pairs.is_sorted() {
        return Some(Candidates::one(in_order));
    }
    pairs.sort();
    Some(Candidates::new(spelled(&pairs), in_order))
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pair(piece: &str) -> Option<Pair<'_>> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    let decode = |text| percent_decode(text, "query").ok();
    Some((decode(name)?, decode(value)?))
}

fn spelled(pairs: &[Pair<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(b'&');
        }
        push_encoded(&mut out, name, |_| false);
        out.push(b'=');
        push_encoded(&mut out, value, |_| false);
    }
    out
}

/// Percent-encodes every byte but `A-Za-z0-9-_.~` and those that `keep` keeps.
fn push_encoded(out: &mut Vec<u8>, text: &str, keep: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') || keep(byte)
    };
    // Nearly every one is plain as a whole.
    if text.bytes().all(plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        if plain(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}
