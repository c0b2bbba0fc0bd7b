//! Bytes, or places, that all take from together, of which each may have a part only.
//!
//! One who takes them and is slow would else keep all others out. A part that is fixed, not one that
//! shrinks as others come: what was taken is never taken back.
//! Holds: the parts add up to what is taken; who has nothing is not remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The bytes or places, and who has how many.
#[derive(Debug)]
pub(crate) struct Shares {
    all: usize,
    of_one: usize,
    taken: Mutex<HashMap<Arc<str>, usize>>,
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoneLeft {
    /// Of what one may have.
    OfOne,
    /// Of what there is.
    OfAll,
}

impl Shares {
    /// `all` bytes, of which one may have `of_one`.
    pub(crate) fn new(all: usize, of_one: usize) -> Self {
        Self {
            all,
            of_one,
            taken: Mutex::default(),
        }
    }

    /// A share of that name, without bytes yet. Shares of one name count together.
    pub(crate) fn share(self: &Arc<Self>, name: &str) -> Share {
        Share {
            shares: Arc::clone(self),
            name: name.into(),
            bytes: 0,
        }
    }

    /// One place for whoever has that name.
    pub(crate) fn place(self: &Arc<Self>, name: &str) -> Result<Share, NoneLeft> {
        let mut share = self.share(name);
        share.grow(1).map(|()| share)
    }

    /// Bytes that are taken now.
    pub(crate) fn taken(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.taken
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Bytes that are taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    name: Arc<str>,
    bytes: usize,
}

impl Share {
    /// Takes what is missing to `bytes`; if that is too much, nothing.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoneLeft> {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut taken = self.shares.lock();
        let all: usize = taken.values().sum();
        let mine = taken.get(&self.name).copied().unwrap_or(0);
        if mine + more > self.shares.of_one {
            return Err(NoneLeft::OfOne);
        }
        if all + more > self.shares.all {
            return Err(NoneLeft::OfAll);
        }
        taken.insert(Arc::clone(&self.name), mine + more);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        if let Some(mine) = taken.get_mut(&self.name) {
            *mine = mine.saturating_sub(self.bytes);
            if *mine == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_may_have_its_part_to_the_last_byte_and_all_together_what_there_is() {
        let shares = Arc::new(Shares::new(100, 60));
        let (mut a, mut more_of_a) = (shares.share("a"), shares.share("a"));
        a.grow(40).unwrap();
        assert_eq!(more_of_a.grow(21), Err(NoneLeft::OfOne));
        more_of_a.grow(20).unwrap();
        assert_eq!(more_of_a.grow(21), Err(NoneLeft::OfOne));
        let mut b = shares.share("b");
        assert_eq!(b.grow(41), Err(NoneLeft::OfAll));
        assert_eq!(shares.taken(), 60);
        b.grow(40).unwrap();
        assert_eq!(shares.taken(), 100);
        drop(more_of_a);
        b.grow(50).unwrap();
        // What it has already costs nothing.
        b.grow(30).unwrap();
        assert_eq!(shares.taken(), 90);
        drop(a);
        assert_eq!(shares.taken(), 50);
        b.grow(60).unwrap();
        drop(b);
        assert_eq!(shares.taken(), 0);
        assert!(shares.lock().is_empty(), "who has nothing is forgotten");
    }
}
