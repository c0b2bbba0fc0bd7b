//! Enrolled hosts: their tokens speak for one host and no other, are replaced and end; enrol keys
//! enrol and do nothing else.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, digest, tcp};

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

fn path(rest: &str) -> String {
    format!("/portolan/v1/projects/p1/{rest}")
}

/// Somebody with that secret; the rest is what helpers need.
fn holder(secret: &Value) -> Token {
    Token {
        secret: secret.as_str().unwrap().to_owned(),
        ..Token::agent("p1", &["0"])
    }
}

fn post(app: &App, by: &Token, rest: &str, body: &Value) -> Answer {
    app.send(&Request::post(path(rest), body.to_string()).token(by))
}

fn delete(app: &App, by: &Token, rest: &str) -> Answer {
    app.send(&Request::new("DELETE", path(rest)).token(by))
}

fn made(answer: &Answer) -> Value {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 201, "{body}");
    answer.json()
}

/// A new enrol key.
fn key(app: &App, more: &Value) -> Token {
    let answer = made(&post(app, &admin(), "enrol-keys", more));
    holder(&answer["secret"])
}

fn enrol(app: &App, key: &Token, host_id: &str) -> Answer {
    post(app, key, "enrol", &json!({ "host_id": host_id }))
}

/// The token of a host that is enrolled now.
fn enrolled(app: &App, key: &Token, host_id: &str) -> Token {
    holder(&made(&enrol(app, key, host_id))["token"])
}

fn rotated(app: &App, token: &Token) -> Token {
    holder(&made(&post(app, token, "enrol/rotate", &json!({})))["token"])
}

fn host(id: &str) -> Host {
    Host::new(id, "0", vec![tcp("0.0.0.0", 22), tcp("::1", 5_432)])
}

/// What a token is answered that asks what it is.
fn own(app: &App, token: &Token) -> Answer {
    app.get(token, "/portolan/v1/credential")
}

/// One field of each of some objects.
fn each(list: &[Value], field: &str) -> Vec<String> {
    let texts = list.iter().map(|item| item[field].as_str().unwrap());
    texts.map(str::to_owned).collect()
}

fn data_list(list: &Value) -> &[Value] {
    list["data_list"].as_array().unwrap()
}

const ENDED: (u16, &str) = (401, "APIGW.0301");
const HELD: (u16, &str) = (409, "PORTOLAN.0019");

fn assert_code(answer: &Answer, (status, code): (u16, &str)) {
    assert_eq!(answer.code(), (status, code.to_owned()));
}

#[test]
fn an_enrolled_host_has_a_token_that_speaks_for_it_alone() {
    let app = App::start(&[&admin()]);
    app.report(&admin(), &[&host("other")]);
    let shown = |id: &str| {
        let mut host = app.native(&admin(), &format!("/hosts/{id}")).ok();
        host["as_of"].take();
        host
    };
    let before = shown("other");
    let key = key(&app, &json!({"enterprise_projects": ["0"]}));
    let answer = made(&enrol(&app, &key, "web-1"));
    let expected = json!({
        "project_id": "p1", "enterprise_project_id": "0", "host_id": "web-1", "role": "agent",
        "token": answer["token"],
    });
    assert_eq!(answer, expected);
    let token = holder(&answer["token"]);
    let own = own(&app, &token).ok();
    assert_eq!(
        (&own["host_id"], &own["role"]),
        (&json!("web-1"), &json!("agent"))
    );
    // A report of its own, and beside it one of a host that there is, and one of nobody.
    let reports: Vec<Value> = ["web-1", "other", "nobody"]
        .map(|id| host(id).next(vec![tcp("::", 80)]).report())
        .into();
    let results = app.post(&token, "reports", &reports);
    assert_eq!(
        each(&results, "status"),
        ["accepted", "rejected", "rejected"]
    );
    for (result, id) in results.iter().skip(1).zip(["other", "nobody"]) {
        let index = &result["index"];
        let field = format!("reports[{index}].host.host_id");
        let expected = json!({
            "index": index, "host_id": id, "status": "rejected", "error_code": "PORTOLAN.0018",
            "error_msg": format!("{field} must be the host of the credential, got \"{id}\""),
            "field": field,
        });
        assert_eq!(
            result, &expected,
            "no more of a host that there is than of one there is not"
        );
    }
    let beats: Vec<Value> = [host("web-1").next(vec![tcp("::", 80)]), host("other")]
        .iter()
        .map(|host| host.heartbeat(&json!(digest(&host.ports))))
        .collect();
    let results = app.post(&token, "heartbeats", &beats);
    assert_eq!(each(&results, "status"), ["ok", "rejected"]);
    assert_eq!(results[1]["error_code"], "PORTOLAN.0018");
    assert_eq!(shown("other"), before, "it is untouched");
    assert_eq!(app.native(&admin(), "/hosts/nobody").status, 404);
}

