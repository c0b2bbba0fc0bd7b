//! The vectors of real signers over a socket, and what a signature is worth beside other credentials.

use std::collections::BTreeMap;

use portolan_server::{Limits, Settings};
use serde::Deserialize;

use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::signer::AccessKey;

const SIGNING: &str = include_str!("../vectors/signing.json");
const SCOPED: &str = include_str!("../vectors/scoped_signing.json");

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
    fn all() -> Vec<Self> {
        let mut all: Vec<Self> = serde_json::from_str(SIGNING).unwrap();
        all.extend(serde_json::from_str::<Vec<Self>>(SCOPED).unwrap());
        all
    }

    fn unsigned(&self) -> Request {
        let question = if self.query.is_empty() { "" } else { "?" };
        let target = format!("{}{question}{}", self.path, self.query);
        let request = Request::new(&self.method, target);
        let request = self.headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        match self.body.is_empty() {
            true => request,
            false => request.body(self.body.as_bytes()),
        }
    }

    fn signed(&self) -> Request {
        self.unsigned()
            .header("Authorization", &self.expected.authorization)
    }

    /// `20260102T030405Z`, as the clock reads it.
    fn set_clock(&self, app: &App) {
        let c = &self.clock;
        let (date, time) = (format!("{}-{}-{}", &c[..4], &c[4..6], &c[6..8]), &c[9..]);
        let moment = format!("{date}T{}:{}:{}", &time[..2], &time[2..4], &time[4..]);
        app.clock.set(moment.parse().unwrap());
    }
}

fn start(toml: &str) -> App {
    App::of_file(toml, Settings::default(), Limits::default())
}

#[test]
fn every_signature_is_answered_as_its_vector_says_with_the_clock_of_the_vector() {
    // A server for each secret key: of one vector the server holds another than its client.
    let mut groups = BTreeMap::<String, Vec<Vector>>::new();
    for vector in Vector::all() {
        groups.entry(vector.sk.clone()).or_default().push(vector);
    }
    let (mut taken, mut refused) = (0, 0);
    for (sk, vectors) in groups {
        let ak = vectors[0].ak.clone();
        let key = AccessKey {
            ak,
            sk,
            security_token: None,
        };
        let app = start(&key.entry("admin", "*", ""));
        for vector in &vectors {
            match is_taken(&app, vector) {
                Some(true) => taken += 1,
                Some(false) => refused += 1,
                None => {}
            }
        }
    }
    assert!(
        taken >= 51 && refused >= 20,
        "{taken} taken, {refused} refused"
    );
}

/// Whether the signature of a vector is taken, which must be as the vector says; `None` where there is no
/// route, or one that needs no credential, so that nobody looks at it.
fn is_taken(app: &App, vector: &Vector) -> Option<bool> {
    vector.set_clock(app);
    let (unsigned, answer) = (app.send(&vector.unsigned()), app.send(&vector.signed()));
    let name = &vector.name;
    if unsigned.status == 404 {
        assert_eq!(answer.code(), (404, "APIGW.0101".into()), "{name}");
        return None;
    }
    if vector.path == "/v3/auth/tokens" && vector.method == "POST" {
        // A log-in brings its own proof: no signature is looked at.
        assert_eq!(answer.essence(), unsigned.essence(), "{name}");
        return None;
    }
    assert_eq!(unsigned.status, 401, "{name}");
    if vector.accept {
        // A 400 is told of a parameter, which comes after the credential.
        assert!([200, 400].contains(&answer.status), "{name}: {answer:?}");
    } else {
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(answer.code().1, "APIGW.0301", "{name}");
    }
    Some(vector.accept)
}

const STATISTICS: &str = "/v5/p1/asset/port/statistics";

