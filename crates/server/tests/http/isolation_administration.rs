//! Invariant 8 for administration: every act of every credential on what every other grant has.
//!
//! Each caller tries each act on each victim; a rule of two lines says which may be. What may not be
//! is answered as if the victim were not there, and changes nothing.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::Request;
use crate::fleet::{Host, tcp};

/// Kinds of credentials, by their routes.
const KINDS: [&str; 4] = ["tokens", "access-keys", "users", "enrol-keys"];
const NOBODY: &str = "nobody";

/// Credentials of a grant, one a kind, and hosts if the grant is of one enterprise project.
struct Victim {
    project: &'static str,
    enterprise_projects: &'static [&'static str],
    /// Stands in everything of it and in nothing else.
    word: &'static str,
    ids: [String; KINDS.len()],
}

impl Victim {
    fn all() -> Vec<Self> {
        let of = |project, enterprise_projects, word| Self {
            project,
            enterprise_projects,
            word,
            ids: Default::default(),
        };
        vec![
            of("p1", &["red"], "crimson"),
            of("p1", &["blue"], "azure"),
            of("p1", &["0"], "plain"),
            of("p1", &["red", "blue"], "violet"),
            of("p1", ALL, "rainbow"),
            of("p2", &["red"], "scarlet"),
            of("p2", ALL, "spectrum"),
            of("*", &["red"], "ruby"),
            of("*", ALL, "prism"),
        ]
    }

    /// A wish for a credential of that kind with this grant.
    fn wish(&self, kind: &str, name: &str) -> Value {
        let mut wish = json!({
            "role": "reader", "name": name, "enterprise_projects": self.enterprise_projects,
        });
        if let ("enrol-keys", Some(fields)) = (kind, wish.as_object_mut()) {
            fields.remove("role");
        }
        if kind == "users" {
            wish["password"] = json!("correct horse battery");
        }
        wish
    }

    fn name(&self) -> String {
        format!("{}-name", self.word)
    }

    fn host(&self) -> Option<Host> {
        let of_one = self.enterprise_projects != ALL && self.project != "*";
        let [enterprise_project] = self.enterprise_projects else {
            return None;
        };
        of_one.then(|| {
            let id = format!("{}-host", self.word);
            Host::new(&id, enterprise_project, vec![tcp("::", 22)])
        })
    }
}

fn root() -> Token {
    Token::new("admin", "*", ALL)
}

fn callers() -> Vec<Token> {
    vec![
        Token::reader("p1", ALL),
        Token::agent("p1", ALL),
        Token::new("admin", "p1", ALL),
        Token::new("admin", "p1", &["red"]),
        Token::new("admin", "p1", &["red", "blue"]),
        Token::new("admin", "p2", ALL),
        Token::new("admin", "p2", &["red", "0"]),
        Token::reader("*", ALL),
        Token::agent("*", ALL),
        Token::new("admin", "*", &["red"]),
        root(),
    ]
}

/// Why an administrative call for a project is refused, whatever it is about.
fn refusal(caller: &Token, project: &str) -> Option<&'static str> {
    if caller.project != "*" && caller.project != project {
        return Some("APIGW.0306");
    }
    (caller.role != "admin").then_some("APIGW.0302")
}

/// The rule: an administrator reaches what it could have granted.
fn reaches(caller: &Token, victim: &Victim) -> bool {
    let holds = |id: &&str| {
        caller
            .enterprise_projects
            .iter()
            .any(|granted| granted == id)
    };
    let within = caller.enterprise_projects == ALL || victim.enterprise_projects.iter().all(holds);
    refusal(caller, victim.project).is_none() && within
}

struct Scene {
    app: App,
    victims: Vec<Victim>,
}

fn route(project: &str, rest: &str) -> String {
    format!("/portolan/v1/projects/{project}/{rest}")
}

