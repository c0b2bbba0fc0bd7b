//! Messages that have come in and wait to be taken, one after the other.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use portolan_wire::caps;
use tokio::sync::Notify;

/// The buffer between who fetches and who takes.
pub(super) struct Incoming {
    state: Mutex<State>,
    /// Something was taken.
    taken: Notify,
}

struct State {
    /// The next that comes in; the last of `messages` is the one before it.
    next: u64,
    /// What is before it is asked for no more.
    wanted: u64,
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// What is before it was trimmed before it came in.
    trimmed: u64,
    /// Why nothing comes in any more.
    broken: Option<String>,
}

/// What a question came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Message(Bytes),
    NotYet,
    /// It had come in, and was let go.
    NoLonger,
    /// It cannot come in.
    Gone(String),
}

/// How much may be fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Incoming {
    pub(super) fn from(sequence: u64) -> Self {
        let sequence = sequence.max(1);
        let state = State {
            next: sequence,
            wanted: sequence,
            messages: VecDeque::new(),
            bytes: 0,
            trimmed: 0,
            broken: None,
        };
        Self {
            state: Mutex::new(state),
            taken: Notify::new(),
        }
    }

    /// The next that is to be fetched.
    pub(super) fn next(&self) -> u64 {
        self.state.lock().next
    }

    /// The next message has come in.
    pub(super) fn push(&self, message: Bytes) {
        let mut state = self.state.lock();
        if state.next < state.wanted {
            state.next += 1;
            return;
        }
        state.next += 1;
        state.bytes += message.len();
        state.messages.push_back(message);
    }

    /// The log begins at `first` now, and what comes in goes on there.
    pub(super) fn trimmed(&self, first: u64) {
        let mut state = self.state.lock();
        if first > state.next {
            state.messages.clear();
            state.bytes = 0;
            (state.next, state.trimmed) = (first, first);
        }
    }

    /// Nothing comes in any more.
    pub(super) fn broken(&self, why: String) {
        self.state.lock().broken = Some(why);
    }

    /// The message of that number; drops what is before it.
    pub(super) fn take(&self, sequence: u64) -> Taken {
        let mut state = self.state.lock();
        state.wanted = state.wanted.max(sequence);
        while state.begins() < sequence && state.drop_first() {}
        self.taken.notify_one();
        if sequence >= state.next {
            return match &state.broken {
                Some(why) => Taken::Gone(why.clone()),
                None => Taken::NotYet,
            };
        }
        if sequence < state.trimmed {
            return Taken::Gone(format!("the log begins at {}", state.trimmed));
        }
        let place = sequence.checked_sub(state.begins());
        let message = place
            .and_then(|place| usize::try_from(place).ok())
            .and_then(|place| state.messages.get(place));
        message.map_or(Taken::NoLonger, |message| Taken::Message(message.clone()))
    }

    /// Waits until at least half of the buffer is free, and says how much is.
    pub(super) async fn room(&self) -> Room {
        loop {
            let room = self.state.lock().room();
            if room.messages >= caps::LOG_INCOMING_MESSAGES_MAX / 2
                && room.bytes >= caps::LOG_INCOMING_BYTES_MAX / 2
            {
                return room;
            }
            self.taken.notified().await;
        }
    }
}

impl State {
    fn begins(&self) -> u64 {
        self.next - self.messages.len() as u64
    }

    fn drop_first(&mut self) -> bool {
        let first = self.messages.pop_front();
        self.bytes -= first.as_ref().map_or(0, Bytes::len);
        first.is_some()
    }

    fn room(&self) -> Room {
        Room {
            messages: caps::LOG_INCOMING_MESSAGES_MAX.saturating_sub(self.messages.len()),
            bytes: caps::LOG_INCOMING_BYTES_MAX.saturating_sub(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(of: u64) -> Bytes {
        of.to_string().into()
    }

    #[test]
    fn what_has_come_in_is_told_again_until_a_later_one_is_asked_for() {
        let incoming = Incoming::from(5);
        assert_eq!(incoming.take(5), Taken::NotYet);
        incoming.push(message(5));
        incoming.push(message(6));
        assert_eq!(incoming.take(5), Taken::Message(message(5)));
        assert_eq!(incoming.take(5), Taken::Message(message(5)));
        assert_eq!(incoming.take(6), Taken::Message(message(6)));
        assert_eq!(incoming.take(5), Taken::NoLonger);
        assert_eq!(incoming.take(7), Taken::NotYet);
    }

    #[test]
    fn what_is_asked_for_no_more_takes_no_room_when_it_comes() {
        let incoming = Incoming::from(1);
        assert_eq!(incoming.take(3), Taken::NotYet);
        (1..=3).for_each(|of| incoming.push(message(of)));
        assert_eq!(incoming.state.lock().messages.len(), 1);
        assert_eq!(incoming.take(3), Taken::Message(message(3)));
    }

    #[test]
    fn what_was_trimmed_is_told_and_the_rest_goes_on() {
        let incoming = Incoming::from(5);
        incoming.push(message(5));
        incoming.trimmed(9);
        incoming.push(message(9));
        assert_eq!(
            incoming.take(6),
            Taken::Gone("the log begins at 9".to_owned())
        );
        assert_eq!(incoming.take(9), Taken::Message(message(9)));
    }

    #[test]
    fn what_came_before_it_broke_is_told_first() {
        let incoming = Incoming::from(1);
        incoming.push(message(1));
        incoming.broken("a hole".to_owned());
        assert_eq!(incoming.take(1), Taken::Message(message(1)));
        assert_eq!(incoming.take(2), Taken::Gone("a hole".to_owned()));
    }

    #[test]
    fn there_is_no_room_until_half_of_it_is_taken() {
        let incoming = Incoming::from(1);
        let half = vec![0; caps::LOG_INCOMING_BYTES_MAX / 2 + 1];
        incoming.push(half.into());
        let is_waiting = || {
            let waiting = std::pin::pin!(incoming.room());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            std::future::Future::poll(waiting, &mut context).is_pending()
        };
        assert!(is_waiting());
        incoming.take(2);
        assert!(!is_waiting());
    }
}
