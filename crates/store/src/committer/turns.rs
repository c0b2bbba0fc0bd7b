//! Whose reports the committer's queue takes, and when those whose it does not may come again.
//!
//! A constant would bring all of them back at one moment, to be refused again. So each is given a
//! turn behind all that waits and behind every turn given before, at the rate that the committer was
//! measured to have. Who comes again when told to finds a place: while turns are given, newcomers
//! get a quarter of the queue and the rest is for those who were told to come again; a batch under way
//! takes a part of that. And no more
//! wait than can be answered before their clients give up, or they would come again all the same.
//! Pure: time and measures are arguments, so that a simulation can bring a fleet back.
//! Holds: what is given within [`RETRY_AFTER_S_MAX`] is not more than the committer can do by then.
//! Limits: [`COMMIT_QUEUE_MAX`], [`COMMIT_QUEUE_WAIT_S_MAX`]; beyond [`RETRY_AFTER_S_MAX`] turns are no
//! longer apart.

use std::time::Duration;

use portolan_wire::caps::{COMMIT_QUEUE_MAX, COMMIT_QUEUE_WAIT_S_MAX, RETRY_AFTER_S_MAX};

/// Reports a second that a committer is taken to manage until it was measured: a slow disk does.
const RATE_UNMEASURED: u32 = 1_000;
/// Fewest reports of a batch that say how fast the committer is: in a small one the sync is all.
const MEASURED_MIN: usize = 256;
/// Part of the queue that newcomers get while others are expected.
const NEWCOMERS_PART: usize = 4;
/// Part of its time by which a client may come later than told, so that not all come at once.
const LATER_PART: u32 = 5;

/// The turns that were given, and the rate that they are given at.
#[derive(Debug, Default)]
pub struct Turns {
    /// None until it was measured.
    reports_a_second: Option<u32>,
    /// When all that was given turns will have been done.
    given_until: Duration,
    /// When the last who was given one will have come.
    expected_until: Duration,
}

impl Turns {
    /// A batch of so many reports took so long.
    pub fn measured(&mut self, reports: usize, took: Duration) {
        if reports < MEASURED_MIN {
            return;
        }
        let micros = took.as_micros().max(1);
        let rate = u32::try_from(reports as u128 * 1_000_000 / micros).unwrap_or(u32::MAX);
        // One slow sync must not send a fleet away for minutes.
        let before = u64::from(self.reports_a_second.unwrap_or(rate));
        let smooth = (before * 3 + u64::from(rate)) / 4;
        self.reports_a_second = Some(u32::try_from(smooth).unwrap_or(u32::MAX).max(1));
    }

    /// Gives a turn for `reports` to somebody who is refused at `now`, while so many reports wait:
    /// seconds, at least 1.
    pub fn give(&mut self, now: Duration, waiting: usize, reports: usize) -> u32 {
        let latest = now + Duration::from_secs(u64::from(RETRY_AFTER_S_MAX));
        let behind = self.given_until.max(now + self.time_for(waiting));
        self.given_until = (behind + self.time_for(reports)).min(latest);
        let wait_s = (self.given_until - now).as_millis().div_ceil(1_000);
        let wait_s = u32::try_from(wait_s).unwrap_or(RETRY_AFTER_S_MAX).max(1);
        let wait = Duration::from_secs(u64::from(wait_s));
        self.expected_until = self.expected_until.max(now + wait + wait / LATER_PART);
        wait_s
    }

    /// Whether the reports of somebody who comes for the first time or again have to wait elsewhere,
    /// while so many submissions and reports are in the queue.
    pub fn keep_out(
        &self,
        now: Duration,
        comes_again: bool,
        submissions: usize,
        reports: usize,
    ) -> bool {
        let share = if comes_again || now >= self.expected_until {
            1
        } else {
            NEWCOMERS_PART
        };
        let answerable = self.reports_a_second.map_or(usize::MAX, |rate| {
            (rate as usize).saturating_mul(COMMIT_QUEUE_WAIT_S_MAX)
        });
        // Something must go through, however slow that is.
        submissions >= COMMIT_QUEUE_MAX / share || reports >= (answerable / share).max(1)
    }