impl Scene {
    fn start() -> Self {
        let callers = callers();
        let app = App::start(&callers.iter().collect::<Vec<_>>());
        let mut scene = Self {
            app,
            victims: Victim::all(),
        };
        for place in 0..scene.victims.len() {
            (0..KINDS.len()).for_each(|kind| scene.make(place, kind));
            scene.bring_host(place);
        }
        scene
    }

    fn make(&mut self, place: usize, kind: usize) {
        let victim = &self.victims[place];
        let wish = victim.wish(KINDS[kind], &victim.name());
        let made = self.create(&root(), victim.project, KINDS[kind], &wish);
        assert_eq!(made.status, 201);
        self.victims[place].ids[kind] = made.json()["id"].as_str().unwrap().to_owned();
    }

    fn bring_host(&self, place: usize) {
        let victim = &self.victims[place];
        if let Some(host) = victim.host() {
            let reporter = Token {
                project: victim.project.to_owned(),
                ..root()
            };
            self.app.report(&reporter, &[&host]);
        }
    }

    fn create(&self, by: &Token, project: &str, kind: &str, wish: &Value) -> Answer {
        let request = Request::post(route(project, kind), wish.to_string());
        self.app.send(&request.token(by))
    }

    fn delete(&self, by: &Token, project: &str, rest: &str) -> Answer {
        self.app
            .send(&Request::new("DELETE", route(project, rest)).token(by))
    }

    fn list(&self, by: &Token, project: &str, kind: &str) -> Answer {
        self.app
            .get(by, &route(project, &format!("{kind}?limit=200")))
    }

    /// Everything there is, as the administrator of the whole server sees it.
    fn everything(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for project in ["p1", "p2", "*"] {
            for kind in KINDS {
                let list = self.list(&root(), project, kind).ok();
                for row in list["data_list"].as_array().unwrap() {
                    seen.push(format!("{project} {kind} {}", row["id"]));
                }
            }
            if project != "*" {
                let hosts = self.app.get(&root(), &route(project, "hosts")).ok();
                seen.push(format!("{project} hosts {}", hosts["total_num"]));
            }
        }
        seen
    }

    /// No word of what the caller does not reach, unless the caller said it.
    fn assert_silent(&self, caller: &Token, answer: &Answer, said: &str) {
        let text = String::from_utf8_lossy(&answer.body);
        for victim in &self.victims {
            let may = reaches(caller, victim) || victim.word == said;
            assert!(may || !text.contains(victim.word), "{caller:?}: {text}");
            let ids = || victim.ids.iter().any(|id| text.contains(id.as_str()));
            assert!(may || !ids(), "{caller:?}: {text}");
        }
    }
}

#[test]
fn lists_show_what_the_caller_could_have_granted_and_nothing_else() {
    let scene = Scene::start();
    for caller in &callers() {
        for victim in &scene.victims {
            for (kind, id) in KINDS.iter().zip(&victim.ids) {
                let answer = scene.list(caller, victim.project, kind);
                scene.assert_silent(caller, &answer, "");
                if let Some(code) = refusal(caller, victim.project) {
                    assert_eq!(answer.code(), (403, code.into()), "{caller:?} {kind}");
                    if caller.project != "*" && caller.project != victim.project {
                        let unknown = scene.list(caller, "p3", kind).essence();
                        assert_eq!(answer.essence(), unknown, "{caller:?} {kind}");
                    }
                    continue;
                }
                let shown = answer.ok().to_string().contains(id.as_str());
                assert_eq!(shown, reaches(caller, victim), "{caller:?} {}", victim.word);
                // Nor does a page tell of what stands between its rows, or the total of it.
                let list = answer.json();
                let rows = list["data_list"].as_array().unwrap().len();
                assert_eq!(list["total_num"], rows, "{caller:?} {kind}");
            }
        }
    }
}

#[test]
fn credentials_are_made_and_revoked_by_who_could_have_granted_them_and_by_nobody_else() {
    let mut scene = Scene::start();
    for caller in &callers() {
        for place in 0..scene.victims.len() {
            for kind in 0..KINDS.len() {
                revoke_and_make(&mut scene, caller, place, kind);
            }
        }
    }
}

