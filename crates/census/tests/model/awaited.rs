//! Hosts that are enrolled and have not reported, against sets that are looked through anew.

use std::collections::{BTreeMap, BTreeSet};

use portolan_census::{Builder, Commit, HostCommit, HostFacts, Ignored, Retired, Selection, State};
use portolan_wire::ids::{EnterpriseProjectId, HostKey};
use portolan_wire::time::UnixMicros;
use proptest::prelude::*;

use crate::{facts, selection};

/// Project and host id.
type Id = (&'static str, &'static str);

const SCOPES: [Option<&[&str]>; 5] = [
    None,
    Some(&[]),
    Some(&["x"]),
    Some(&["0", "y"]),
    Some(&["0", "x", "y", "z"]),
];

#[derive(Clone, Debug)]
enum Step {
    /// Enrolled, or its token replaced: the same once more.
    Enrol(Id, &'static str),
    Release(Id),
    Report(Id, &'static str),
    Retire(Id),
    Forget(Id),
    /// The census is made anew of what is durable.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let project = prop_oneof![4 => Just("p"), 1 => Just("q")];
    let host = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just("e")];
    let id = (project, host);
    let group = prop_oneof![Just("0"), Just("x"), Just("y")];
    let step = prop_oneof![
        6 => (id.clone(), group.clone()).prop_map(|(id, of)| Step::Enrol(id, of)),
        2 => id.clone().prop_map(Step::Release),
        3 => (id.clone(), group).prop_map(|(id, of)| Step::Report(id, of)),
        2 => id.clone().prop_map(Step::Retire),
        2 => id.prop_map(Step::Forget),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..60)
}

/// What is durable.
#[derive(Default)]
struct Model {
    enrolled: BTreeMap<Id, &'static str>,
    /// Where the last report of each host was from that is not retired.
    held: BTreeMap<Id, &'static str>,
    retired: BTreeSet<Id>,
    /// Enrolled ones that had reported when they were forgotten.
    noted: BTreeSet<Id>,
}

impl Model {
    fn awaited(&self, project: &str, scope: Option<&[&str]>) -> Vec<(&'static str, &'static str)> {
        let enrolled = self.enrolled.iter().filter(|((of, _), _)| *of == project);
        let silent = enrolled.filter(|(id, _)| {
            let known = self.held.contains_key(*id) || self.retired.contains(*id);
            !known && !self.noted.contains(*id)
        });
        let within = |of: &str| scope.is_none_or(|scope| scope.contains(&of));
        let told = silent.map(|((_, host), of)| (*host, *of));
        told.filter(|(_, of)| within(of)).collect()
    }

    /// Whether whoever keeps the enrolment tells the census of it.
    fn tells(&self, id: &Id) -> bool {
        !self.noted.contains(id)
    }
}

fn key((project, host): Id) -> HostKey {
    HostKey {
        project: project.into(),
        host: host.into(),
    }
}

fn report((project, host): Id, of: &str) -> HostCommit {
    HostCommit {
        project: project.into(),
        facts: facts(host, of, &[], 1),
        ignored: Ignored::default(),
    }
}

fn retired((_, host): Id) -> HostFacts {
    HostFacts {
        retired_at: Some(UnixMicros(2)),
        ..facts(host, "0", &[], 2)
    }
}

fn restarted(model: &Model) -> State {
    let mut builder = Builder::default();
    for (id, of) in &model.held {
        builder.add(report(*id, of));
    }
    for id in &model.retired {
        builder.add(HostCommit {
            facts: retired(*id),
            ..report(*id, "0")
        });
    }
    let mut state = builder.finish();
    for (id, of) in model.enrolled.iter().filter(|(id, _)| model.tells(id)) {
        state.apply(Commit::Enrol(key(*id), (*of).into()));
    }
    state
}

fn apply(state: &mut State, model: &mut Model, step: &Step) {
    match *step {
        Step::Enrol(id, of) => {
            if model.tells(&id) {
                state.apply(Commit::Enrol(key(id), of.into()));
            }
            model.enrolled.insert(id, of);
        }
        Step::Release(id) => {
            state.apply(Commit::Release(key(id)));
            model.enrolled.remove(&id);
            model.noted.remove(&id);
        }
        Step::Report(id, of) => {
            state.apply(Commit::Put(report(id, of)));
            model.held.insert(id, of);
            model.retired.remove(&id);
        }
        Step::Retire(id) if model.held.remove(&id).is_some() => {
            state.apply(Commit::Retire(Retired {
                project: id.0.into(),
                facts: retired(id),
            }));
            model.retired.insert(id);
        }
        Step::Forget(id) if model.retired.remove(&id) => {
            state.apply(Commit::Forget(key(id)));
            if model.enrolled.contains_key(&id) {
                model.noted.insert(id);
            }
        }
        Step::Retire(_) | Step::Forget(_) => {}
        Step::Restart => *state = restarted(model),
    }
}

/// All of a selection, read by pages of `limit`.
fn paged(state: &State, project: &str, selection: &Selection, limit: usize) -> Vec<[String; 2]> {
    let mut read: Vec<[String; 2]> = Vec::new();
    let Some(awaited) = state.awaited(project) else {
        return read;
    };
    loop {
        let after = read.last().map(|[id, _]| id.as_str());
        let page = awaited.page(selection, after, limit);
        let is_last = page.len() < limit;
        read.extend(page.iter().map(|(id, of)| [id.to_string(), of.to_string()]));
        if is_last {
            return read;
        }
    }
}

fn check(state: &State, model: &Model) {
    let mut of_all = 0;
    for project in ["p", "q", "r"] {
        for scope in SCOPES {
            let expected = model.awaited(project, scope);
            let selection = selection(scope);
            let told = state.never(project, &selection);
            assert_eq!(told, expected.len() as u64, "{project} {scope:?}");
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(id, of)| [id.to_owned(), of.to_owned()])
                .collect();
            for limit in [1, 2, 9] {
                let read = paged(state, project, &selection, limit);
                assert_eq!(read, expected, "{project} {scope:?}, {limit} a page");
            }
        }
        of_all += state.never(project, &Selection::Whole);
        for host in ["a", "b", "c", "d", "e"] {
            let one = state
                .awaited(project)
                .and_then(|awaited| awaited.enterprise_project(host));
            let expected = model.awaited(project, None);
            let expected = expected.iter().find(|(id, _)| *id == host);
            let expected = expected.map(|(_, of)| EnterpriseProjectId::from(*of));
            assert_eq!(one, expected.as_ref());
            let key = HostKey {
                project: project.into(),
                host: host.into(),
            };
            let known = state.host(&key).is_some() || state.retired(&key).is_some();
            assert!(!(known && one.is_some()), "{key:?} is in both");
        }
    }
    assert_eq!(state.never_of_all(), of_all);
}

proptest! {
    #[test]
    fn awaited_hosts_are_those_that_are_enrolled_and_have_not_reported(steps in steps()) {
        let (mut state, mut model) = (State::default(), Model::default());
        for step in &steps {
            apply(&mut state, &mut model, step);
            check(&state, &model);
        }
        check(&restarted(&model), &model);
    }
}
