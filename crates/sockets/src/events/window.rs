//! Takes back the `listen()` that found its port taken.
//!
//! The kernel enters LISTEN before it takes the port, so such a `listen()` looks like a listener of
//! some microseconds. The event of its end says so and comes right behind; until then the event of
//! its begin waits here, for [`WINDOW`] others at most and never longer than one draining.

use std::collections::VecDeque;

use super::event::{Event, EventKind};

/// How many events may come between the two: those of other processors in that time.
const WINDOW: usize = 64;

/// The events that were read and not handed out.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Event>);

impl Window {
    /// Takes the next event in, and gives the one whose turn it is.
    pub(super) fn push(&mut self, event: Event) -> Option<Event> {
        if event.kind == EventKind::Undone {
            let opened = self
                .0
                .iter()
                .rposition(|before| before.cookie == event.cookie);
            if let Some(at) = opened
                && self
                    .0
                    .get(at)
                    .is_some_and(|before| before.kind == EventKind::Opened)
            {
                self.0.remove(at);
                return None;
            }
        }
        self.0.push_back(event);
        (self.0.len() > WINDOW)
            .then(|| self.0.pop_front())
            .flatten()
    }

    /// Gives all that waits, in the order in which it came.
    pub(super) fn flush(&mut self) -> impl Iterator<Item = Event> {
        self.0.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use portolan_wire::open_port::Transport;

    use super::*;

    fn event(kind: EventKind, cookie: u64) -> Event {
        Event {
            kind,
            transport: Transport::Tcp,
            laddr: "127.0.0.1".parse().unwrap(),
            v6only: None,
            port: 80,
            netns: 1,
            cookie,
            pid: 1,
            start_ns: 0,
            uid: 0,
            comm: String::new(),
            path: None,
            cgroup: 1,
            at_ns: 0,
            ephemeral: false,
        }
    }

    /// What comes out of one draining.
    fn drained(window: &mut Window, events: &[(EventKind, u64)]) -> Vec<(EventKind, u64)> {
        let mut out = Vec::new();
        for (kind, cookie) in events {
            out.extend(window.push(event(*kind, *cookie)));
        }
        out.extend(window.flush());
        out.iter().map(|event| (event.kind, event.cookie)).collect()
    }

    #[test]
    fn a_listen_that_failed_is_told_only_where_it_had_been_handed_out() {
        use EventKind::{Closed, Opened, Undone};
        let mut window = Window::default();
        let mixed = [
            (Opened, 1),
            (Opened, 2),
            (Closed, 1),
            (Undone, 2),
            (Opened, 3),
        ];
        assert_eq!(
            drained(&mut window, &mixed),
            [(Opened, 1), (Closed, 1), (Opened, 3)]
        );
        assert_eq!(drained(&mut window, &[(Undone, 3)]), [(Undone, 3)]);
        // It listened, ended, and failed to listen again.
        let again = [(Opened, 4), (Closed, 4), (Opened, 4), (Undone, 4)];
        assert_eq!(drained(&mut window, &again), [(Opened, 4), (Closed, 4)]);
    }

    #[test]
    fn order_is_kept_and_no_more_wait_than_the_window_holds() {
        let mut window = Window::default();
        let mut out = Vec::new();
        for cookie in 0..1_000 {
            out.extend(window.push(event(EventKind::Opened, cookie)));
            assert!(window.0.len() <= WINDOW);
        }
        out.extend(window.flush());
        assert!(out.iter().map(|event| event.cookie).eq(0..1_000));
    }
}