fn revoke_and_make(scene: &mut Scene, caller: &Token, place: usize, kind: usize) {
    let victim = &scene.victims[place];
    let (project, word, name) = (victim.project, victim.word, KINDS[kind]);
    let context = format!("{caller:?} {word} {name}");
    let before = scene.everything();
    let wish = victim.wish(name, "somebody-else");
    let made = scene.create(caller, project, name, &wish);
    scene.assert_silent(caller, &made, "");
    let target = format!("{name}/{}", victim.ids[kind]);
    if reaches(caller, victim) {
        assert_eq!(made.status, 201, "{context}");
        let made = made.json()["id"].as_str().unwrap().to_owned();
        for id in [format!("{name}/{made}"), target] {
            assert_eq!(scene.delete(caller, project, &id).status, 204, "{context}");
        }
        scene.make(place, kind);
        return;
    }
    let refused = refusal(caller, project).map(|code| (403, code));
    let (status, code) = refused.unwrap_or((400, "PORTOLAN.0011"));
    assert_eq!(made.code(), (status, code.into()), "{context}");
    let there = scene.delete(caller, project, &target);
    scene.assert_silent(caller, &there, "");
    let not_there = scene.delete(caller, project, &format!("{name}/{NOBODY}"));
    let (status, code) = refused.unwrap_or((404, "PORTOLAN.0015"));
    assert_eq!(there.code(), (status, code.into()), "{context}");
    assert_eq!(there.essence(), not_there.essence(), "{context}");
    assert_eq!(scene.everything(), before, "{context}");
}

#[test]
fn hosts_are_removed_by_administrators_of_their_enterprise_project_and_by_nobody_else() {
    let scene = Scene::start();
    for caller in &callers() {
        for (place, victim) in scene.victims.iter().enumerate() {
            let Some(host) = victim.host() else { continue };
            let context = format!("{caller:?} {}", host.id);
            let before = scene.everything();
            let rest = format!("hosts/{}", host.id);
            let removed = scene.delete(caller, victim.project, &rest);
            if reaches(caller, victim) {
                assert_eq!(removed.status, 204, "{context}");
                scene.bring_host(place);
            } else {
                scene.assert_silent(caller, &removed, victim.word);
                let refused = refusal(caller, victim.project).map(|code| (403, code));
                let (status, code) = refused.unwrap_or((404, "PORTOLAN.0014"));
                assert_eq!(removed.code(), (status, code.into()), "{context}");
                let nobody = scene.delete(caller, victim.project, &format!("hosts/{NOBODY}"));
                assert_eq!(removed.essence(), nobody.essence(), "{context}");
            }
            assert_eq!(scene.everything(), before, "{context}");
        }
    }
}

/// A backup holds all projects: nobody has it but who may do everything everywhere.
#[test]
fn a_backup_is_for_the_administrator_of_the_whole_server_alone() {
    let scene = Scene::start();
    for caller in &callers() {
        let request = Request::get("/portolan/v1/backup");
        if (caller.project.as_str(), caller.role) == ("*", "admin")
            && caller.enterprise_projects == ALL
        {
            let mut connection = scene.app.connect();
            let head = format!(
                "GET /portolan/v1/backup HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Auth-Token: {}\r\n\r\n",
                caller.secret
            );
            connection.write(head.as_bytes());
            assert!(connection.wait_for_end().starts_with(b"HTTP/1.1 200"));
            continue;
        }
        let refused = scene.app.send(&request.token(caller));
        scene.assert_silent(caller, &refused, "");
        let whole = caller.project == "*" && caller.enterprise_projects == ALL;
        let code = if whole { "APIGW.0302" } else { "APIGW.0306" };
        assert_eq!(refused.code(), (403, code.into()), "{caller:?}");
    }
}