#[test]
fn an_access_key_may_do_what_its_role_and_project_allow_on_every_kind_of_route() {
    let (reader, agent, admin) = (
        AccessKey::new("RK"),
        AccessKey::new("AK"),
        AccessKey::new("MK"),
    );
    let file = reader.entry("reader", "p1", "")
        + &agent.entry("agent", "p1", "")
        + &admin.entry("admin", "p1", "");
    let app = start(&file);
    let status = |key: &AccessKey, request: Request| app.send(&key.sign(&app, request)).status;
    let host = serde_json::json!({"reports": [Host::new("h1", "0", vec![tcp("::", 22)]).report()]});
    let reports = Request::post("/portolan/v1/projects/p1/reports", host.to_string());
    assert_eq!(status(&reader, reports.clone()), 403);
    assert_eq!(status(&agent, reports), 200);
    assert_eq!(status(&agent, Request::get(STATISTICS)), 403);
    assert_eq!(
        status(&reader, Request::get("/v5/p2/asset/port/statistics")),
        403
    );
    let statistics = app.send(&reader.sign(&app, Request::get(STATISTICS)));
    assert_eq!(statistics.ok()["total_num"], 1);
    let native = Request::get("/portolan/v1/projects/p1/hosts?limit=10&enterprise_project_id=0");
    assert_eq!(app.send(&reader.sign(&app, native)).ok()["total_num"], 1);
    let token = Request::post("/portolan/v1/projects/p1/tokens", r#"{"role":"reader"}"#);
    assert_eq!(status(&admin, token), 201);
    let own = app.send(&admin.sign(&app, Request::get("/portolan/v1/credential")));
    assert_eq!(own.ok()["role"], "admin");
    let host = Request::new("DELETE", "/portolan/v1/projects/p1/hosts/h1");
    assert_eq!(status(&admin, host), 204);
    // Some clients send a body on a GET. It is signed with the rest.
    let braces = Request::get(STATISTICS).body("{}");
    assert_eq!(status(&reader, braces), 200);
}

#[test]
fn a_signature_that_is_offered_must_hold_and_a_token_beside_it_is_no_way_around_it() {
    let key = AccessKey::new("AK");
    let reader = Token::reader("p1", ALL);
    let app = start(&(key.entry("reader", "p1", "") + &Token::file(&[&reader])));
    let signed = key.sign(&app, Request::get(STATISTICS));
    assert_eq!(app.send(&signed.clone().token(&reader)).status, 200);
    // The token beside it is not looked at, nor is the header that names a project.
    let foreign = signed
        .clone()
        .header("X-Auth-Token", "nobody's")
        .header("X-Project-Id", "p2");
    assert_eq!(app.send(&foreign).status, 200);
    let forged = AccessKey {
        sk: "guessed".into(),
        ..key.clone()
    };
    let wrong = forged.sign(&app, Request::get(STATISTICS)).token(&reader);
    assert_eq!(app.send(&wrong).code(), (401, "APIGW.0301".into()));
    let none = Request::get(STATISTICS)
        .token(&reader)
        .header("Authorization", "none");
    assert_eq!(app.send(&none).status, 200);
    // The same signature again: clients that retry repeat it.
    assert_eq!(app.send(&signed).status, 200);
}

#[test]
fn an_unknown_access_key_and_a_wrong_signature_get_the_same_answer() {
    let (known, unknown) = (AccessKey::new("AK"), AccessKey::new("XX"));
    let app = start(&known.entry("reader", "p1", ""));
    let forged = AccessKey {
        sk: "guessed".into(),
        ..known
    };
    let told = |key: &AccessKey, request| app.send(&key.sign(&app, request)).essence();
    for request in [
        Request::get(STATISTICS),
        Request::post("/portolan/v1/projects/p1/reports", "{}"),
        Request::get(STATISTICS).header("X-Security-Token", "t"),
    ] {
        let (wrong, missing) = (told(&forged, request.clone()), told(&unknown, request));
        assert!(
            wrong
                .body
                .contains("Incorrect IAM authentication information: verify aksk signature fail\""),
            "{wrong:?}"
        );
        assert_eq!(wrong, missing);
    }
    let late = |key: &AccessKey| {
        let request = key.sign_at("20261124T022801Z", Request::get(STATISTICS));
        app.send(&request).error().2
    };
    let told = "Incorrect IAM authentication information: signature expired, signature time:20261124T022801Z,server time:20261124T021300Z";
    assert_eq!((late(&forged), late(&unknown)), (told.into(), told.into()));
}
