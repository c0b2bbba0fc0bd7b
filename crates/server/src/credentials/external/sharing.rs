//! One at a time of one kind: who comes while another asks the same waits for that answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::credentials::TokenHash;

type Cells<T> = HashMap<TokenHash, Arc<OnceCell<T>>>;

/// Questions under way. There are no more of them than there are requests that wait.
pub(super) struct Sharing<T>(Mutex<Cells<T>>);

impl<T> Default for Sharing<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Sharing<T> {
    /// The answer of who asks this already, or else of `ask`.
    pub(super) async fn share<F: Future<Output = T>>(
        &self,
        hash: TokenHash,
        ask: impl FnOnce() -> F,
    ) -> T {
        let cell = Arc::clone(self.cells().entry(hash).or_default());
        // Where who asked has gone away, the next one of those who wait asks.
        let leaving = Leaving(self, hash, &cell);
        let answer = cell.get_or_init(ask).await.clone();
        drop(leaving);
        answer
    }

    fn cells(&self) -> MutexGuard<'_, Cells<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who leaves with an answer, or as the last without one, takes the question away.
struct Leaving<'a, T: Clone>(&'a Sharing<T>, TokenHash, &'a Arc<OnceCell<T>>);

impl<T: Clone> Drop for Leaving<'_, T> {
    fn drop(&mut self) {
        let Self(sharing, hash, cell) = self;
        let mut cells = sharing.cells();
        let is_this = cells.get(hash).is_some_and(|held| Arc::ptr_eq(held, cell));
        // Two: the table's and ours.
        if is_this && (cell.initialized() || Arc::strong_count(cell) <= 2) {
            cells.remove(hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    #[test]
    fn many_share_one_answer_and_the_next_asks_again() {
        let sharing = Sharing::default();
        let asked = AtomicU32::new(0);
        let ask = || async {
            tokio::task::yield_now().await;
            asked.fetch_add(1, Ordering::SeqCst) + 1
        };
        let hash = TokenHash::of("a");
        runtime().block_on(async {
            let both = tokio::join!(sharing.share(hash, ask), sharing.share(hash, ask));
            assert_eq!(both, (1, 1));
            let other = TokenHash::of("b");
            let (one, other) = tokio::join!(sharing.share(hash, ask), sharing.share(other, ask));
            assert_eq!((one.min(other), one.max(other)), (2, 3));
        });
        assert!(sharing.cells().is_empty());
    }

    #[test]
    fn who_goes_away_leaves_the_question_to_the_next_and_nothing_behind() {
        let sharing = Sharing::<u8>::default();
        let hash = TokenHash::of("a");
        runtime().block_on(async {
            let mut first = Box::pin(sharing.share(hash, std::future::pending));
            let mut second = Box::pin(sharing.share(hash, || async { 7 }));
            std::future::poll_fn(|context| {
                assert!(first.as_mut().poll(context).is_pending());
                assert!(second.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            drop(first);
            assert_eq!(second.await, 7);
            let mut only = Box::pin(sharing.share(hash, std::future::pending));
            std::future::poll_fn(|context| {
                assert!(only.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        });
        assert!(sharing.cells().is_empty());
    }
}
