//! Access keys that are made, that end, that need a security token, and that are guessed at.

use portolan_server::{Limits, Settings};
use serde_json::{Value, json};

use crate::app::{ALL, App, Token};
use crate::client::{Connection, Request};
use crate::signer::AccessKey;
use crate::support::eventually;

const STATISTICS: &str = "/v5/p1/asset/port/statistics";
const REFUSED: &str = "Incorrect IAM authentication information: verify aksk signature fail";

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

fn create(app: &App, asked: &Value) -> crate::answer::Answer {
    let target = "/portolan/v1/projects/p1/access-keys";
    app.send(&Request::post(target, asked.to_string()).token(&admin()))
}

/// The access key of a 201.
fn made(app: &App, asked: &Value) -> AccessKey {
    let answer = create(app, asked);
    assert_eq!(answer.status, 201, "{answer:?}");
    let (made, text) = (answer.json(), |value: &Value| {
        value.as_str().map(str::to_owned)
    });
    AccessKey {
        ak: text(&made["ak"]).unwrap(),
        sk: text(&made["sk"]).unwrap(),
        security_token: text(&made["security_token"]),
    }
}

fn read(app: &App, key: &AccessKey) -> (u16, String) {
    let answer = app.send(&key.sign(app, Request::get(STATISTICS)));
    match answer.status {
        200 => (200, String::new()),
        _ => answer.code(),
    }
}

fn fine() -> (u16, String) {
    (200, String::new())
}

fn unauthenticated() -> (u16, String) {
    (401, "APIGW.0301".to_owned())
}

#[test]
fn an_access_key_that_was_made_signs_at_once_and_after_a_restart_until_it_is_revoked() {
    let mut app = App::start(&[&admin()]);
    let key = made(&app, &json!({"role": "reader"}));
    assert_eq!(read(&app, &key), fine());
    app.restart();
    assert_eq!(read(&app, &key), fine());
    let listed = app.native(&admin(), "/access-keys").ok();
    assert_eq!(listed["data_list"][0]["last_used"], "2026-11-24T02:13:00Z");
    assert_eq!(listed["data_list"][0].get("temporary"), None);
    let target = format!("/portolan/v1/projects/p1/access-keys/{}", key.ak);
    assert_eq!(
        app.send(&Request::new("DELETE", target).token(&admin()))
            .status,
        204
    );
    assert_eq!(read(&app, &key), unauthenticated());
}

#[test]
fn a_temporary_access_key_signs_only_beside_its_security_token_and_until_its_end() {
    let mut app = App::start(&[&admin()]);
    let (_, _, told) = create(&app, &json!({"role": "reader", "temporary": true})).error();
    assert!(
        told.contains("expires_at is required of a temporary access key"),
        "{told}"
    );
    let asked = json!({"role": "reader", "temporary": true, "expires_at": "2026-11-24T02:20:00Z"});
    let key = made(&app, &asked);
    assert!(key.security_token.is_some());
    for restarted in [false, true] {
        if restarted {
            app.restart();
        }
        assert_eq!(read(&app, &key), fine());
        let with = |security_token| AccessKey {
            security_token,
            ..key.clone()
        };
        let other = key.security_token.clone().unwrap().replace(['0', '1'], "2");
        for token in [None, Some(other), Some(String::new())] {
            assert_eq!(read(&app, &with(token)), unauthenticated());
        }
        let twice = key.sign(&app, Request::get(STATISTICS));
        let twice = twice.header("X-Security-Token", key.security_token.as_ref().unwrap());
        assert_eq!(app.send(&twice).code(), unauthenticated());
    }
    let listed = app.native(&admin(), "/access-keys").ok();
    assert_eq!(listed["data_list"][0]["temporary"], true);
    assert!(
        !listed
            .to_string()
            .contains(key.security_token.as_ref().unwrap())
    );
    app.clock.advance_s(420);
    assert_eq!(read(&app, &key), (401, "APIGW.0307".into()));
}

#[test]
fn a_temporary_access_key_of_the_credentials_file_is_the_same() {
    let mut key = AccessKey::new("TK");
    let token = "t".repeat(40);
    let more = format!("security_token = {token:?}\nexpires_at = \"2026-11-24T02:20:00Z\"");
    let app = App::of_file(
        &key.entry("reader", "p1", &more),
        Settings::default(),
        Limits::default(),
    );
    assert_eq!(read(&app, &key), unauthenticated());
    key.security_token = Some(token);
    assert_eq!(read(&app, &key), fine());
    app.clock.advance_s(420);
    assert_eq!(read(&app, &key), (401, "APIGW.0307".into()));
}