#[test]
fn a_hosts_token_reads_administers_and_is_exchanged_for_nothing() {
    let app = App::start(&[&admin()]);
    app.report(&admin(), &[&host("other")]);
    let key = key(&app, &json!({}));
    let token = enrolled(&app, &key, "web-1");
    for holder in [&token, &key] {
        for read in [
            "hosts",
            "hosts/web-1",
            "hosts/other",
            "statistics",
            "changes",
            "enrolments",
        ] {
            assert_code(&app.get(holder, &path(read)), (403, "APIGW.0302"));
        }
        assert_code(&app.hss(holder, ""), (403, "APIGW.0302"));
        for kind in ["tokens", "access-keys", "users", "enrol-keys"] {
            assert_code(&post(&app, holder, kind, &json!({})), (403, "APIGW.0302"));
        }
        for target in ["hosts/other", "hosts/web-1", "enrolments/web-1"] {
            assert_code(&delete(&app, holder, target), (403, "APIGW.0302"));
        }
        let elsewhere = Request::post("/portolan/v1/projects/p2/reports", "{}").token(holder);
        assert_code(&app.send(&elsewhere), (403, "APIGW.0306"));
        // A log-in would forget the host, and the key for which it counts.
        let identity = json!({"methods": ["token"], "token": {"id": holder.secret}});
        let asked =
            json!({"auth": {"identity": identity, "scope": {"project": {"id": "p1"}}}}).to_string();
        assert_eq!(
            app.send(&Request::post("/v3/auth/tokens", asked)).status,
            401
        );
    }
    // A host's token enrols nobody, a key reports nothing and asks for no projects.
    assert_code(&enrol(&app, &token, "web-2"), (403, "APIGW.0302"));
    for list in ["reports", "heartbeats"] {
        assert_code(
            &post(&app, &key, list, &json!({ list: [] })),
            (403, "APIGW.0302"),
        );
    }
    assert_code(
        &post(&app, &key, "enrol/rotate", &json!({})),
        (403, "APIGW.0302"),
    );
    assert_eq!(app.get(&key, "/v3/auth/projects").status, 403);
    assert_eq!(own(&app, &key).ok()["role"], "enrol");
    // Nor does another agent's token get one of a host's.
    let agent = post(&app, &admin(), "tokens", &json!({"role": "agent"}));
    let agent = holder_of(&agent);
    assert_code(
        &post(&app, &agent, "enrol/rotate", &json!({})),
        (403, "APIGW.0302"),
    );
}

fn holder_of(answer: &Answer) -> Token {
    holder(&made(answer)["secret"])
}

#[test]
fn the_first_enrolment_of_a_host_wins_until_it_is_released() {
    let mut app = App::start(&[&admin()]);
    let key_a = key(&app, &json!({}));
    let token = enrolled(&app, &key_a, "web-1");
    let key_b = key(&app, &json!({}));
    // The same machine's clone, another key, an administrator, another enterprise project.
    let asked = json!({"host_id": "web-1", "enterprise_project_id": "red"});
    for by in [&key_a, &key_b, &admin()] {
        assert_code(&enrol(&app, by, "web-1"), HELD);
        assert_code(&post(&app, by, "enrol", &asked), HELD);
    }
    app.report(&token, &[&host("web-1")]);
    app.restart();
    assert_code(&enrol(&app, &key_a, "web-1"), HELD);
    assert_eq!(own(&app, &token).status, 200);
    assert_eq!(delete(&app, &admin(), "enrolments/web-1").status, 204);
    assert_code(&own(&app, &token), ENDED);
    assert_code(
        &delete(&app, &admin(), "enrolments/web-1"),
        (404, "PORTOLAN.0015"),
    );
    let again = enrolled(&app, &key_b, "web-1");
    app.restart();
    assert_code(&own(&app, &token), ENDED);
    app.report(&again, &[&host("web-1")]);
}

