//! Ids of requests: 32 hex digits, never the same twice in a process and hardly ever in two.

use std::sync::atomic::{AtomicU64, Ordering};

/// Makes ids from a random start by counting and mixing: no system call a request.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seed: [u64; 2],
    count: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            seed: [getrandom::u64()?, getrandom::u64()?],
            count: AtomicU64::new(0),
        })
    }

    pub(crate) fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [high, low] = self.seed.map(|seed| mix(seed.wrapping_add(count)));
        format!("{high:016x}{low:016x}")
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a bijection, so that equal ids need equal counts.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_32_hex_digits_and_differ() {
        let ids = RequestIds::new().unwrap();
        let made: BTreeSet<_> = (0..1_000).map(|_| ids.next()).collect();
        assert_eq!(made.len(), 1_000);
        assert!(
            made.iter()
                .all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        );
    }
}