/// A server that spares no address, and the signed request of a key from an address.
fn watched(key: &AccessKey) -> App {
    let limits = Limits {
        spares_loopback: false,
        ..Limits::default()
    };
    let tokens = Token::file(&[&admin()]);
    App::of_file(
        &(key.entry("reader", "p1", "") + &tokens),
        Settings::default(),
        limits,
    )
}

fn from(app: &App, last: u8, key: &AccessKey) -> (u16, String) {
    let mut connection = Connection::open_from([127, 0, 0, last].into(), app.address());
    let answer = connection.send(&key.sign(app, Request::get(STATISTICS)));
    match answer.status {
        200 => (200, String::new()),
        status => (status, answer.error().2),
    }
}

#[test]
fn more_than_five_failures_lock_the_pair_of_access_key_and_address_and_nothing_else() {
    let (key, other) = (AccessKey::new("AK"), AccessKey::new("XX"));
    let app = watched(&key);
    let forged = AccessKey {
        sk: "guessed".into(),
        ..key.clone()
    };
    let refused = (401, REFUSED.to_owned());
    let locked = (
        401,
        "Incorrect IAM authentication information: AK access failed to reach the limit,forbidden"
            .to_owned(),
    );
    // Five in a row, and one that holds: the next row begins anew.
    for _ in 0..5 {
        assert_eq!(from(&app, 2, &forged), refused);
    }
    assert_eq!(from(&app, 2, &key), fine());
    // An access key that does not exist is locked as one that does.
    for key in [&forged, &other] {
        for _ in 0..6 {
            assert_eq!(from(&app, 2, key), refused);
        }
        assert_eq!(from(&app, 2, key), locked);
    }
    assert_eq!(from(&app, 2, &key), locked);
    assert_eq!(from(&app, 3, &key), fine());
    assert_eq!(
        app.metric(r#"portolan_limits_reached_total{limit="signature_failures"}"#),
        3
    );
    app.clock.advance_s(299);
    assert_eq!(from(&app, 2, &key), locked);
    app.clock.advance_s(1);
    assert_eq!(from(&app, 2, &key), fine());
}

#[test]
fn what_is_no_guess_locks_nobody() {
    let key = AccessKey::new("AK");
    let app = watched(&key);
    let mut connection = Connection::open_from([127, 0, 0, 2].into(), app.address());
    for _ in 0..10 {
        let late = key.sign_at("20261124T000000Z", Request::get(STATISTICS));
        assert_eq!(connection.send(&late).code(), unauthenticated());
        let unsigned = key.sign(&app, Request::get(STATISTICS));
        let unsigned = unsigned.header("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD");
        let (_, _, told) = connection.send(&unsigned).error();
        let text = "fail, X-Sdk-Content-Sha256 must be the SHA-256 of the body, if it is given";
        assert!(told.ends_with(text), "{told}");
        let scheme =
            "V11-HMAC-SHA256 Credential=AK/20261124/r/hss, SignedHeaders=host, Signature=00";
        let other = Request::get(STATISTICS).header("Authorization", scheme);
        assert_eq!(connection.send(&other).code(), unauthenticated());
    }
    assert_eq!(from(&app, 2, &key), fine());
}

#[test]
fn the_audit_log_tells_whose_signature_failed_and_counts_expired_ones_as_one_reason() {
    let key = AccessKey::new("AK");
    let app = App::of_file(
        &key.entry("reader", "p1", ""),
        Settings::default(),
        Limits::default(),
    );
    let forged = AccessKey {
        sk: "guessed".into(),
        ..key.clone()
    };
    assert_eq!(read(&app, &forged), unauthenticated());
    assert_eq!(read(&app, &AccessKey::new("XX")), unauthenticated());
    let late = key.sign_at("20261124T000000Z", Request::get(STATISTICS));
    assert_eq!(app.send(&late).code(), unauthenticated());
    let lines = || -> Vec<Value> {
        let log = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
        let lines = log.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    eventually("the log has them all", || lines().len() >= 3);
    let lines = lines().into_iter();
    let told: Vec<_> = lines
        .map(|line| (line["actor"].clone(), line["detail"].clone()))
        .collect();
    let (fail, expired) = (
        json!("verify aksk signature fail"),
        json!("signature expired"),
    );
    let expected = [
        (json!("AK"), fail.clone()),
        (Value::Null, fail),
        (Value::Null, expired),
    ];
    assert_eq!(told, expected);
}
