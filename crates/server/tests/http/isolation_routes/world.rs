//! Credentials of every grant, and servers that hold what some of them may be told.

use std::collections::HashMap;
use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{ALL, App, Token};
use crate::client::{Connection, Request};
use crate::isolation::{Group, group, groups as of_two_projects};
use crate::signer::AccessKey;

/// A project whose id is a word of its own, and that nobody is for but who is for all.
pub(super) const THIRD: &str = "umbra";

/// What there is: two projects, and a third for those who are for every project.
pub(super) fn groups() -> Vec<Group> {
    let third = group(THIRD, "0", THIRD, 31_000);
    of_two_projects().into_iter().chain([third]).collect()
}

const PASSWORD: &str = "correct horse battery";
/// One for all: it is slow to make.
static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| {
    let hash = Argon2::default().hash_password_with_salt(PASSWORD.as_bytes(), b"salt of 16 bytes");
    hash.unwrap().to_string()
});

/// Grants of one project: all of it, each enterprise project, and each pair.
const OF_A_PROJECT: [&[&str]; 7] = [
    ALL,
    &["0"],
    &["red"],
    &["blue"],
    &["0", "red"],
    &["0", "blue"],
    &["red", "blue"],
];
/// Grants of all projects at once.
const OF_EVERY_PROJECT: [&[&str]; 3] = [ALL, &["red"], &["red", "blue"]];

/// Somebody with a token, an access key, and perhaps a user, all for the same.
#[derive(Clone)]
pub(super) struct Holder {
    pub(super) token: Token,
    pub(super) key: AccessKey,
    user: Option<String>,
}

/// By what a holder asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Token,
    AccessKey,
    LogIn,
}

/// One project and enterprise projects; a holder of each role has them.
pub(super) fn grants() -> Vec<Token> {
    let of = |project: &'static str, ids: &'static [&'static [&'static str]]| {
        ids.iter().map(move |ids| Token::new("admin", project, ids))
    };
    let both = ["p1", "p2"].into_iter();
    let both = both.flat_map(|project| of(project, &OF_A_PROJECT));
    both.chain(of("*", &OF_EVERY_PROJECT)).collect()
}

pub(super) fn holders() -> Vec<Holder> {
    let grants = grants().into_iter().enumerate();
    let of_roles = |(place, grant): (usize, Token)| {
        ["reader", "agent", "admin"].map(|role| {
            let ids: Vec<&str> = grant.enterprise_projects.iter().map(|id| &**id).collect();
            let has_user = role == "reader" && OF_EVERY_PROJECT.contains(&ids.as_slice());
            Holder {
                token: Token::new(role, &grant.project, &ids),
                key: AccessKey::new(&format!("key{place}{role}")),
                user: has_user.then(|| format!("user{place}{role}")),
            }
        })
    };
    grants.flat_map(of_roles).collect()
}

/// Whether an administrator with the grant `by` could have granted `of`.
pub(super) fn could_grant(by: &Token, of: &Token) -> bool {
    let holds = |id| by.enterprise_projects.contains(id);
    (by.project == "*" || by.project == of.project)
        && (by.enterprise_projects == ALL || of.enterprise_projects.iter().all(holds))
}

/// The administrator of everything, in one project.
fn root(project: &str) -> Token {
    let project = project.to_owned();
    let root = Token::new("admin", "*", ALL);
    Token { project, ..root }
}

/// A server, and the log-ins of its holders.
pub(super) struct Server {
    pub(super) app: App,
    line: Connection,
    /// By the secret of the holder's token.
    pub(super) log_ins: HashMap<String, String>,
}

impl Server {
    /// A server of these holders and groups.
    pub(super) fn start(holders: &[Holder], there: impl Fn(&Group) -> bool) -> Self {
        let mut file: Vec<String> = holders.iter().map(Holder::entries).collect();
        if !holders.iter().any(|holder| holder.is_root()) {
            file.push(Token::file(&[&root("*")]));
        }
        let app = App::of_file(&file.concat(), Default::default(), Default::default());
        for group in &groups() {
            if there(group) {
                bring(&app, group);
            }
            // Commits of one moment are a microsecond apart, whosever they are: here each group has a
            // moment of its own, as it has with a clock that goes.
            app.clock.advance_s(1);
        }
        let line = app.connect();
        let log_ins = HashMap::new();
        let mut server = Self { app, line, log_ins };
        for holder in holders {
            server.touch(holder);
        }
        // Log-ins are commits as well.
        server.app.clock.advance_s(1);
        server
    }

