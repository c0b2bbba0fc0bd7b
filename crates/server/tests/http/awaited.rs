//! Hosts that are enrolled and have not reported: freshness `never` in the native reads, and nothing
//! in the counts of assets.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};
use crate::support::{eventually, rows, texts};

const DAY_S: i64 = 86_400;
const UNKNOWN: (u16, &str) = (404, "PORTOLAN.0014");

fn admin() -> Token {
    Token::new("admin", "p1", ALL)
}

fn post(app: &App, rest: &str, body: &Value) -> Answer {
    let target = format!("/portolan/v1/projects/p1/{rest}");
    app.send(&Request::post(target, body.to_string()).token(&admin()))
}

fn enrol(app: &App, host_id: &str, enterprise_project: &str) -> Value {
    let asked = json!({"host_id": host_id, "enterprise_project_id": enterprise_project});
    let answer = post(app, "enrol", &asked);
    assert_eq!(answer.status, 201);
    answer.json()
}

fn delete(app: &App, rest: &str) {
    let target = format!("/portolan/v1/projects/p1/{rest}");
    let answer = app.send(&Request::new("DELETE", target).token(&admin()));
    assert_eq!(answer.status, 204, "{rest}");
}

fn host(id: &str, enterprise_project: &str) -> Host {
    Host::new(id, enterprise_project, vec![tcp("0.0.0.0", 22)])
}

fn read(app: &App, by: &Token, rest: &str) -> Value {
    app.native(by, rest).ok()
}

/// How many hosts are fresh, stale and never, as each call tells that does.
fn told(app: &App, by: &Token, group: &str) -> (u64, u64, u64) {
    let told: BTreeSet<(u64, u64, u64)> =
        ["/statistics", "/exposures", "/hosts", "/ports/1/assets"]
            .map(|call| {
                let hosts = read(app, by, &format!("{call}?enterprise_project_id={group}"));
                let count = |name: &str| hosts["hosts"][name].as_u64().unwrap();
                (count("fresh"), count("stale"), count("never"))
            })
            .into();
    assert_eq!(told.len(), 1, "{told:?}");
    told.into_iter().next().unwrap()
}

/// The ids of a list of hosts that is one page.
fn ids(app: &App, by: &Token, query: &str) -> String {
    let list = read(app, by, &format!("/hosts?{query}"));
    let ids = texts(&list, "host_id");
    assert_eq!(list["total_num"], ids.len(), "{query}");
    ids.join(" ")
}

#[test]
fn an_enrolled_host_is_never_until_its_first_report_and_counts_nowhere_else() {
    let app = App::start(&[&admin()]);
    enrol(&app, "web-1", "x");
    assert_eq!(told(&app, &admin(), "x"), (0, 0, 1));
    assert_eq!(told(&app, &admin(), "all_granted_eps"), (0, 0, 1));
    assert_eq!(told(&app, &admin(), "0"), (0, 0, 0));
    assert_eq!(app.metric("portolan_hosts{freshness=\"never\"}"), 1);
    let list = read(&app, &admin(), "/hosts");
    let row = json!({
        "host_id": "web-1", "host_name": null, "host_ip": null, "enterprise_project_id": "x",
        "last_seen": null, "freshness": "never", "retired_at": null, "identity_conflict": null,
        "open_ports": 0, "coverage": null, "agent": null,
    });
    let hosts = json!({"fresh": 0, "stale": 0, "never": 1});
    let expected =
        json!({"hosts": hosts, "total_num": 1, "data_list": [row.clone()], "next_cursor": null});
    assert_eq!(list, expected);
    let mut page = read(&app, &admin(), "/hosts/web-1");
    let as_of = page["as_of"].take();
    let mut expected = json!({
        "as_of": null, "host_ips": [], "os_type": null, "os_name": null, "kernel_version": null,
        "agent_id": null, "generation": null, "sequence": null, "digest": null, "observed_at": null,
        "committed_at": null, "data_list": [],
    });
    for (name, value) in row.as_object().unwrap() {
        expected[name] = value.clone();
    }
    assert_eq!(page, expected);
    assert!(as_of.is_string());
    // In no count of assets, not in the surface of HSS, and no host of a past moment.
    let hss = app.hss(&admin(), "enterprise_project_id=x");
    assert_eq!(hss.header("x-portolan-hosts"), Some("fresh=0, stale=0"));
    assert_eq!(hss.ok()["total_num"], 0);
    let managed = "/v5/p1/host-management/hosts?enterprise_project_id=x";
    assert_eq!(app.get(&admin(), managed).ok()["total_num"], 0);
    let past = "/hosts/web-1?as_of=2026-11-24T02:12:00Z";
    assert_ne!(app.native(&admin(), past).status, 200);

    app.report(&admin(), &[&host("web-1", "x")]);
    assert_eq!(told(&app, &admin(), "x"), (1, 0, 0));
    assert_eq!(app.metric("portolan_hosts{freshness=\"never\"}"), 0);
    assert_eq!(ids(&app, &admin(), "freshness=never"), "");
    let page = read(&app, &admin(), "/hosts/web-1");
    assert_eq!(page["freshness"], "fresh");
    assert_eq!(page["coverage"]["privileged"], true);
    let counted = app.hss(&admin(), "enterprise_project_id=x").ok();
    assert_eq!(rows(&counted), [(22, "TCP", 1)]);
}

