//! Credentials made, listed and revoked over HTTP.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::support::texts;

const KINDS: [&str; 3] = ["tokens", "access-keys", "users"];

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

fn path(project: &str, kind: &str) -> String {
    format!("/portolan/v1/projects/{project}/{kind}")
}

/// What makes one of that kind, with more fields over it.
fn asked(kind: &str, more: &Value) -> Value {
    let mut asked = json!({"role": "reader", "enterprise_projects": ["0"], "name": "n"});
    if kind == "users" {
        asked["password"] = json!("correct horse battery");
    }
    for (name, value) in more.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

fn create(app: &App, by: &Token, project: &str, kind: &str, more: &Value) -> Answer {
    let body = serde_json::to_vec(&asked(kind, more)).unwrap();
    app.send(&Request::post(path(project, kind), body).token(by))
}

/// One that is made: its answer.
fn made(app: &App, by: &Token, project: &str, kind: &str, more: &Value) -> Value {
    let answer = create(app, by, project, kind, more);
    assert_eq!(
        answer.status,
        201,
        "{:?}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

fn revoke(app: &App, by: &Token, project: &str, kind: &str, id: &str) -> Answer {
    let target = format!("{}/{id}", path(project, kind));
    app.send(&Request::new("DELETE", target).token(by))
}

fn list(app: &App, by: &Token, project: &str, kind: &str) -> Value {
    app.get(by, &path(project, kind)).ok()
}

/// The holder of a token that was made.
fn holder(made: &Value) -> Token {
    Token {
        secret: made["secret"].as_str().unwrap().to_owned(),
        ..Token::reader(made["project_id"].as_str().unwrap(), &["0"])
    }
}

/// Everything that the server left on disk, as text.
fn everything_on_disk(app: &App) -> String {
    let mut text = String::new();
    let mut folders = vec![app.data_dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    text
}

#[test]
fn a_token_that_is_made_works_at_once_and_ends_at_once_when_it_is_revoked() {
    let app = App::start(&[&admin()]);
    let answer = made(&app, &admin(), "p1", "tokens", &json!({}));
    let id = answer["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "name": "n", "project_id": "p1", "role": "reader",
        "enterprise_projects": ["0"], "source": "store", "created_at": "2026-11-24T02:13:00Z",
        "expires_at": null, "last_used": null, "secret": answer["secret"],
    });
    assert_eq!(answer, expected);
    let holder = holder(&answer);
    assert_eq!(app.hss(&holder, "").status, 200);
    // What it may not: another enterprise project, an administrator's act, another project.
    let other = app.hss(&holder, "enterprise_project_id=x");
    assert_eq!(other.code(), (400, "HSS.0013".into()));
    let act = create(&app, &holder, "p1", "tokens", &json!({}));
    assert_eq!(act.code(), (403, "APIGW.0302".into()));
    let elsewhere = app.get(&holder, "/v5/p2/asset/port/statistics");
    assert_eq!(elsewhere.code(), (403, "APIGW.0306".into()));
    let gone = revoke(&app, &admin(), "p1", "tokens", id);
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert_eq!(app.hss(&holder, "").code(), (401, "APIGW.0301".into()));
    let again = revoke(&app, &admin(), "p1", "tokens", id);
    assert_eq!(again.code(), (404, "PORTOLAN.0015".into()));
}

/// Invariant 1 for credentials: what was answered outlives a crash, and so does a revocation.
#[test]
fn what_was_made_and_revoked_is_so_after_a_restart_and_after_a_crash() {
    let mut app = App::start(&[&admin()]);
    let kept = made(&app, &admin(), "p1", "tokens", &json!({}));
    let gone = made(&app, &admin(), "p1", "tokens", &json!({}));
    for kind in KINDS {
        made(&app, &admin(), "p1", kind, &json!({"name": "another"}));
    }
    revoke(&app, &admin(), "p1", "tokens", gone["id"].as_str().unwrap());
    // Only when one was last used is not kept.
    let lists = |app: &App| {
        KINDS.map(|kind| {
            let mut rows = list(app, &admin(), "p1", kind)["data_list"].take();
            for row in rows.as_array_mut().unwrap() {
                row.as_object_mut().unwrap().remove("last_used");
            }
            rows
        })
    };
    let before = lists(&app);
    let check = |app: &App| {
        assert_eq!(app.hss(&holder(&kept), "").status, 200);
        assert_eq!(app.hss(&holder(&gone), "").status, 401);
        assert_eq!(lists(app), before);
    };
    check(&app.crashed_copy());
    app.restart();
    check(&app);
}

#[test]
fn a_secret_is_in_one_answer_and_nowhere_on_disk() {
    let mut app = App::start(&[&admin()]);
    let token = made(&app, &admin(), "p1", "tokens", &json!({}));
    let key = made(&app, &admin(), "p1", "access-keys", &json!({}));
    let user = made(&app, &admin(), "p1", "users", &json!({}));
    assert_eq!(
        (&key["ak"], key["ak"].as_str().unwrap().len()),
        (&key["id"], 20)
    );
    assert_eq!(key["sk"].as_str().unwrap().len(), 40);
    assert_eq!(
        (user["name"].as_str(), user["domain"].as_str()),
        (Some("n"), Some("default"))
    );
    for kind in KINDS {
        let text = list(&app, &admin(), "p1", kind).to_string();
        assert!(!text.contains("secret") && !text.contains("sk") && !text.contains("argon2"));
    }
    app.stop();
    let text = everything_on_disk(&app);
    for secret in [
        &token["secret"],
        &key["sk"],
        &json!("correct horse battery"),
    ] {
        assert!(!text.contains(secret.as_str().unwrap()), "{secret}");
    }
    assert!(
        text.contains(key["ak"].as_str().unwrap()),
        "the look at the disk finds what is there"
    );
}

#[test]
fn an_administrator_grants_no_more_than_it_has_and_sees_only_what_it_could_grant() {
    let (whole, only_a) = (admin(), Token::new("admin", "p1", &["a"]));
    let app = App::start(&[&whole, &only_a]);
    for kind in KINDS {
        for more in [
            json!({"enterprise_projects": ["b"]}),
            json!({"enterprise_projects": ["a", "b"]}),
            json!({"enterprise_projects": ALL}),
        ] {
            let refused = create(&app, &only_a, "p1", kind, &more);
            assert_eq!(
                refused.code(),
                (400, "PORTOLAN.0011".into()),
                "{kind} {more}"
            );
        }
        let foreign = create(&app, &whole, "p2", kind, &json!({}));
        assert_eq!(foreign.code(), (403, "APIGW.0306".into()), "{kind}");
        let star = create(&app, &whole, "*", kind, &json!({}));
        assert_eq!(star.code(), (403, "APIGW.0306".into()), "{kind}");
        let of_b = made(
            &app,
            &whole,
            "p1",
            kind,
            &json!({"enterprise_projects": ["b"], "name": "of-b"}),
        );
        let of_b = of_b["id"].as_str().unwrap();
        // Without a list it is all that the one who asks has.
        let of_a = made(
            &app,
            &only_a,
            "p1",
            kind,
            &json!({"enterprise_projects": null, "name": "of-a"}),
        );
        assert_eq!(of_a["enterprise_projects"], json!(["a"]), "{kind}");
        let seen = list(&app, &only_a, "p1", kind);
        assert!(!seen.to_string().contains(of_b), "{kind}: {seen}");
        assert!(
            texts(&seen, "id").contains(&of_a["id"].as_str().unwrap()),
            "{kind}"
        );
        let answers = [of_b, "nobody"].map(|id| revoke(&app, &only_a, "p1", kind, id).essence());
        assert_eq!(answers[0], answers[1], "{kind}");
        assert_eq!(answers[0].status, 404, "{kind}");
        assert_eq!(revoke(&app, &whole, "p1", kind, of_b).status, 204, "{kind}");
    }
}

#[test]
fn the_administrator_of_the_whole_server_makes_credentials_for_every_project_and_for_all() {
    let whole = Token::new("admin", "*", ALL);
    let app = App::start(&[&whole]);
    let in_p7 = made(&app, &whole, "p7", "tokens", &json!({}));
    assert_eq!(
        app.get(&holder(&in_p7), "/v5/p7/asset/port/statistics")
            .status,
        200
    );
    let second = made(
        &app,
        &whole,
        "*",
        "tokens",
        &json!({"role": "admin", "enterprise_projects": ALL}),
    );
    let second = holder(&second);
    assert_eq!(list(&app, &second, "p7", "tokens")["total_num"], 1);
    // An identifier of one project means nothing in another.
    let id = in_p7["id"].as_str().unwrap();
    assert_eq!(
        revoke(&app, &second, "p8", "tokens", id).code(),
        (404, "PORTOLAN.0015".into())
    );
    assert_eq!(
        app.get(&holder(&in_p7), "/v5/p7/asset/port/statistics")
            .status,
        200
    );
}

#[test]
fn what_the_operator_wrote_down_is_listed_and_cannot_be_revoked_here() {
    let reader = Token::reader("p1", &["0"]);
    let app = App::start(&[&admin(), &reader]);
    let seen = list(&app, &admin(), "p1", "tokens");
    assert_eq!(texts(&seen, "source"), ["file", "file"]);
    for id in texts(&seen, "id") {
        assert_eq!(id.len(), 16);
        let refused = revoke(&app, &admin(), "p1", "tokens", id);
        assert_eq!(refused.code(), (409, "PORTOLAN.0016".into()));
        assert!(refused.error().2.contains("credentials file"));
    }
    assert_eq!(app.hss(&reader, "").status, 200);
}

/// Without a clock's step nothing expires; with one it does while the server runs.
#[test]
fn a_credential_expires_while_the_server_runs() {
    let app = App::start(&[&admin()]);
    let answer = made(
        &app,
        &admin(),
        "p1",
        "tokens",
        &json!({"expires_at": "2026-11-24T02:14:00Z"}),
    );
    let holder = holder(&answer);
    app.clock.advance_s(59);
    assert_eq!(app.hss(&holder, "").status, 200);
    app.clock.advance_s(1);
    assert_eq!(app.hss(&holder, "").code(), (401, "APIGW.0307".into()));
    let seen = list(&app, &admin(), "p1", "tokens");
    assert!(
        texts(&seen, "id").contains(&answer["id"].as_str().unwrap()),
        "it can still be revoked"
    );
}

/// Else a token that somebody gave for a day could give itself another year.
#[test]
fn a_credential_that_ends_makes_none_that_outlives_it() {
    let end = "2026-11-25T00:00:00Z";
    let ending = Token {
        expires_at: Some(end.into()),
        ..Token::new("admin", "p1", &["a"])
    };
    let app = App::start(&[&admin(), &ending]);
    let eps = json!(["a"]);
    for kind in KINDS {
        let with = |expires_at: Value, name: &str| json!({"expires_at": expires_at, "enterprise_projects": eps, "name": name});
        for later in ["2026-11-25T00:00:01Z", "2027-01-01T00:00:00Z"] {
            let refused = create(&app, &ending, "p1", kind, &with(json!(later), "later"));
            let (status, code, text) = refused.error();
            assert_eq!((status, code.as_str()), (400, "PORTOLAN.0010"), "{kind}");
            let told = "expires_at must not be after 2026-11-25T00:00:00Z, when the credential that asks ends";
            assert!(text.contains(told), "{text}");
        }
        let same = made(&app, &ending, "p1", kind, &with(json!(end), "same"));
        let unsaid = made(&app, &ending, "p1", kind, &with(Value::Null, "unsaid"));
        assert_eq!(
            (&same["expires_at"], &unsaid["expires_at"]),
            (&json!(end), &json!(end))
        );
        let early = json!("2026-11-24T03:00:00Z");
        let sooner = made(&app, &ending, "p1", kind, &with(early.clone(), "sooner"));
        assert_eq!(sooner["expires_at"], early);
        // Who does not end makes what does not end.
        let endless = made(&app, &admin(), "p1", kind, &with(Value::Null, "endless"));
        assert_eq!(endless["expires_at"], Value::Null);
    }
    let child = made(
        &app,
        &ending,
        "p1",
        "tokens",
        &json!({"role": "admin", "enterprise_projects": eps}),
    );
    app.clock.advance_s(86_400);
    let act = create(&app, &holder(&child), "p1", "tokens", &json!({}));
    assert_eq!(act.code(), (401, "APIGW.0307".into()));
}

#[test]
fn when_a_credential_was_last_used_is_told_to_the_minute() {
    let app = App::start(&[&admin()]);
    let answer = made(&app, &admin(), "p1", "tokens", &json!({}));
    let last_used = || {
        let seen = list(&app, &admin(), "p1", "tokens");
        let rows = seen["data_list"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == answer["id"]).unwrap()["last_used"].clone()
    };
    assert_eq!(last_used(), Value::Null);
    app.hss(&holder(&answer), "");
    assert_eq!(last_used(), "2026-11-24T02:13:00Z");
    app.clock.advance_s(59);
    app.hss(&holder(&answer), "");
    assert_eq!(last_used(), "2026-11-24T02:13:00Z");
    app.clock.advance_s(1);
    app.hss(&holder(&answer), "");
    assert_eq!(last_used(), "2026-11-24T02:14:00Z");
}

#[test]
fn faulty_wishes_make_nothing_and_tell_what_is_allowed() {
    let app = App::start(&[&admin()]);
    for (more, told) in [
        (
            json!({"role": "root"}),
            "role must be reader, agent or admin, got \"root\"",
        ),
        (
            json!({"enterprise_projects": []}),
            "enterprise_projects must name at least one",
        ),
        (
            json!({"expires_at": "2026-11-24T02:13:00Z"}),
            "expires_at must be in the future, got 2026-11-24T02:13:00Z",
        ),
        (
            json!({"expires_at": "tomorrow"}),
            "expires_at must be a moment in RFC 3339 that ends with Z, such as 2026-11-24T02:13:00Z, got \"tomorrow\"",
        ),
        (
            json!({"expire_at": "2027-01-01T00:00:00Z"}),
            "expire_at is no known field; known are name, role, enterprise_projects, expires_at",
        ),
        (
            json!({"name": "n".repeat(257)}),
            "name must be a string of 0 to 256 characters without NUL, got",
        ),
        (
            json!({"role": 7}),
            "role must be reader, agent or admin, got 7",
        ),
    ] {
        for kind in ["tokens", "access-keys"] {
            let (status, code, text) = create(&app, &admin(), "p1", kind, &more).error();
            assert_eq!((status, code.as_str()), (400, "PORTOLAN.0010"), "{more}");
            assert!(text.contains(told), "{text}");
        }
    }
    for (more, told) in [
        (
            json!({"password": "short"}),
            "password must be a string of 12 to 1024 characters without NUL, got one of 5 characters",
        ),
        (
            json!({"name": ""}),
            "name must be a string of 1 to 256 characters without NUL, got \"\"",
        ),
    ] {
        let (_, code, text) = create(&app, &admin(), "p1", "users", &more).error();
        assert!(code == "PORTOLAN.0010" && text.contains(told), "{text}");
    }
    let broken = app.send(&Request::post(path("p1", "tokens"), "{").token(&admin()));
    assert_eq!(broken.code(), (400, "PORTOLAN.0001".into()));
    assert_eq!(
        list(&app, &admin(), "p1", "tokens")["total_num"],
        1,
        "the file's own"
    );
}

#[test]
fn a_users_name_is_free_again_once_it_is_revoked_and_never_taken_by_another_project() {
    let (first, second) = (admin(), Token::new("admin", "p2", ALL));
    let app = App::start(&[&first, &second]);
    let alice = json!({"name": "alice"});
    let id = made(&app, &first, "p1", "users", &alice)["id"].clone();
    let taken = create(&app, &first, "p1", "users", &alice);
    assert_eq!(taken.code(), (409, "PORTOLAN.0017".into()));
    made(
        &app,
        &first,
        "p1",
        "users",
        &json!({"name": "alice", "domain": "other"}),
    );
    made(&app, &second, "p2", "users", &alice);
    revoke(&app, &first, "p1", "users", id.as_str().unwrap());
    made(&app, &first, "p1", "users", &alice);
}

#[test]
fn a_list_pages_by_id() {
    let app = App::start(&[&admin()]);
    for _ in 0..5 {
        made(&app, &admin(), "p1", "access-keys", &json!({}));
    }
    let whole = list(&app, &admin(), "p1", "access-keys");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app
            .native(&admin(), &format!("/access-keys?limit=2{cursor}"))
            .ok();
        assert_eq!(page["total_num"], 5);
        seen.extend(page["data_list"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(&Value::Array(seen), &whole["data_list"]);
}
