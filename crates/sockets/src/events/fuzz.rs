//! The parsers of what the programs in the kernel write: see [`crate::fuzz`].

use super::{holders, record};
use crate::fuzz::Target;

pub(crate) const TARGETS: &[Target] = &[
    ("event", |bytes| _ = record::parse(bytes)),
    ("holders", |mut bytes| _ = holders::read(&mut bytes, |_| {})),
];