#[test]
fn a_list_has_awaited_hosts_among_the_others_and_is_paged_by_key_while_they_come_and_go() {
    let app = App::start(&[&admin()]);
    for id in ["b", "d", "f", "h"] {
        enrol(&app, id, "0");
    }
    let reported = ["a", "c", "e", "g"].map(|id| host(id, "0"));
    app.report(&admin(), &reported.each_ref());
    for (query, expected) in [
        ("", "a b c d e f g h"),
        ("freshness=never", "b d f h"),
        ("freshness=fresh", "a c e g"),
        ("freshness=stale", ""),
        ("freshness=retired", ""),
        ("enterprise_project_id=x", ""),
    ] {
        assert_eq!(ids(&app, &admin(), query), expected, "{query}");
        for limit in 1..10 {
            let target = format!("/hosts?limit={limit}&{query}");
            assert_eq!(walk(&app, &target, |_| ()), expected, "{target}");
        }
    }
    // Between two pages a host that was told reports, one that was not is released, and one is new.
    let mut pages = 0;
    let all = walk(&app, "/hosts?limit=3", |app| {
        pages += 1;
        if pages == 1 {
            app.report(&admin(), &[&host("b", "0"), &host("d", "0")]);
            delete(app, "enrolments/f");
            enrol(app, "ga", "0");
        }
    });
    assert_eq!(all, "a b c d e g ga h");
}

/// The ids of all pages of a list, with something that happens after each page but the last.
fn walk(app: &App, target: &str, mut between: impl FnMut(&App)) -> String {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = read(app, &admin(), &format!("{target}{cursor}"));
        ids.extend(texts(&list, "host_id").into_iter().map(str::to_owned));
        match list["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids.join(" "),
        }
        between(app);
    }
}

#[test]
fn who_is_awaited_ends_with_a_release_and_outlives_a_restart_and_a_rotation() {
    let mut app = App::start(&[&admin()]);
    let token = enrol(&app, "rotates", "0")["token"].clone();
    for id in ["released", "reports", "stays"] {
        enrol(&app, id, "0");
    }
    let rotate = Request::post("/portolan/v1/projects/p1/enrol/rotate", "{}");
    let rotates = Token {
        secret: token.as_str().unwrap().to_owned(),
        ..Token::agent("p1", &["0"])
    };
    assert_eq!(app.send(&rotate.token(&rotates)).status, 201);
    app.report(&admin(), &[&host("reports", "0")]);
    delete(&app, "enrolments/released");
    let holds = |app: &App| {
        let never = ids(app, &admin(), "freshness=never");
        assert_eq!(never, "rotates stays");
        assert_eq!(told(app, &admin(), "0"), (1, 0, 2));
        let gone = app.native(&admin(), "/hosts/released").code();
        assert_eq!(gone, (UNKNOWN.0, UNKNOWN.1.to_owned()));
    };
    holds(&app);
    holds(&app.crashed_copy());
    app.restart();
    holds(&app);
    // Enrolled anew, it is awaited where it is enrolled then.
    enrol(&app, "released", "x");
    delete(&app, "enrolments/stays");
    enrol(&app, "stays", "x");
    assert_eq!(told(&app, &admin(), "0"), (1, 0, 1));
    assert_eq!(told(&app, &admin(), "x"), (0, 0, 2));
}

