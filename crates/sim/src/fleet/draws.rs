//! Random numbers that depend on nothing but a seed and a place.
//!
//! A generator that runs on from host to host could not make host 999,999 without the others, and
//! a library's generator may give other numbers in its next version, which would make figures of
//! two versions incomparable. So: SplitMix64 (Steele, Lea, Flood 2014) from a hash of the place.
//! Holds: the same seed, host, purpose and turn give the same numbers, on every machine.
//! Limit: statistical quality only; nothing secret may be made of it.

/// What a sequence of numbers is for. Each purpose has a sequence of its own, so that one more
/// draw for containers does not move the pid of a database.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    HostId = 1,
    Facts = 2,
    Everywhere = 3,
    Service = 4,
    Ephemeral = 5,
    Containers = 6,
    Hour = 7,
    Flap = 8,
    FlapOpen = 9,
}

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// The sequence of `host` for `purpose`; `turn` tells several of one purpose apart.
    pub(super) fn new(seed: u64, host: u32, purpose: Purpose, turn: u64) -> Self {
        let place = u64::from(host) << 8 | purpose as u64;
        Self(mix(mix(mix(seed).wrapping_add(place)).wrapping_add(turn)))
    }

    /// Any number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to `bound - 1`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let [high, _] = halves(self.next());
        scale(high, bound)
    }

    /// One of a list, each as likely as another; `None` of an empty one.
    pub(super) fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let count = u32::try_from(list.len()).unwrap_or(u32::MAX);
        list.get(self.below(count) as usize)
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1_000) < per_mille
    }
}

/// The two halves of a number, each as random as the whole.
pub(super) const fn halves(number: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ]
}

/// `random` of 2^32 as a share of `bound`: 0 to `bound - 1`, without a division.
pub(super) const fn scale(random: u32, bound: u32) -> u32 {
    let [high, _] = halves(random as u64 * bound as u64);
    high
}

/// SplitMix64's finaliser: a bijection, so different inputs never meet.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of the published algorithm for the state 1234567.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut draws = Draws(1_234_567);
        assert_eq!(draws.next(), 6_457_827_717_110_365_317);
        assert_eq!(draws.next(), 3_203_168_211_198_807_973);
        assert_eq!(draws.next(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn every_part_of_the_place_counts() {
        let first = |seed, host, purpose, turn| Draws::new(seed, host, purpose, turn).next();
        let one = first(1, 1, Purpose::Service, 1);
        assert_eq!(one, first(1, 1, Purpose::Service, 1));
        assert_ne!(one, first(2, 1, Purpose::Service, 1));
        assert_ne!(one, first(1, 2, Purpose::Service, 1));
        assert_ne!(one, first(1, 1, Purpose::Hour, 1));
        assert_ne!(one, first(1, 1, Purpose::Service, 2));
    }

    #[test]
    fn a_bounded_draw_reaches_both_ends_and_nothing_else() {
        let mut draws = Draws::new(7, 0, Purpose::Facts, 0);
        let mut seen = [0; 4];
        for _ in 0..400 {
            seen[draws.below(4) as usize] += 1;
        }
        assert!(
            seen.iter().all(|count| (60..=140).contains(count)),
            "{seen:?}"
        );
        assert_eq!(draws.below(0), 0);
    }
}
