//! Holders of sockets as the kernel itself lists them, in one pass over all processes.
//!
//! Where the kernel runs a program over all open files (`iter/task_file` of BPF), one pass costs a
//! tenth of the walk over `/proc/PID/fd`. The collector does not know how that is done: it is given
//! a [`HolderSource`].

use std::io;

/// A process that holds a socket, as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelHolder {
    /// The socket's inode in sockfs, which `/proc/PID/fd` names.
    pub inode: u64,
    /// The process (thread group), as the collector's process file system numbers it.
    pub pid: u32,
    /// The descriptor by which it holds the socket.
    pub fd: u32,
    /// The inode of the socket's network namespace in nsfs.
    pub netns: u64,
}

/// Lists who holds which socket, in every network namespace.
pub trait HolderSource: Send {
    /// Hands every holder to `each`, in any order, in one pass.
    ///
    /// It may list sockets that are no open ports, and one holder twice. What it leaves out is
    /// sought in `/proc/PID/fd`, and of each process one holding is checked there, so that pids of
    /// another pid namespace are not believed.
    ///
    /// # Errors
    /// The pass failed; what was handed out until then is not used.
    fn holders(&mut self, each: &mut dyn FnMut(KernelHolder)) -> io::Result<()>;
}