#[test]
fn a_host_that_was_removed_is_not_awaited_whatever_becomes_of_its_enrolment() {
    let mut app = App::start(&[&admin()]);
    enrol(&app, "h", "0");
    app.report(&admin(), &[&host("h", "0"), &host("other", "0")]);
    delete(&app, "hosts/h");
    assert_eq!(told(&app, &admin(), "0"), (1, 0, 0));
    app.restart();
    assert_eq!(told(&app, &admin(), "0"), (1, 0, 0));
    delete(&app, "enrolments/h");
    enrol(&app, "h", "0");
    assert_eq!(told(&app, &admin(), "0"), (1, 0, 0), "it has reported");
    // After its retirement is forgotten, too, and at the next start.
    app.clock.advance_s(100 * DAY_S);
    let ports = vec![tcp("0.0.0.0", 23)];
    app.report(&admin(), &[&host("other", "0").next(ports)]);
    app.restart();
    eventually("the retired host is forgotten", || {
        ids(&app, &admin(), "freshness=retired").is_empty()
    });
    for _start in 0..2 {
        assert_eq!(told(&app, &admin(), "0"), (1, 0, 0));
        assert_eq!(ids(&app, &admin(), "freshness=never"), "");
        app.restart();
    }
    // A new enrolment is of a host of which nothing is known.
    delete(&app, "enrolments/h");
    enrol(&app, "h", "0");
    assert_eq!(told(&app, &admin(), "0"), (1, 0, 1));
}

#[test]
fn nobody_is_told_of_awaited_hosts_of_others() {
    let red = Token::reader("p1", &["red"]);
    let blue = Token::reader("p1", &["blue", "0"]);
    let elsewhere = Token::reader("p2", ALL);
    let app = App::start(&[&admin(), &red, &blue, &elsewhere]);
    enrol(&app, "r", "red");
    enrol(&app, "b", "blue");
    app.report(&admin(), &[&host("held", "red")]);
    for (reader, id, expected) in [(&red, "r", (1, 0, 1)), (&blue, "b", (0, 0, 1))] {
        assert_eq!(told(&app, reader, "all_granted_eps"), expected);
        assert_eq!(ids(&app, reader, "freshness=never"), id);
        let page = read(&app, reader, &format!("/hosts/{id}"));
        assert_eq!(page["freshness"], "never");
    }
    assert_eq!(told(&app, &elsewhere, "all_granted_eps"), (0, 0, 0));
    for (reader, id) in [(&red, "b"), (&blue, "r"), (&elsewhere, "r")] {
        let hidden = app.native(reader, &format!("/hosts/{id}"));
        let nobody = app.native(reader, "/hosts/nobody");
        assert_eq!(hidden.code(), nobody.code());
        assert_eq!(hidden.code(), (UNKNOWN.0, UNKNOWN.1.to_owned()));
    }
    // Its first report may be from another enterprise project than its enrolment.
    app.report(&admin(), &[&host("r", "blue")]);
    assert_eq!(told(&app, &red, "all_granted_eps"), (1, 0, 0));
    assert_eq!(told(&app, &blue, "all_granted_eps"), (1, 0, 1));
}

/// It fails where the first report takes a host out of one view and into another.
#[test]
fn while_hosts_report_for_the_first_time_every_answer_has_each_of_them_once() {
    const HOSTS: usize = 120;
    let app = App::start(&[&admin()]);
    let all: Vec<String> = (0..HOSTS).map(|number| format!("h{number:03}")).collect();
    for id in &all {
        enrol(&app, id, "0");
    }
    let done = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut answers = Vec::new();
            loop {
                let last = done.load(Ordering::Acquire);
                answers.push(read(&app, &admin(), "/hosts?limit=200"));
                answers.push(read(&app, &admin(), "/statistics"));
                if last {
                    return answers;
                }
            }
        });
        for id in &all {
            app.report(&admin(), &[&host(id, "0")]);
        }
        done.store(true, Ordering::Release);
        reading.join().unwrap()
    });
    for answer in &answers {
        let count = |name: &str| answer["hosts"][name].as_u64().unwrap();
        assert_eq!(count("fresh") + count("never"), HOSTS as u64, "{answer}");
        assert_eq!(count("stale"), 0);
        if answer.get("as_of").is_some() {
            let counted = rows(answer).first().map_or(0, |(_, _, num)| *num);
            assert_eq!(counted, count("fresh"), "{answer}");
            continue;
        }
        assert_eq!(texts(answer, "host_id"), all);
        assert_eq!(answer["total_num"], HOSTS);
        let never = texts(answer, "freshness");
        let never = never.iter().filter(|freshness| **freshness == "never");
        assert_eq!(never.count() as u64, count("never"));
    }
    let last = answers.last().unwrap();
    let expected = json!({"fresh": HOSTS, "stale": 0, "never": 0});
    assert_eq!(last["hosts"], expected);
}
