//! Invariant 8 on every route that the server describes: credentials of every grant and role, as
//! token, as signed request and as log-in, reach for what each other one has.
//!
//! Nothing that only others may be told stands in an answer, and no answer changes when all of that is
//! taken away: data, credentials and log-ins. A route that is added and not walked fails the test.

mod asks;
mod world;

use std::collections::{BTreeSet, HashMap};

use asks::{Ask, KIND_NAMES, Known, OPEN, asks};
use world::{Holder, Server, THIRD, Way, could_grant, grants, groups, holders};

use crate::answer::{Answer, Essence};
use crate::app::Token;
use crate::client::Request;
use crate::isolation::{Group, sees};

const WAYS: [Way; 3] = [Way::Token, Way::AccessKey, Way::LogIn];

/// Whose a word is that an answer may hold.
enum Owner {
    Hosts(Group),
    Credential(Token),
}

impl Owner {
    /// Whether a caller with that grant may be told.
    fn may_be_told(&self, caller: &Token) -> bool {
        match self {
            Self::Hosts(group) => {
                // An agent's credential may be for a project of which it reads nothing.
                let may_read = caller.role != "agent" || group.project == THIRD;
                may_read && sees(caller, group)
            }
            Self::Credential(grant) => {
                let administers = caller.role == "admin" && could_grant(caller, grant);
                administers || caller.secret == grant.secret
            }
        }
    }
}

/// Every word, id and port number that belongs to somebody.
fn words(full: &mut Server, holders: &[Holder]) -> (HashMap<String, Owner>, Known) {
    let mut words = HashMap::new();
    for group in groups() {
        let ports: Vec<u16> = group
            .hosts
            .iter()
            .flat_map(|host| &host.ports)
            .map(|p| p.port)
            .collect();
        let own = ports
            .into_iter()
            .filter(|port| *port > 10_000)
            .map(|port| port.to_string());
        for word in own.chain([group.word.to_owned()]) {
            let group = groups().into_iter().find(|other| other.word == group.word);
            words.insert(word, Owner::Hosts(group.unwrap()));
        }
    }
    for holder in holders {
        for name in holder.names() {
            words.insert(name.to_owned(), Owner::Credential(holder.token.clone()));
        }
    }
    let mut known = Known {
        credentials: Vec::new(),
        tokens: Vec::new(),
    };
    for project in ["p1", "p2", "*"] {
        for kind in KIND_NAMES {
            for row in full.credentials(project, kind) {
                let id = row["id"].as_str().unwrap().to_owned();
                let ids = row["enterprise_projects"].as_array().unwrap();
                let ids: BTreeSet<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
                let role = match kind {
                    "enrol-keys" => "admin",
                    _ => row["role"].as_str().unwrap(),
                };
                let of_it = |holder: &&Holder| {
                    let own = holder.token.enterprise_projects.iter().map(String::as_str);
                    holder.token.project == project
                        && role == holder.token.role
                        && own.collect::<BTreeSet<_>>() == ids
                };
                let holder = holders.iter().find(of_it).unwrap();
                words
                    .entry(id.clone())
                    .or_insert(Owner::Credential(holder.token.clone()));
                known.credentials.push((kind, project.to_owned(), id));
            }
        }
    }
    (words, known)
}

/// The words of a text that belong to somebody.
fn found<'a>(words: &'a HashMap<String, Owner>, text: &str) -> BTreeSet<&'a str> {
    let pieces = text.split(|character: char| !character.is_ascii_alphanumeric());
    pieces
        .filter_map(|piece| words.get_key_value(piece))
        .map(|(word, _)| word.as_str())
        .collect()
}

/// The id of a change tells how many commits there were before it, those of others among them; all else
/// of it must be the same.
fn placeless(mut essence: Essence, operation: &str) -> Essence {
    if !operation.contains("/changes") && !operation.ends_with("/export") {
        return essence;
    }
    let in_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = essence.body.split_inclusive(|c: char| !in_id(c));
    let placeless = words.map(|piece| {
        let word = piece.trim_end_matches(|c: char| !in_id(c));
        let parts: Vec<&str> = word.split('-').collect();
        match parts.len() == 3 && parts[0].len() == 16 {
            true => piece.replace(word, "PLACE"),
            false => piece.to_owned(),
        }
    });
    essence.body = placeless.collect();
    essence.headers.retain(|(name, _)| name != "content-length");
    essence
}

struct Walk {
    full: Server,
    words: HashMap<String, Owner>,
    known: Known,
    walked: BTreeSet<&'static str>,
}

