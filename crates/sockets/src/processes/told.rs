//! What is told of a process when somebody asks: read late, and checked for being its own.
//!
//! A pid may be another process's by the time it is read. And a process that ends shows less than a
//! living one: the link to its program goes first, then its files, and in the hierarchies of cgroup
//! v1 it is shown at the root. So its start and its state are read after all else.

use std::path::Path;
use std::sync::Arc;

use super::stat::Stat;
use super::{Arguments, Processes, Program, folder};
use crate::cgroup::Placement;
use crate::command_line;

impl Processes {
    /// The program of a process, read when first asked for. `None`: it no longer runs.
    pub(crate) fn program(&mut self, pid: u32) -> Option<Arc<Program>> {
        let process = self.by_pid.get_mut(&pid)?;
        if process.program.is_none() {
            let folder = folder(&self.root, pid);
            let read = Program::read(&folder);
            process.program = runs(&folder, process.start_ticks).then(|| Arc::new(read));
        }
        process.program.clone()
    }

    /// The command line of a process with its secrets masked, read when first asked for. `None`: it
    /// has none, or no longer runs.
    pub(crate) fn command_line(&mut self, pid: u32) -> Option<String> {
        let folder = self.folder(pid);
        let process = self.by_pid.get_mut(&pid)?;
        if process.command_line.is_none() {
            let read = command_line_of(&folder);
            process.command_line = runs(&folder, process.start_ticks).then_some(read);
        }
        let line = process.command_line.as_deref()?;
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// What the cgroups of a process say, read when first asked for. `None`: it no longer runs. While
    /// it ends, a container that it shows is its own still.
    pub(crate) fn placement(&mut self, pid: u32) -> Option<Arc<Placement>> {
        let process = self.by_pid.get_mut(&pid)?;
        if process.placement.is_none() {
            let folder = folder(&self.root, pid);
            let read = placement_of(&folder);
            let stat = stat_of(&folder).filter(|it| it.start_ticks == process.start_ticks);
            let holds = stat.is_some_and(|it| !it.ended || read.container.is_some());
            process.placement = holds.then(|| Arc::new(read));
        }
        process.placement.clone()
    }

    /// Whether that very process runs at this moment.
    pub(crate) fn runs(&self, pid: u32) -> bool {
        let process = self.get(pid);
        process.is_some_and(|process| runs(&self.folder(pid), process.start_ticks))
    }
}

/// Whether the process with that folder is the one that started then, and has not ended.
pub(super) fn runs(folder: &Path, start_ticks: u64) -> bool {
    stat_of(folder).is_some_and(|stat| stat.start_ticks == start_ticks && !stat.ended)
}

pub(super) fn stat_of(folder: &Path) -> Option<Stat> {
    Stat::parse(&std::fs::read(folder.join("stat")).ok()?)
}

pub(super) fn placement_of(folder: &Path) -> Placement {
    let file = std::fs::read(folder.join("cgroup")).unwrap_or_default();
    Placement::parse(&String::from_utf8_lossy(&file))
}

pub(super) fn command_line_of(folder: &Path) -> Arc<str> {
    let shown = command_line::shown(&Arguments::read(folder));
    shown.unwrap_or_default().into()
}
