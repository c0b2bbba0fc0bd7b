//! What clients see of changes: pages of them, and a stream.
//!
//! Both walk the same history by position and show the same rows, so that a stream that was cut and
//! resumed ends with exactly the list that the pages give.
//! Holds: nobody is shown a change of an enterprise project that is not granted; what the history no
//! longer holds is told, never passed over.

mod all;
mod damped;
mod ids;
mod kept;
mod look;
mod page;
mod shown;
mod stream;
mod wanted;

pub(crate) use all::AllChanges;
pub(crate) use ids::Epoch;
pub(crate) use page::{ChangeList, changes};
pub(crate) use stream::{Streams, stream, wake};
pub(crate) use wanted::Wanted;