#[test]
fn a_lost_answer_is_asked_for_again_with_its_retry_key_until_the_token_is_used() {
    let mut app = App::start(&[&admin()]);
    let key_a = key(&app, &json!({}));
    let key_b = key(&app, &json!({}));
    let asked = |retry: &str| json!({"host_id": "web-1", "retry_key": retry.repeat(32)});
    let lost = holder(&made(&post(&app, &key_a, "enrol", &asked("a")))["token"]);
    app.restart();
    assert_code(&enrol(&app, &key_a, "web-1"), HELD);
    assert_code(&post(&app, &key_a, "enrol", &asked("b")), HELD);
    assert_code(&post(&app, &key_b, "enrol", &asked("a")), HELD);
    let token = holder(&made(&post(&app, &key_a, "enrol", &asked("a")))["token"]);
    assert_code(&own(&app, &lost), ENDED);
    assert_eq!(own(&app, &token).status, 200);
    // From its first use on, nobody asks again, after a restart neither.
    assert_code(&post(&app, &key_a, "enrol", &asked("a")), HELD);
    let copy = app.crashed_copy();
    assert_code(&post(&copy, &key_a, "enrol", &asked("a")), HELD);
    assert_eq!(own(&copy, &token).status, 200);
}

#[test]
fn the_old_token_is_good_until_the_new_one_is_used_and_not_after_it() {
    let mut app = App::start(&[&admin()]);
    let key = key(&app, &json!({}));
    let first = enrolled(&app, &key, "web-1");
    app.report(&first, &[&host("web-1")]);
    let lost = rotated(&app, &first);
    app.restart();
    assert_eq!(
        own(&app, &first).status,
        200,
        "the answer may have been lost"
    );
    app.clock.advance_s(60);
    let second = rotated(&app, &first);
    assert_code(&own(&app, &lost), ENDED);
    let list = app.get(&admin(), &path("enrolments")).ok();
    assert_eq!(list["data_list"][0]["rotating"], true, "{list}");
    app.report(&second, &[&host("web-1").next(vec![])]);
    assert_code(&own(&app, &first), ENDED);
    // What has ended is durable before the first answer to the new one.
    let copy = app.crashed_copy();
    assert_code(&own(&copy, &first), ENDED);
    assert_eq!(own(&copy, &second).status, 200);
    let list = copy.get(&admin(), &path("enrolments")).ok();
    let row = &list["data_list"][0];
    assert_eq!(row["rotating"], false, "{list}");
    assert_eq!(row["token_made_at"], "2026-11-24T02:14:00Z", "{list}");
    assert_eq!(row["enrolled_at"], "2026-11-24T02:13:00Z", "{list}");
}

#[test]
fn a_stolen_token_that_rotates_ends_with_the_hosts_release() {
    let app = App::start(&[&admin()]);
    let key = key(&app, &json!({}));
    let host_token = enrolled(&app, &key, "web-1");
    let thief = rotated(&app, &host_token);
    assert_eq!(own(&app, &thief).status, 200);
    assert_code(&own(&app, &host_token), ENDED);
    let pending = rotated(&app, &thief);
    assert_eq!(delete(&app, &admin(), "enrolments/web-1").status, 204);
    for token in [&host_token, &thief, &pending] {
        assert_code(&own(&app, token), ENDED);
        assert_code(&post(&app, token, "enrol/rotate", &json!({})), ENDED);
    }
}

#[test]
fn a_key_ends_by_its_time_its_number_of_hosts_and_its_revocation() {
    let app = App::start(&[&admin()]);
    let few = key(
        &app,
        &json!({"hosts_max": 2, "expires_at": "2026-11-24T03:13:00Z"}),
    );
    let first = enrolled(&app, &few, "a");
    enrolled(&app, &few, "b");
    assert_code(&enrol(&app, &few, "c"), (409, "PORTOLAN.0017"));
    let list = app.get(&admin(), &path("enrol-keys")).ok();
    let row = &list["data_list"][0];
    assert_eq!(
        (&row["hosts"], &row["hosts_max"]),
        (&json!(2), &json!(2)),
        "{list}"
    );
    assert_eq!(
        (&row["role"], row.get("secret")),
        (&json!("enrol"), None),
        "{list}"
    );
    assert_eq!(delete(&app, &admin(), "enrolments/b").status, 204);
    enrolled(&app, &few, "c");
    app.clock.advance_s(3_600);
    assert_code(&enrol(&app, &few, "d"), (401, "APIGW.0307"));
    assert_eq!(own(&app, &first).status, 200, "what it enrolled goes on");
    let other = made(&post(&app, &admin(), "enrol-keys", &json!({})));
    let key = holder(&other["secret"]);
    let host = enrolled(&app, &key, "e");
    let id = other["id"].as_str().unwrap();
    assert_eq!(
        delete(&app, &admin(), &format!("enrol-keys/{id}")).status,
        204
    );
    assert_code(&enrol(&app, &key, "f"), ENDED);
    assert_eq!(own(&app, &host).status, 200);
}