impl Walk {
    /// Asks for all tokens from now on, and for the log-ins of those that a caller does not administer:
    /// those of the others have other secrets on another server.
    fn know_tokens(&mut self, holders: &[Holder], caller: &Token) {
        let tokens = holders.iter().map(|holder| holder.token.secret.clone());
        let hidden = holders
            .iter()
            .filter(|holder| !could_grant(caller, &holder.token));
        let log_ins = hidden.map(|holder| self.full.log_ins[&holder.token.secret].clone());
        self.known.tokens = tokens.chain(log_ins).collect();
    }

    /// One caller by one way: what it may not be told is not there, and is not missed.
    fn walk(&mut self, holder: &Holder, way: Way, without: &mut Server) {
        let grant = holder.grant(way);
        let mut shown = BTreeSet::new();
        for ask in asks(holder, way, &self.known) {
            self.walked.insert(ask.operation);
            let with = self.full.send_as(holder, way, ask.request.clone());
            // What is refused or posted may come back.
            let echoed = ask.request.is_post() || with.status == 400;
            let said = String::from_utf8(ask.request.whole_body()).unwrap();
            let said = format!("{} {said}", ask.request.target());
            let told = self.told(&with, if echoed { &said } else { "" });
            // A log-in may find there for what else its user may log in.
            let is_identity = ask.operation.contains(" /v3/");
            let by = if is_identity { &holder.token } else { &grant };
            for word in &told {
                let may = self.words[*word].may_be_told(by);
                assert!(may, "{way:?} {by:?} is told {word}: {}", shown_as(&ask));
            }
            shown.extend(told.into_iter().map(str::to_owned));
            let missed = without.send_as(holder, way, ask.request.clone()).essence();
            assert_eq!(
                placeless(with.essence(), ask.operation),
                placeless(missed, ask.operation),
                "{way:?} {grant:?}: {}",
                shown_as(&ask)
            );
        }
        if holder.reads() {
            let groups = groups();
            let visible = groups.iter().filter(|group| sees(&grant, group));
            assert!(
                visible.clone().all(|group| shown.contains(group.word)),
                "{grant:?} is shown {shown:?}"
            );
        }
    }

    fn told(&self, answer: &Answer, said: &str) -> BTreeSet<&str> {
        let body = String::from_utf8_lossy(&answer.body);
        let headers = answer
            .headers
            .iter()
            .filter(|(name, _)| !["content-length", "x-subject-token"].contains(&name.as_str()));
        let said = found(&self.words, said);
        let mut told = found(&self.words, &body);
        headers.for_each(|(_, value)| told.extend(found(&self.words, value)));
        told.retain(|word| !said.contains(word));
        told
    }
}

fn shown_as(ask: &Ask) -> String {
    let body = String::from_utf8(ask.request.whole_body()).unwrap();
    let headers = ask.request.headers();
    format!(
        "{} {} {headers:?} {body}",
        ask.operation,
        ask.request.target()
    )
}

/// Of every operation that the server describes.
fn described(server: &mut Server) -> BTreeSet<String> {
    let document = server.send(&Request::get("/openapi.json")).ok();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .keys()
            .map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[test]
fn no_answer_of_any_route_tells_any_caller_what_it_may_not_know() {
    let holders = holders();
    let mut full = Server::start(&holders, |_| true);
    let (words, known) = words(&mut full, &holders);
    let mut walk = Walk {
        full,
        words,
        known,
        walked: BTreeSet::new(),
    };
    let before = walk.full.everything();
    for grant in grants() {
        let its = |holder: &&Holder| could_grant(&grant, &holder.token);
        let visible: Vec<Holder> = holders.iter().filter(its).cloned().collect();
        let mut without = Server::start(&visible, |group| sees(&grant, group));
        walk.know_tokens(&holders, &grant);
        let same = |holder: &&Holder| {
            (&holder.token.project, &holder.token.enterprise_projects)
                == (&grant.project, &grant.enterprise_projects)
        };
        for holder in holders.iter().filter(same) {
            WAYS.iter()
                .for_each(|way| walk.walk(holder, *way, &mut without));
        }
    }
    assert_eq!(walk.full.everything(), before);
    for operation in OPEN {
        let (method, target) = operation.split_once(' ').unwrap();
        let answer = walk.full.send(&Request::new(method, target));
        assert_eq!(answer.status, 200);
        let mut told = walk.told(&answer, "");
        // A counter may be any number.
        told.retain(|word| word.parse::<u64>().is_err());
        assert!(told.is_empty(), "{operation}: {told:?}");
        walk.walked.insert(operation);
    }
    let walked: BTreeSet<String> = walk
        .walked
        .iter()
        .map(|operation| (*operation).to_owned())
        .collect();
    assert_eq!(described(&mut walk.full), walked);
}