    /// Uses each of somebody's credentials once: when one was used last is told, too.
    fn touch(&mut self, holder: &Holder) {
        let own = || Request::get("/portolan/v1/credential");
        for request in [
            own().token(&holder.token),
            holder.key.sign(&self.app, own()),
        ] {
            assert_eq!(self.send(&request).status, 200);
        }
        let identity = match &holder.user {
            Some(name) => json!({"methods": ["password"], "password": {"user": {
                "name": name, "domain": {"name": "default"}, "password": PASSWORD}}}),
            None => json!({"methods": ["token"], "token": {"id": holder.token.secret}}),
        };
        let project = holder.log_in_project();
        let asked = json!({"auth": {"identity": identity, "scope": {"project": {"id": project}}}});
        let answer = self.send(&Request::post("/v3/auth/tokens", asked.to_string()));
        assert_eq!(
            answer.status,
            201,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let secret = answer.header("x-subject-token").unwrap().to_owned();
        self.log_ins.insert(holder.token.secret.clone(), secret);
    }

    pub(super) fn send(&mut self, request: &Request) -> Answer {
        let answer = self.line.send(request);
        if answer.header("connection") == Some("close") {
            self.line = self.app.connect();
        }
        answer
    }

    pub(super) fn send_as(&mut self, holder: &Holder, way: Way, request: Request) -> Answer {
        let request = match way {
            Way::Token => request.token(&holder.token),
            Way::AccessKey => holder.key.sign(&self.app, request),
            Way::LogIn => request.header("X-Auth-Token", &self.log_ins[&holder.token.secret]),
        };
        self.send(&request)
    }

    /// The ids of the credentials of a kind in a project, all of them.
    pub(super) fn credentials(&mut self, project: &str, kind: &str) -> Vec<Value> {
        let target = format!("/portolan/v1/projects/{project}/{kind}?limit=200");
        let list = self.send(&Request::get(target).token(&root(project))).ok();
        list["data_list"].as_array().unwrap().clone()
    }

    /// Everything that a request could have changed.
    pub(super) fn everything(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for project in ["p1", "p2", THIRD] {
            for rest in [
                "hosts",
                "statistics?status_field=true",
                "recount",
                "tokens",
                "access-keys",
                "users",
                "enrol-keys",
                "enrolments",
            ] {
                let more = if rest.contains('?') { "&" } else { "?" };
                let target = format!("/portolan/v1/projects/{project}/{rest}{more}limit=200");
                let request = Request::get(target).token(&root(project));
                all.push(self.send(&request).ok().to_string());
            }
        }
        all
    }
}

/// A host of a group that has a token of its own.
pub(super) fn enrolled_host(group: &Group) -> String {
    format!("enrolled-{}", group.word)
}

/// Reports a group, enrols a host of it, and ignores what is dangerous of half of them.
fn bring(app: &App, group: &Group) {
    let root = root(group.project);
    app.report(&root, &group.hosts.iter().collect::<Vec<_>>());
    let host_id = enrolled_host(group);
    let enrolled = json!({"host_id": host_id, "enterprise_project_id": group.enterprise_project});
    let target = format!("/portolan/v1/projects/{}/enrol", group.project);
    let answer = app.send(&Request::post(target, enrolled.to_string()).token(&root));
    assert_eq!(answer.status, 201);
    if group.enterprise_project == "0" {
        return;
    }
    let host = &group.hosts[0].id;
    let item = json!({"host_id": host, "port": group.hosts[0].ports[1].port, "port_type": "TCP"});
    let body = json!({"operate_type": "ignore", "data_list": [item]}).to_string();
    let all = "enterprise_project_id=all_granted_eps";
    let target = format!("/v5/{}/asset/batch-modify-port-status?{all}", group.project);
    app.send(&Request::post(target, body).token(&root)).ok();
}

impl Holder {
    fn is_root(&self) -> bool {
        let Token {
            role,
            project,
            enterprise_projects,
            ..
        } = &self.token;
        (*role, project.as_str()) == ("admin", "*") && enterprise_projects == ALL
    }

    /// May read what there is of its enterprise projects.
    pub(super) fn reads(&self) -> bool {
        self.token.role != "agent"
    }

    /// What its log-in is for.
    fn log_in_project(&self) -> &str {
        match self.token.project.as_str() {
            "*" => "p1",
            own => own,
        }
    }

    /// What one of its credentials is for.
    pub(super) fn grant(&self, way: Way) -> Token {
        match way {
            Way::Token | Way::AccessKey => self.token.clone(),
            Way::LogIn => Token {
                project: self.log_in_project().to_owned(),
                ..self.token.clone()
            },
        }
    }

    /// The names by which its credentials are known.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.user.iter().chain([&self.key.ak]).map(String::as_str)
    }

    /// Its entries of a credentials file.
    fn entries(&self) -> String {
        let mut toml = Token::file(&[&self.token]);
        toml.push_str(&self.key.entry_as(&self.token));
        // What enrols is an administrator's to make, and to see.
        if self.token.role == "admin" {
            let Token {
                secret,
                project,
                enterprise_projects,
                ..
            } = &self.token;
            toml.push_str(&format!(
                "[[enrol_key]]\nsecret = \"enrol {secret}\"\nproject_id = {project:?}\n\
                 enterprise_projects = {enterprise_projects:?}\n"
            ));
        }
        if let Some(name) = &self.user {
            let Token {
                role,
                project,
                enterprise_projects,
                ..
            } = &self.token;
            let hash = &*PASSWORD_HASH;
            toml.push_str(&format!(
                "[[user]]\nname = {name:?}\npassword_argon2 = {hash:?}\nproject_id = {project:?}\n\
                 enterprise_projects = {enterprise_projects:?}\nrole = {role:?}\n"
            ));
        }
        toml
    }
}