#[test]
fn a_key_enrols_where_it_was_granted_and_its_administrator_grants_no_more_than_it_has() {
    let red = Token::new("admin", "p1", &["red"]);
    let app = App::start(&[&admin(), &red]);
    let beyond = json!({"enterprise_projects": ["blue"]});
    assert_code(
        &post(&app, &red, "enrol-keys", &beyond),
        (400, "PORTOLAN.0011"),
    );
    let key = holder_of(&post(&app, &red, "enrol-keys", &json!({})));
    assert_code(&enrol(&app, &key, "web-1"), (400, "PORTOLAN.0011"));
    let asked = json!({"host_id": "web-1", "enterprise_project_id": "red"});
    let token = holder(&made(&post(&app, &key, "enrol", &asked))["token"]);
    let other = Host::new("web-1", "blue", vec![]);
    let results = app.post(&token, "reports", &[other.report()]);
    assert_eq!(results[0]["error_code"], "PORTOLAN.0011");
    let own = other.in_enterprise_project("red");
    app.report(&token, &[&own]);
    // By whom is told where that credential could be seen anyway.
    let by = |by: &Token| {
        let list = app.get(by, &path("enrolments")).ok();
        data_list(&list)[0]["enrolled_by"].is_string()
    };
    assert!(by(&red) && by(&admin()));
    let asked = json!({"host_id": "web-0", "enterprise_project_id": "red"});
    made(&post(&app, &admin(), "enrol", &asked));
    assert!(!by(&red) && by(&admin()));
    assert_eq!(delete(&app, &admin(), "enrolments/web-0").status, 204);
    // Hosts of others are neither listed nor released.
    enrolled(&app, &admin(), "plain");
    let ids = |by: &Token| {
        let list = app.get(by, &path("enrolments")).ok();
        assert_eq!(list["total_num"], data_list(&list).len());
        each(data_list(&list), "host_id").join(" ")
    };
    assert_eq!(
        (ids(&admin()), ids(&red)),
        ("plain web-1".into(), "web-1".into())
    );
    for id in ["plain", "nobody"] {
        let answer = delete(&app, &red, &format!("enrolments/{id}"));
        assert_code(&answer, (404, "PORTOLAN.0015"));
    }
}

#[test]
fn every_act_is_in_the_audit_log_and_no_secret_is() {
    let app = App::start(&[&admin()]);
    let key = key(&app, &json!({}));
    let first = enrolled(&app, &key, "web-1");
    assert_code(&enrol(&app, &key, "web-1"), HELD);
    let second = rotated(&app, &first);
    app.report(&second, &[&host("web-1")]);
    assert_eq!(delete(&app, &admin(), "enrolments/web-1").status, 204);
    let log = std::fs::read_to_string(app.data_dir().join("audit.log")).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let acts: Vec<(&str, &str)> = lines
        .iter()
        .filter(|line| line["target"] == "p1/host/web-1")
        .map(|line| {
            (
                line["action"].as_str().unwrap(),
                line["outcome"].as_str().unwrap(),
            )
        })
        .filter(|(_, outcome)| *outcome != "begun")
        .collect();
    let expected = [
        ("host.enrol", "done"),
        ("host.enrol", "PORTOLAN.0019"),
        ("host-token.rotate", "done"),
        ("host-token.first-use", "done"),
        ("host.release", "done"),
    ];
    assert_eq!(acts, expected, "{log}");
    for secret in [&key, &first, &second] {
        assert!(!log.contains(&secret.secret), "{log}");
    }
}

#[test]
fn enrolments_are_paged_by_host_id() {
    let app = App::start(&[&admin()]);
    let key = key(&app, &json!({}));
    for id in ["c", "a", "b"] {
        enrolled(&app, &key, id);
    }
    let mut cursor = Value::Null;
    let mut ids = Vec::new();
    for _page in 0..3 {
        let after = cursor.as_str().map(|at| format!("&cursor={at}"));
        let target = format!("enrolments?limit=1{}", after.unwrap_or_default());
        let list = app.get(&admin(), &path(&target)).ok();
        assert_eq!(list["total_num"], 3);
        ids.extend(each(data_list(&list), "host_id"));
        cursor = list["next_cursor"].clone();
    }
    assert_eq!((ids.join(" "), cursor), ("a b c".to_owned(), Value::Null));
}
