//! The whole census as one value, and the one way to change it.

use std::ops::Bound;
use std::sync::Arc;

use imbl::OrdMap;
use portolan_wire::ids::{EnterpriseProjectId, HostId, HostKey, ProjectId};
use portolan_wire::time::UnixMicros;

use crate::awaited::Awaited;
use crate::host::{Host, HostFacts};
use crate::ignored::Ignored;
use crate::project::{Project, Selection};

/// One change of the census.
#[derive(Clone, Debug)]
pub enum Commit {
    /// A host's newest report was committed, or what is ignored of it has changed.
    Put(HostCommit),
    /// A host was retired: its ports leave the counts, and it is kept for when it comes back.
    Retire(Retired),
    /// A retired host is kept no longer.
    Forget(HostKey),
    /// Hosts have become fresh (true) or stale. It changes no truth, and is not stored.
    Fresh(Vec<(HostKey, bool)>),
    /// A host is enrolled in an enterprise project: it is awaited, unless it has reported before.
    Enrol(HostKey, EnterpriseProjectId),
    /// A host's enrolment has ended: it is awaited no longer.
    Release(HostKey),
}

/// A host as of its retirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The project.
    pub project: ProjectId,
    /// The host, which counts nothing any more.
    pub facts: HostFacts,
}

/// A host as of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCommit {
    /// The project.
    pub project: ProjectId,
    /// The host.
    pub facts: HostFacts,
    /// What is ignored of it, made of the same set as the facts.
    pub ignored: Ignored,
}

/// The census. A clone is a snapshot: cheap to make, and it never changes.
#[derive(Clone, Debug, Default)]
pub struct State {
    projects: OrdMap<ProjectId, Arc<Project>>,
    awaited: OrdMap<ProjectId, Arc<Awaited>>,
    /// Commits applied since the state was made.
    applied: u64,
    /// The newest durable commit that is in it, and its moment.
    commit: (u64, UnixMicros),
}

impl State {
    pub(crate) fn of_projects(projects: impl Iterator<Item = (ProjectId, Arc<Project>)>) -> Self {
        Self {
            projects: projects.collect(),
            awaited: OrdMap::new(),
            applied: 0,
            commit: (0, UnixMicros(0)),
        }
    }

    /// Notes which durable commit it is now the state of: the store numbers them, and one may hold
    /// many changes.
    pub fn note_commit(&mut self, number: u64, at: UnixMicros) {
        self.commit = (number, at);
    }

    /// The number of the durable commit that it is the state of.
    pub fn commit(&self) -> u64 {
        self.commit.0
    }

    /// The greatest moment of that commit.
    pub fn at(&self) -> UnixMicros {
        self.commit.1
    }

    /// Applies a commit. The caller decides which reports become commits; the census takes them in
    /// the order given.
    pub fn apply(&mut self, commit: Commit) {
        self.applied += 1;
        match commit {
            Commit::Put(HostCommit {
                project,
                facts,
                ignored,
            }) => {
                self.await_no_longer(&project, &facts.id);
                let project = Arc::make_mut(self.projects.entry(project).or_default());
                project.put(facts, ignored, self.applied);
            }
            Commit::Retire(Retired { project, facts }) => {
                let project = Arc::make_mut(self.projects.entry(project).or_default());
                project.retire(facts, self.applied);
            }
            Commit::Forget(key) => {
                let Some(project) = self.projects.get_mut(&key.project) else {
                    return;
                };
                let project = Arc::make_mut(project);
                project.forget(&key.host);
                if project.is_empty() {
                    self.projects.remove(&key.project);
                }
            }
            Commit::Fresh(mut hosts) => {
                hosts.sort_unstable();
                for of_project in hosts.chunk_by(|(a, _), (b, _)| a.project == b.project) {
                    self.set_fresh(of_project);
                }
            }
            Commit::Enrol(key, enterprise_project) => {
                if self.host(&key).is_none() && self.retired(&key).is_none() {
                    let awaited = self.awaited.entry(key.project).or_default();
                    Arc::make_mut(awaited).insert(key.host, enterprise_project);
                }
            }
            Commit::Release(key) => self.await_no_longer(&key.project, &key.host),
        }
    }

    fn await_no_longer(&mut self, project: &ProjectId, host: &HostId) {
        let Some(awaited) = self.awaited.get_mut(project) else {
            return;
        };
        if awaited.enterprise_project(host.as_str()).is_none() {
            return;
        }
        let awaited = Arc::make_mut(awaited);
        awaited.remove(host);
        if awaited.is_empty() {
            self.awaited.remove(project);
        }
    }

    /// Of hosts of one project.
    fn set_fresh(&mut self, hosts: &[(HostKey, bool)]) {
        let project = hosts.first().map(|(key, _)| &key.project);
        let Some(project) = project.and_then(|id| self.projects.get_mut(id)) else {
            return;
        };
        let hosts = hosts.iter().map(|(key, fresh)| (&key.host, *fresh));
        Arc::make_mut(project).set_fresh(hosts, self.applied);
    }

    /// A project that has hosts, or retired ones.
    pub fn project(&self, id: &str) -> Option<&Arc<Project>> {
        self.projects.get(id)
    }

    /// The first project that has hosts, or retired ones, after the one of this id, or of all.
    pub fn project_after(&self, after: Option<&ProjectId>) -> Option<(&ProjectId, &Arc<Project>)> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.clone()));
        let mut rest = self.projects.range((from, Bound::<ProjectId>::Unbounded));
        rest.next()
    }

    /// The projects that have hosts, or retired ones, in the order of their ids.
    pub fn projects(&self) -> impl Iterator<Item = (&ProjectId, &Arc<Project>)> {
        self.projects.iter()
    }

    /// The hosts of a project that are enrolled and have not reported yet; `None` where it has none.
    pub fn awaited(&self, project: &str) -> Option<&Awaited> {
        self.awaited.get(project).map(|awaited| &**awaited)
    }

    /// How many there are of a selection of the project.
    pub fn never(&self, project: &str, selection: &Selection) -> u64 {
        let awaited = self.awaited(project);
        awaited.map_or(0, |awaited| awaited.count(selection))
    }

    /// How many there are of all projects.
    pub fn never_of_all(&self) -> u64 {
        let awaited = self.awaited.values();
        awaited
            .map(|awaited| awaited.count(&Selection::Whole))
            .sum()
    }

    /// A retired host.
    pub fn retired(&self, key: &HostKey) -> Option<&Arc<Host>> {
        self.projects
            .get(&key.project)
            .and_then(|project| project.retired(key.host.as_str()))
    }

    /// A host that is not retired.
    pub fn host(&self, key: &HostKey) -> Option<&Arc<Host>> {
        self.projects
            .get(&key.project)
            .and_then(|project| project.host(key.host.as_str()))
    }
}
