//! Ends a running agent, and wakes its loop early.
//!
//! A condition variable instead of a flag that is looked at now and then: the loop sleeps until its
//! next deadline, however far away, and still ends at once. Holds: a stop is never taken back.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tells an agent to end; clones tell the same agent.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    woken: bool,
    rotation: bool,
}

impl Stop {
    /// Not stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the agent to end. Callable any number of times, from any thread.
    pub fn stop(&self) {
        self.lock().stopped = true;
        self.shared.changed.notify_all();
    }

    /// Whether the agent was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Asks an enrolled agent for another token, with its next message.
    pub fn rotate_token(&self) {
        self.lock().rotation = true;
    }

    /// Whether somebody has asked for that since the last call.
    pub(crate) fn take_rotation(&self) -> bool {
        std::mem::take(&mut self.lock().rotation)
    }

    /// Ends the present or the next [`wait`](Self::wait) early.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.shared.changed.notify_all();
    }

    /// Returns after `limit`, or as soon as it is stopped or woken.
    pub(crate) fn wait(&self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        let mut state = self.lock();
        while !state.stopped && !state.woken {
            let left = deadline.map_or(limit, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state);
        }
        state.woken = false;
    }

    /// A thread that panicked holds no half-written state here: each field is a single flag.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_stop_before_or_during_a_wait_ends_it_and_every_later_one() {
        let stop = Stop::new();
        let other = stop.clone();
        let thread = std::thread::spawn(move || other.wait(LONG));
        stop.stop();
        thread.join().unwrap();
        stop.wait(LONG);
        assert!(stop.is_stopped());
    }

    #[test]
    fn a_wake_ends_one_wait_and_stops_nothing() {
        let stop = Stop::new();
        stop.wake();
        stop.wait(LONG);
        assert!(!stop.is_stopped());
        let from = Instant::now();
        stop.wait(Duration::from_millis(5));
        assert!(
            from.elapsed() >= Duration::from_millis(5),
            "the wake was used up"
        );
    }
}
