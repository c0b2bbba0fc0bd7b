//! Room for large bodies: how much memory all of them together may take.
//!
//! A cap on one body is not enough: a connection may bring 12 MiB, which may unpack to 64 MiB, whose
//! reports take some twelve times that while they are read, and there may be 4,096 connections.
//! Small bodies pass freely. A large one needs room twice: as sent, where there is none it is told
//! to come again, as others may take a minute to send theirs; and unpacked, where it waits for its
//! turn, as each turn is a second at most.
//! Holds: the room of a body is taken before its memory, and given back after it.
//! Limits: `caps::LARGE_BODIES_SENT_BYTES_MAX`, `caps::UNPROVEN_BODIES_SENT_BYTES_MAX`, `caps::LARGE_BODIES_UNPACKED_BYTES_MAX`.

use std::sync::Arc;
use std::time::Duration;

use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::limits::Limit;

/// The room that there is. A permit is a byte.
#[derive(Debug)]
pub(crate) struct Room {
    sent: Budget,
    unproven: Budget,
    unpacked: Budget,
    wait: Duration,
}

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Its credential was checked.
    Proven,
    /// Its signature cannot be checked before the body is here.
    Unproven,
}

/// Bytes of which some are taken.
#[derive(Debug)]
struct Budget {
    bytes: usize,
    free: Arc<Semaphore>,
}

/// Bytes that are taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken(OwnedSemaphorePermit);

impl Default for Room {
    fn default() -> Self {
        Self::new(
            caps::LARGE_BODIES_SENT_BYTES_MAX,
            caps::UNPROVEN_BODIES_SENT_BYTES_MAX,
            caps::LARGE_BODIES_UNPACKED_BYTES_MAX,
            Duration::from_secs(caps::LARGE_BODY_WAIT_S_MAX),
        )
    }
}

impl Room {
    pub(super) fn new(
        sent_bytes: usize,
        unproven_bytes: usize,
        unpacked_bytes: usize,
        wait: Duration,
    ) -> Self {
        Self {
            sent: Budget::new(sent_bytes),
            unproven: Budget::new(unproven_bytes),
            unpacked: Budget::new(unpacked_bytes),
            wait,
        }
    }

    /// Takes room for a body as sent, or refuses.
    pub(super) fn to_receive(&self, bytes: usize, sender: Sender) -> Result<Taken, ApiError> {
        let budget = match sender {
            Sender::Proven => &self.sent,
            Sender::Unproven => &self.unproven,
        };
        let free = Arc::clone(&budget.free);
        let taken = free.try_acquire_many_owned(permits(bytes));
        taken.map(Taken).map_err(|_| none_left())
    }

    /// Takes room for an unpacked body, when its turn has come.
    pub(super) async fn to_unpack(&self, bytes: usize) -> Result<Taken, ApiError> {
        let free = Arc::clone(&self.unpacked.free);
        let turn = free.acquire_many_owned(permits(bytes));
        match tokio::time::timeout(self.wait, turn).await {
            Ok(Ok(taken)) => Ok(Taken(taken)),
            // The semaphore is never closed: only the time can be up.
            Ok(Err(_)) | Err(_) => Err(none_left()),
        }
    }

    /// Bytes that are taken now: as sent, and unpacked.
    pub(crate) fn taken(&self) -> (usize, usize) {
        let sent = self.sent.taken() + self.unproven.taken();
        (sent, self.unpacked.taken())
    }
}

impl Budget {
    fn new(bytes: usize) -> Self {
        Self {
            bytes,
            free: Arc::new(Semaphore::new(bytes)),
        }
    }

    fn taken(&self) -> usize {
        self.bytes.saturating_sub(self.free.available_permits())
    }
}

impl Taken {
    /// Gives back what a body that has become `bytes` long does not need.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let surplus = self.0.num_permits().saturating_sub(bytes);
        drop(self.0.split(surplus));
    }
}

/// Bodies are far below 4 GiB.
fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn none_left() -> ApiError {
    let detail = "there is no room for more large bodies: try again in a second";
    ApiError::new(ErrorCode::QueueFull, detail).at(Limit::LargeBodies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<Taken, ApiError>) -> ErrorCode {
        result.unwrap_err().code()
    }

    #[test]
    fn what_is_sent_has_room_up_to_the_last_byte_and_is_refused_beyond() {
        let room = Room::new(100, 10, 0, Duration::ZERO);
        let to_receive = |bytes| room.to_receive(bytes, Sender::Proven);
        let (first, second) = (to_receive(60).unwrap(), to_receive(40).unwrap());
        assert_eq!(room.taken(), (100, 0));
        assert_eq!(code(to_receive(1)), ErrorCode::QueueFull);
        let unproven = room.to_receive(10, Sender::Unproven).unwrap();
        assert_eq!(room.taken(), (110, 0));
        assert_eq!(
            code(room.to_receive(1, Sender::Unproven)),
            ErrorCode::QueueFull
        );
        drop((first, unproven));
        assert_eq!(code(to_receive(61)), ErrorCode::QueueFull);
        let third = to_receive(60).unwrap();
        drop((second, third));
        assert_eq!(room.taken(), (0, 0));
    }

    #[tokio::test]
    async fn what_is_unpacked_waits_for_its_turn_until_others_have_shrunk() {
        let room = Arc::new(Room::new(0, 0, 100, Duration::from_secs(3_600)));
        let mut first = room.to_unpack(64).await.unwrap();
        let waiting = tokio::spawn({
            let room = Arc::clone(&room);
            async move { room.to_unpack(64).await }
        });
        // One thread: the task runs until it waits.
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        first.shrink(37);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "a byte is missing");
        first.shrink(36);
        let second = waiting.await.unwrap().unwrap();
        assert_eq!(room.taken(), (0, 100));
        drop((first, second));
        assert_eq!(room.taken(), (0, 0));
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_refused() {
        let room = Room::new(0, 0, 100, Duration::ZERO);
        let held = room.to_unpack(64).await.unwrap();
        assert_eq!(code(room.to_unpack(64).await), ErrorCode::QueueFull);
        drop(held);
        room.to_unpack(64).await.unwrap();
    }
}