    fn time_for(&self, reports: usize) -> Duration {
        let rate = self.reports_a_second.unwrap_or(RATE_UNMEASURED);
        Duration::from_micros(reports as u64 * 1_000_000 / u64::from(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    /// Turns of a committer that manages 1,000 reports a second.
    fn measured() -> Turns {
        let mut turns = Turns::default();
        turns.measured(4_000, Duration::from_secs(4));
        turns
    }

    #[test]
    fn turns_follow_what_waits_at_the_measured_rate_and_each_other() {
        let mut turns = measured();
        let given: Vec<_> = (0..5).map(|_| turns.give(NOW, 8_000, 500)).collect();
        assert_eq!(given, [9, 9, 10, 10, 11]);
        let later = NOW + Duration::from_secs(3_600);
        assert_eq!(turns.give(later, 0, 1), 1, "what was given is over");
        for _ in 0..100 {
            turns.measured(4_000, Duration::from_secs(2));
        }
        assert_eq!(
            turns.give(later + later, 8_000, 500),
            5,
            "about 2,000 a second"
        );
    }

    #[test]
    fn small_batches_say_nothing_and_no_turn_is_beyond_the_limit() {
        let mut turns = Turns::default();
        turns.measured(1, Duration::from_secs(5));
        assert_eq!(
            turns.give(NOW, 2_000, 1),
            3,
            "1,000 a second until measured"
        );
        for _ in 0..2_000 {
            assert!((1..=RETRY_AFTER_S_MAX).contains(&turns.give(NOW, 0, 1_000)));
        }
    }

    #[test]
    fn newcomers_get_a_part_of_the_queue_while_others_are_expected() {
        let mut turns = Turns::default();
        let takes = |turns: &Turns, now, comes_again, submissions| {
            !turns.keep_out(now, comes_again, submissions, submissions)
        };
        assert!(takes(&turns, NOW, false, COMMIT_QUEUE_MAX - 1));
        assert!(!takes(&turns, NOW, false, COMMIT_QUEUE_MAX));
        let wait = Duration::from_secs(u64::from(turns.give(NOW, 10_000, 1)));
        assert!(takes(
            &turns,
            NOW,
            false,
            COMMIT_QUEUE_MAX / NEWCOMERS_PART - 1
        ));
        assert!(!takes(
            &turns,
            NOW,
            false,
            COMMIT_QUEUE_MAX / NEWCOMERS_PART
        ));
        assert!(takes(&turns, NOW, true, COMMIT_QUEUE_MAX - 1));
        assert!(!takes(&turns, NOW, true, COMMIT_QUEUE_MAX));
        let late = NOW + wait + wait / LATER_PART;
        assert!(!takes(
            &turns,
            late - Duration::from_nanos(1),
            false,
            COMMIT_QUEUE_MAX / NEWCOMERS_PART
        ));
        assert!(takes(
            &turns,
            late,
            false,
            COMMIT_QUEUE_MAX / NEWCOMERS_PART
        ));
    }

    #[test]
    fn no_more_wait_than_can_be_answered_in_time() {
        let mut turns = measured();
        let answerable = 1_000 * COMMIT_QUEUE_WAIT_S_MAX;
        assert!(!turns.keep_out(NOW, false, 1, answerable - 1));
        assert!(turns.keep_out(NOW, false, 1, answerable));
        assert!(turns.keep_out(NOW, true, 1, answerable));
        turns.give(NOW, answerable, 1);
        assert!(turns.keep_out(NOW, false, 1, answerable / NEWCOMERS_PART));
        assert!(!turns.keep_out(NOW, true, 1, answerable / NEWCOMERS_PART));
    }
}
