//! Ends a running agent, and wakes its loop early.
//!
//! An eventfd instead of a flag that is looked at now and then: the loop sleeps until its next
//! deadline, however far away, until the kernel has events, or until this, in one poll(2). Holds: a
//! stop is never taken back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Tells an agent to end; clones tell the same agent.
#[derive(Clone, Debug)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_stopped: AtomicBool,
    is_rotation_due: AtomicBool,
    bell: OwnedFd,
}

impl Stop {
    /// Not stopped yet.
    ///
    /// # Errors
    /// The process may open no more files.
    pub fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            shared: Arc::new(Shared {
                is_stopped: AtomicBool::new(false),
                is_rotation_due: AtomicBool::new(false),
                bell,
            }),
        })
    }

    /// Asks the agent to end. Callable any number of times, from any thread.
    pub fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the agent was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Acquire)
    }

    /// Asks an enrolled agent for another token, with its next message.
    pub fn rotate_token(&self) {
        self.shared.is_rotation_due.store(true, Ordering::Release);
    }

    /// Whether somebody has asked for that since the last call.
    pub(crate) fn take_rotation(&self) -> bool {
        self.shared.is_rotation_due.swap(false, Ordering::AcqRel)
    }

    /// Ends the present or the next [`wait`](Self::wait) early.
    pub(crate) fn wake(&self) {
        // It fails only where it rings already.
        let _rings = rustix::io::write(&self.shared.bell, &1_u64.to_ne_bytes());
    }

    /// Returns after `limit`, or as soon as it is stopped or woken, or `events` are readable. Whether
    /// they are.
    pub(crate) fn wait(&self, limit: Duration, events: Option<BorrowedFd<'_>>) -> bool {
        let deadline = Instant::now().checked_add(limit);
        let bell = self.shared.bell.as_fd();
        while !self.is_stopped() {
            let left = deadline.map_or(limit, |at| at.saturating_duration_since(Instant::now()));
            let timeout = Timespec::try_from(left).ok();
            let mut watched = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
            watched.extend(events.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            if poll(&mut watched, timeout.as_ref()).is_err() {
                // A signal; the deadline is where it was.
                continue;
            }
            let mut ready = watched.iter().map(|fd| !fd.revents().is_empty());
            let (rings, has_events) = (ready.next(), ready.next());
            if rings == Some(true) {
                let _count = rustix::io::read(&self.shared.bell, &mut [0; 8]);
            }
            return has_events == Some(true);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_stop_before_or_during_a_wait_ends_it_and_every_later_one() {
        let stop = Stop::new().unwrap();
        let other = stop.clone();
        let thread = std::thread::spawn(move || other.wait(LONG, None));
        stop.stop();
        thread.join().unwrap();
        stop.wait(LONG, None);
        assert!(stop.is_stopped());
    }

    #[test]
    fn a_wake_ends_one_wait_and_stops_nothing() {
        let stop = Stop::new().unwrap();
        stop.wake();
        stop.wake();
        stop.wait(LONG, None);
        assert!(!stop.is_stopped());
        let from = Instant::now();
        stop.wait(Duration::from_millis(5), None);
        assert!(
            from.elapsed() >= Duration::from_millis(5),
            "the wake was used up"
        );
    }

    #[test]
    fn events_end_a_wait_as_long_as_they_are_there() {
        let stop = Stop::new().unwrap();
        let events = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        assert!(!stop.wait(Duration::from_millis(1), Some(events.as_fd())));
        rustix::io::write(&events, &1_u64.to_ne_bytes()).unwrap();
        for _ in 0..2 {
            assert!(stop.wait(LONG, Some(events.as_fd())));
        }
        stop.wake();
        assert!(stop.wait(LONG, Some(events.as_fd())), "both at once");
        assert!(
            !stop.wait(Duration::from_millis(1), None),
            "the wake was used up"
        );
    }
}
