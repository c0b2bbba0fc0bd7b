//! What becomes of messages between agents and server.

use crate::ingest::{Answer, Asker, Request};
use crate::timeline::{MILLISECOND, Micros, SECOND};

use super::{Event, World};

/// The longest time that an agent's transport waits for an answer.
const REQUEST_TIME_MAX: Micros = 30 * SECOND;
/// The longest time that a late or repeated request is under way. Longer than the transport waits,
/// so that it may come after newer ones.
pub(super) const LATE_MAX: Micros = 80 * SECOND;

impl World {
    /// An agent sends a request.
    pub(super) fn send(&mut self, request: Request, asker: Asker) {
        self.time.after(REQUEST_TIME_MAX, Event::TimesOut(asker));
        let is_cut_off = self.nodes[request.node].real.cut_off_until > self.time.now();
        let die = &mut self.dice.network;
        if die.chance(self.odds.duplicated) {
            self.figures.duplicates += 1;
            let delay = die.from(MILLISECOND..=LATE_MAX);
            let repetition = Box::new(Request {
                asker: None,
                ..request.clone()
            });
            self.time.after(delay, Event::Arrives(repetition));
        }
        if is_cut_off || die.chance(self.odds.request_lost) {
            return;
        }
        let delay = if die.chance(self.odds.late) {
            die.from(SECOND..=LATE_MAX)
        } else {
            die.from(MILLISECOND..=60 * MILLISECOND)
        };
        self.time.after(delay, Event::Arrives(Box::new(request)));
    }

    /// The server answers.
    pub(super) fn reply(&mut self, asker: Option<Asker>, answer: Answer) {
        let Some(asker) = asker else { return };
        let is_cut_off = self.nodes[asker.node].real.cut_off_until > self.time.now();
        let die = &mut self.dice.network;
        if is_cut_off || die.chance(self.odds.answer_lost) {
            return;
        }
        let delay = die.from(MILLISECOND..=60 * MILLISECOND);
        self.time.after(delay, Event::Answered { asker, answer });
    }
}
