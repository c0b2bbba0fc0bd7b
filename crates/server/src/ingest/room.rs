//! Room for large bodies: how much memory all of them together may take.
//!
//! A cap on one body is not enough: a connection may bring 12 MiB, which may unpack to 64 MiB, whose
//! reports take some twelve times that while they are read, and there may be 4,096 connections.
//! Small bodies pass freely. A large one needs room twice: as sent, where there is none it is told
//! to come again, as others may take a minute to send theirs; and unpacked, where it waits for its
//! turn, as each turn is a second at most.
//! Room for what is sent is taken as it comes ([`Shares`]): an announced length costs its sender
//! nothing.
//! Holds: the room of a body is taken before its memory, and given back after it.
//! Limits: `caps::LARGE_BODIES_SENT_BYTES_MAX`, `caps::LARGE_BODIES_SENT_OF_A_CREDENTIAL_PART`,
//! `caps::UNPROVEN_BODIES_SENT_BYTES_MAX`, `caps::LARGE_BODIES_UNPACKED_BYTES_MAX`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portolan_wire::caps;
use portolan_wire::error::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::limits::Limit;
use crate::places::address_of;
use crate::shares::{NoneLeft, Share, Shares};

/// The room that there is.
#[derive(Debug)]
pub(crate) struct Room {
    sent: Arc<Shares>,
    /// Of requests whose signature cannot be checked before their body is here.
    unproven: Arc<Shares>,
    unpacked: Budget,
    wait: Duration,
}

/// Bytes of which some are taken. A permit is a byte.
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
        let of_one = sent_bytes / caps::LARGE_BODIES_SENT_OF_A_CREDENTIAL_PART;
        Self {
            sent: Arc::new(Shares::new(sent_bytes, of_one)),
            unproven: Arc::new(Shares::new(
                unproven_bytes,
                unproven_bytes / caps::PART_OF_AN_ADDRESS,
            )),
            unpacked: Budget::new(unpacked_bytes),
            wait,
        }
    }

    /// The room of a body that a credential sends: none at first.
    pub(super) fn to_receive(&self, credential: &str) -> Receiving {
        Receiving(self.sent.share(credential))
    }

    /// The same for a body of which only the address is known.
    pub(super) fn to_receive_unproven(&self, from: IpAddr) -> Receiving {
        Receiving(self.unproven.share(&address_of(from).to_string()))
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

/// The room of a body as sent.
#[derive(Debug)]
pub(super) struct Receiving(Share);

impl Receiving {
    /// Takes what is missing to `bytes`, or refuses and keeps what it has.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.0.grow(bytes).map_err(|none| match none {
            NoneLeft::OfAll => none_left(),
            NoneLeft::OfOne => {
                let detail = format!(
                    "one sender holds one part in {} of the room for large bodies: try again in a second",
                    caps::LARGE_BODIES_SENT_OF_A_CREDENTIAL_PART
                );
                let limit = Limit::LargeBodiesOfACredential;
                ApiError::new(ErrorCode::QueueFull, detail).at(limit)
            }
        })
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
