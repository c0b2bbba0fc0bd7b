//! A day of the fleet: which hosts change, when, and how.
//!
//! A host's state at a step is computed from all hours before it, not from the step before: a
//! test can ask for any moment of any host without walking there. 30 days are 720 draws, 2 us.
//! Holds: 1 % of the hosts change in each hour, each at one step of it; at step 0 nothing has
//! happened yet. One host in 1,000 flaps: one of its ports opens and closes at random.
//! Limit: one change a host and hour, always of the same service: the moving one.

use super::draws::{Draws, Purpose};

/// Length of a step, in seconds.
pub const STEP_S: u32 = 60;
/// Steps of an hour.
pub const STEPS_PER_HOUR: u32 = 3_600 / STEP_S;
/// Share of the hosts that change in an hour, in a thousandth.
const CHANGES_PER_MILLE: u32 = 10;
/// Share of the hosts that flap, in a thousandth.
const FLAPS_PER_MILLE: u32 = 1;

/// What has become of the moving service of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// How often it moved to another port, as the hour of the last move, from 1; 0 is never.
    pub(super) moved_at_hour: u32,
    /// How often its executable moved to another path.
    pub(super) upgrades: u32,
}

enum Change {
    /// One port closes and another opens.
    Move,
    /// The same port, another path.
    Upgrade,
}

/// What has happened to a host up to and including `step`.
pub(super) fn moves(seed: u64, host: u32, step: u32) -> Moves {
    let mut moves = Moves::default();
    for hour in 0..step.div_ceil(STEPS_PER_HOUR) {
        match change_in(seed, host, hour) {
            Some((at, _)) if at > step => {}
            Some((_, Change::Move)) => moves.moved_at_hour = hour + 1,
            Some((_, Change::Upgrade)) => moves.upgrades += 1,
            None => {}
        }
    }
    moves
}

/// Whether the flapping port of a host is open; `None` when the host does not flap.
pub(super) fn flap(seed: u64, host: u32, step: u32) -> Option<bool> {
    let flaps = Draws::new(seed, host, Purpose::Flap, 0).chance(FLAPS_PER_MILLE);
    flaps.then(|| step > 0 && Draws::new(seed, host, Purpose::FlapOpen, step.into()).chance(500))
}

/// Whether anything happens to a host between the step before and this one.
pub(super) fn happens(seed: u64, host: u32, step: u32) -> bool {
    let Some(before) = step.checked_sub(1) else {
        return false;
    };
    let change = change_in(seed, host, before / STEPS_PER_HOUR);
    change.is_some_and(|(at, _)| at == step) || flap(seed, host, before) != flap(seed, host, step)
}

/// The steps of an hour at which something happens to a host.
pub(super) fn steps_in(seed: u64, host: u32, hour: u32) -> Vec<u32> {
    if flap(seed, host, 0).is_none() {
        return Vec::from_iter(change_in(seed, host, hour).map(|(at, _)| at));
    }
    let first = hour * STEPS_PER_HOUR + 1;
    (first..first + STEPS_PER_HOUR)
        .filter(|step| happens(seed, host, *step))
        .collect()
}

/// The change of an hour and its step. Hour `h` has the steps `h * 60 + 1` to `h * 60 + 60`.
fn change_in(seed: u64, host: u32, hour: u32) -> Option<(u32, Change)> {
    let mut draws = Draws::new(seed, host, Purpose::Hour, hour.into());
    if !draws.chance(CHANGES_PER_MILLE) {
        return None;
    }
    let step = hour * STEPS_PER_HOUR + 1 + draws.below(STEPS_PER_HOUR);
    Some((
        step,
        if draws.chance(333) {
            Change::Upgrade
        } else {
            Change::Move
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_brings_moves_exactly_when_something_happens() {
        for host in 0..3_000 {
            for step in 1..=3 * STEPS_PER_HOUR {
                let differs = moves(9, host, step) != moves(9, host, step - 1)
                    || flap(9, host, step) != flap(9, host, step - 1);
                assert_eq!(differs, happens(9, host, step), "host {host}, step {step}");
            }
        }
    }

    #[test]
    fn the_steps_of_an_hour_are_those_at_which_something_happens() {
        for host in 0..3_000 {
            for hour in [0, 5] {
                let steps = hour * STEPS_PER_HOUR..=(hour + 1) * STEPS_PER_HOUR;
                let happening: Vec<u32> = steps
                    .skip(1)
                    .filter(|step| happens(9, host, *step))
                    .collect();
                assert_eq!(steps_in(9, host, hour), happening, "host {host}");
            }
        }
    }

    #[test]
    fn one_host_in_a_hundred_changes_in_an_hour() {
        let hosts = 50_000;
        for hour in [0, 7] {
            let changed = (0..hosts)
                .filter(|h| moves(9, *h, hour * 60) != moves(9, *h, (hour + 1) * 60))
                .count();
            // 500 expected; four standard deviations are 89.
            assert!((411..=589).contains(&changed), "{changed} in hour {hour}");
        }
    }

    #[test]
    fn a_few_hosts_flap_and_nothing_has_happened_at_the_start() {
        let flapping: Vec<u32> = (0..20_000).filter(|h| flap(9, *h, 5).is_some()).collect();
        assert!((5..=45).contains(&flapping.len()), "{flapping:?}");
        assert!(flapping.iter().all(|h| flap(9, *h, 0) == Some(false)));
        assert!((0..1_000).all(|h| moves(9, h, 0) == Moves::default() && !happens(9, h, 0)));
    }
}
