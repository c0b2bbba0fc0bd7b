//! The programs while they are attached.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, CgroupSock};

use super::attach::{Links, TCP_STATE, UDP, attach};
use super::cost::{KernelCost, ProgramCost, estimate, extrapolate, measured};
use super::error::{Step, WatchError};
use super::event::Event;
use super::holders::{HolderWalk, locked};
use super::window::Window;
use super::{memory, record};
use crate::owners::KernelHolder;

/// Bytes of the ring, in the kernel's memory: some 1,700 openings that nobody has drained.
pub(super) const RING_BYTES: u32 = 1 << 20;
/// Most events in one draining, so that a flood cannot hold the caller; the rest still waits.
const DRAINED_MAX: usize = 16_384;

/// `enum counter` of `bpf/portolan.bpf.c`.
#[derive(Clone, Copy)]
enum Counter {
    RunsState = 0,
    RunsBind = 1,
    RunsRelease = 2,
    EventsState = 3,
    EventsBind = 4,
    EventsRelease = 5,
    Lost = 6,
}

/// What the kernel tells of sockets, from now until this is dropped.
pub struct Watch {
    ring: RingBuf<MapData>,
    counters: PerCpuArray<MapData, u64>,
    programs: Arc<Mutex<Ebpf>>,
    /// Dropped, the programs are detached.
    _links: Links,
    window: Window,
    /// What was lost up to the last draining.
    lost: u64,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Watch")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Loads the programs and attaches them, which takes some tenths of a second and, meanwhile,
    /// some 40 MB.
    ///
    /// # Errors
    /// The step that the kernel refused, and what is missing for it.
    pub fn attach() -> Result<Self, WatchError> {
        Self::attach_with_ring(RING_BYTES)
    }

    /// The same with a ring of another size: a power of two, at least a page.
    ///
    /// # Errors
    /// The same.
    pub fn attach_with_ring(bytes: u32) -> Result<Self, WatchError> {
        Self::over(memory::giving_back(|| attach(bytes))?)
    }

    fn over((mut programs, links): (Ebpf, Links)) -> Result<Self, WatchError> {
        let failed = |error| WatchError::new(Step::Prepare, error);
        let mut map = |name| {
            let missing = || aya::maps::MapError::InvalidName {
                name: String::from(name),
            };
            programs.take_map(name).ok_or_else(missing)
        };
        let ring = map("events").and_then(RingBuf::try_from).map_err(failed)?;
        let counters = map("counters")
            .and_then(PerCpuArray::try_from)
            .map_err(failed)?;
        Ok(Self {
            ring,
            counters,
            programs: Arc::new(Mutex::new(programs)),
            _links: links,
            window: Window::default(),
            lost: 0,
        })
    }

    /// Readable while events wait: for poll(2) and epoll(7).
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }

    /// Hands out the events that wait, in the order in which they happened, at most 16,384 at once. Gives how many
    /// the kernel had no room for since the last call: then only looking tells what is open.
    pub fn drain(&mut self, mut each: impl FnMut(Event)) -> u64 {
        let mut unreadable = 0;
        for _ in 0..DRAINED_MAX {
            let Some(bytes) = self.ring.next() else {
                break;
            };
            match record::parse(&bytes) {
                Some(event) => self.window.push(event).into_iter().for_each(&mut each),
                None => unreadable += 1,
            }
        }
        self.window.flush().for_each(each);
        let lost = self.count(Counter::Lost);
        let since = lost.saturating_sub(self.lost);
        self.lost = lost;
        since.saturating_add(unreadable)
    }

    /// Hands out every descriptor of a listening TCP socket or a bound, unconnected UDP socket,
    /// over all network namespaces, that a process of the caller's process namespace has.
    ///
    /// # Errors
    /// The kernel refused it, or what it wrote was cut.
    pub fn holders(&mut self, each: impl FnMut(KernelHolder)) -> io::Result<()> {
        self.holder_walk().holders(each)
    }

    /// The same for somebody else, such as a collector, while this waits for events. It works also
    /// when the watch has ended.
    #[must_use]
    pub fn holder_walk(&self) -> HolderWalk {
        HolderWalk::new(Arc::clone(&self.programs))
    }

    /// What the programs have cost since they were attached, beside [`Watch::holders`], which is
    /// CPU time of its caller.
    #[must_use]
    pub fn cost(&self) -> KernelCost {
        let programs = locked(&self.programs);
        let [released, bound4, bound6] = UDP.map(|name| measured_udp(&programs, name));
        let kinds = [
            (
                TCP_STATE,
                measured_tcp(&programs),
                Counter::RunsState,
                Counter::EventsState,
            ),
            (
                "udp_bound",
                sum(bound4, bound6),
                Counter::RunsBind,
                Counter::EventsBind,
            ),
            (
                "udp_released",
                released,
                Counter::RunsRelease,
                Counter::EventsRelease,
            ),
        ];
        let mut events = 0_u64;
        let programs = kinds.map(|(name, measured, runs, told)| {
            let (runs, told) = (self.count(runs), self.count(told));
            events = events.saturating_add(told);
            let time = measured.map_or_else(|| estimate(runs, told), |it| extrapolate(it, runs));
            ProgramCost { name, runs, time }
        });
        KernelCost {
            events,
            lost: self.count(Counter::Lost),
            programs: programs.to_vec(),
            measured: kinds.iter().any(|(_, measured, ..)| measured.is_some()),
        }
    }

    /// Over all processors.
    fn count(&self, counter: Counter) -> u64 {
        let values = self.counters.get(&(counter as u32), 0);
        values.map_or(0, |values| values.iter().sum())
    }
}

fn measured_tcp(programs: &Ebpf) -> Option<(u64, u64)> {
    let program: &BtfTracePoint = programs.program(TCP_STATE)?.try_into().ok()?;
    measured(program.fd().ok()?)
}

fn measured_udp(programs: &Ebpf, name: &str) -> Option<(u64, u64)> {
    let program: &CgroupSock = programs.program(name)?.try_into().ok()?;
    measured(program.fd().ok()?)
}

fn sum(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (one, other) {
        (Some(one), Some(other)) => {
            Some((one.0.saturating_add(other.0), one.1.saturating_add(other.1)))
        }
        (one, other) => one.or(other),
    }
}
