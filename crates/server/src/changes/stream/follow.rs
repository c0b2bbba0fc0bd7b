//! One stream: it tells what there is, waits for more, and ends.
//!
//! It reads the newest commits from memory, which all streams share, and the store where it begins
//! further back. Once it has caught up it is cut where it falls back out of that memory: a reader that
//! takes less than what comes would read the store for ever.

use std::sync::Arc;
use std::time::Duration;

use portolan_store::history::Position;
use portolan_store::{HistoryOrder, RecentCommit};
use portolan_wire::caps;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::ids::{Cursor, Window};
use super::super::shown::ShownChange;
use super::super::wanted::Wanted;
use super::super::{damped, kept, look};
use super::begin::Begin;
use super::body::Out;
use super::decoded::Decoded;
use super::events;
use super::open::Cut;
use crate::accept::stopped;
use crate::app::App;
use crate::credentials::Standing;
use crate::error::ApiError;

/// How often it is looked whether a window of damped changes is over.
const WINDOW_LOOK: Duration = Duration::from_secs(1);

/// Why a stream ends.
#[derive(Debug)]
pub(super) enum End {
    /// Its reader has gone, or what it reads is the store's fault, which is in the log.
    Gone,
    /// Its credential no longer holds.
    Over,
    Cut(Cut),
    /// What it is behind of is no longer kept.
    Dropped,
}

/// A stream.
pub(super) struct Follower {
    app: Arc<App>,
    wanted: Arc<Wanted>,
    standing: Standing,
    out: Out,
    woken: watch::Receiver<()>,
    /// All up to here was told, or is not wanted.
    after: Position,
    /// The same of damped changes.
    damped: Option<Cursor>,
    reset: Option<&'static str>,
    /// It has caught up with what happens.
    live: bool,
    ping_at: Instant,
    check_at: Instant,
}

impl Follower {
    pub(super) fn new(
        app: Arc<App>,
        wanted: Wanted,
        standing: Standing,
        begin: Begin,
        mut out: Out,
    ) -> Self {
        out.sent_up_to = Some(begin.after);
        let (woken, now) = (app.streams.woken(), Instant::now());
        Self {
            ping_at: now + app.limits.stream_ping,
            check_at: now + app.limits.stream_credential,
            app,
            wanted: Arc::new(wanted),
            standing,
            out,
            woken,
            after: begin.after,
            damped: begin.damped,
            reset: begin.reset,
            live: false,
        }
    }

    /// Goes on until the reader has gone, is cut, or the server stops.
    pub(super) async fn run(mut self) {
        let mut stop = self.app.streams.stop.clone();
        let end = tokio::select! {
            () = stopped(&mut stop) => return,
            end = self.follow() => end,
        };
        let told = self.out.sent_up_to.unwrap_or(self.after);
        let id = self.app.epoch.id(told);
        let last_words = match end {
            Err(End::Cut(reason)) => {
                self.app.streams.cut(reason);
                events::cut(reason.as_str(), &id)
            }
            Err(End::Dropped) => {
                self.app.streams.reset();
                events::reset("not_kept", &id)
            }
            Err(End::Gone | End::Over) | Ok(()) => return,
        };
        if let Ok(last_words) = last_words {
            self.out.end(last_words);
        }
    }

    async fn follow(&mut self) -> Result<(), End> {
        self.begin().await?;
        loop {
            match self.damped {
                Some(from) => self.tell_windows(from).await?,
                None => self.tell().await?,
            }
            // Of a time that is over all is told.
            if self.wanted.query.until.is_some() {
                return Ok(());
            }
            self.wait().await?;
        }
    }

    async fn begin(&mut self) -> Result<(), End> {
        let id = self.app.epoch.id(self.after);
        let first = match self.reset {
            Some(reason) => {
                self.app.streams.reset();
                events::reset(reason, &id).map_err(|_| End::Gone)?
            }
            None => events::begin(&id),
        };
        self.out.put(&first, Some(self.after));
        self.flush().await
    }

    /// Waits for something to tell, and keeps the stream alive meanwhile.
    async fn wait(&mut self) -> Result<(), End> {
        loop {
            let mut due = self.ping_at.min(self.check_at);
            if self.damped.is_some() {
                due = due.min(Instant::now() + WINDOW_LOOK);
            }
            tokio::select! {
                () = self.out.gone() => return Err(End::Gone),
                _ = self.woken.changed(), if self.damped.is_none() => return self.keep().await,
                () = tokio::time::sleep_until(due) => {}
            }
            self.keep().await?;
            if self.damped.is_some() {
                return Ok(());
            }
        }
    }

    /// Hands on what waits, where that is enough for a piece. A reader that takes slowly is looked at
    /// between the pieces: what it has to hear of one commit may take it long.
    async fn hand_on(&mut self) -> Result<(), End> {
        if self.out.is_full() {
            self.flush().await?;
            self.keep().await?;
        }
        Ok(())
    }

    /// Does what is due: a ping, a look at the credential.
    async fn keep(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now >= self.check_at {
            self.check_at = now + self.app.limits.stream_credential;
            if !self.standing.holds(&self.app).await {
                return Err(End::Over);
            }
        }
        if now >= self.ping_at {
            self.ping_at = now + self.app.limits.stream_ping;
            self.out.put(events::PING, None);
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.out.flush(self.app.limits.stream_stall).await
    }

    /// Tells all changes that there are.
    async fn tell(&mut self) -> Result<(), End> {
        loop {
            match self.recent() {
                Some(records) if records.is_empty() => {
                    self.live = true;
                    return self.flush().await;
                }
                Some(records) => {
                    for record in records {
                        self.tell_record(record).await?;
                    }
                }
                None if self.live => return Err(End::Cut(Cut::Behind)),
                None => self.tell_stored().await?,
            }
            self.keep().await?;
        }
    }

    /// The newest commits that are not told whole, if they are all in memory.
    fn recent(&self) -> Option<Vec<Arc<RecentCommit>>> {
        let told_whole = self.after.n == u32::MAX;
        let told = self.after.commit - u64::from(!told_whole && self.after.commit > 0);
        self.app.published.recent.after(told)
    }

    async fn decoded(&self, record: Arc<RecentCommit>) -> Result<Arc<Decoded>, End> {
        if let Some(known) = self.app.streams.decoding.known(record.commit) {
            return Ok(known);
        }
        let decode = move |app: &App| {
            let decoded = app.streams.decoding.decode(&record);
            decoded.map_err(ApiError::internal)
        };
        self.app
            .reading(decode)
            .await
            .map_err(|error| failed(&error))
    }

    /// Tells a commit. One with very much in it is not decoded whole: it is read as pages are.
    async fn tell_record(&mut self, record: Arc<RecentCommit>) -> Result<(), End> {
        if record.record.len() <= caps::STREAM_RECORD_BYTES_MAX {
            let decoded = self.decoded(record).await?;
            return self.tell_commit(&decoded).await;
        }
        let whole = Position {
            commit: record.commit,
            n: u32::MAX,
        };
        while self.after < whole {
            self.tell_stored().await?;
        }
        Ok(())
    }

    async fn tell_commit(&mut self, decoded: &Decoded) -> Result<(), End> {
        for row in &decoded.rows {
            let position = row.change.position;
            if position <= self.after || !self.wanted.shows(&row.change) {
                continue;
            }
            let event = row.event(self.app.epoch, &self.wanted.granted);
            let event = event.map_err(|error| failed(&error))?;
            self.out.put(&event, Some(position));
            self.hand_on().await?;
        }
        self.after = Position {
            commit: decoded.commit(),
            n: u32::MAX,
        };
        Ok(())
    }

    /// Tells a page from the store, where it is behind what is in memory.
    async fn tell_stored(&mut self) -> Result<(), End> {
        let (wanted, after) = (Arc::clone(&self.wanted), self.after);
        let read = move |app: &App| {
            let store = &*app.store;
            let page = || {
                let before = store.history_span()?;
                let most = look::Most::rows(app, caps::PAGE_LIMIT_MAX as usize);
                let page = look::page(store, &wanted, HistoryOrder::Ascending, Some(after), most)?;
                // What was dropped meanwhile is not passed over.
                Ok((
                    before.last,
                    page,
                    kept::position(&store.history_span()?, after),
                ))
            };
            page().map_err(|error| ApiError::read_failed(&error))
        };
        let (last, found, is_kept) = self
            .app
            .reading(read)
            .await
            .map_err(|error| failed(&error))?;
        if !is_kept {
            return Err(End::Dropped);
        }
        for change in &found.rows {
            self.put(change, None)?;
            self.hand_on().await?;
        }
        let seen = found.rows.last().map_or(0, |change| change.position.commit);
        self.after = found.next.unwrap_or(Position {
            commit: last.max(seen).max(self.after.commit),
            n: u32::MAX,
        });
        self.flush().await
    }

    /// Tells the windows of damped changes that are over.
    async fn tell_windows(&mut self, mut from: Cursor) -> Result<(), End> {
        loop {
            let open = damped::window_of(self.app.as_of().plus_micros(1));
            if from.window.is_none_or(|window| window.number >= open) {
                return Ok(());
            }
            let wanted = Arc::clone(&self.wanted);
            let read = move |app: &App| {
                let (store, order) = (&*app.store, HistoryOrder::Ascending);
                let most = look::Most::rows(app, caps::PAGE_LIMIT_MAX as usize);
                let page = || {
                    let page = damped::page(store, &wanted, order, Some(from), open, most)?;
                    let span = store.history_span()?;
                    let window = from.window.map(|window| window.number);
                    let is_kept = window.is_none_or(|number| kept::window(&span, number));
                    Ok((page, is_kept))
                };
                page().map_err(|error| ApiError::read_failed(&error))
            };
            let read = self.app.reading(read).await;
            let (found, is_kept) = read.map_err(|error| failed(&error))?;
            if !is_kept {
                return Err(End::Dropped);
            }
            for (change, folded) in &found.rows {
                self.put(change, *folded)?;
                self.hand_on().await?;
            }
            self.flush().await?;
            from = found.next.unwrap_or(Cursor {
                after: None,
                window: Some(Window {
                    number: open,
                    as_is: false,
                }),
            });
            self.damped = Some(from);
            self.keep().await?;
        }
    }

    fn put(
        &mut self,
        change: &portolan_store::history::Change,
        folded: Option<super::super::shown::Folded>,
    ) -> Result<(), End> {
        let (epoch, granted) = (self.app.epoch, &self.wanted.granted);
        let shown = ShownChange::new(epoch, granted, change, folded);
        let event = events::change(&epoch.id(change.position), &shown).map_err(|_| End::Gone)?;
        self.out.put(&event, Some(change.position));
        Ok(())
    }
}

/// The store cannot be read: the stream ends, and its reader comes again.
fn failed(error: &ApiError) -> End {
    let error = error.cause().unwrap_or("it cannot be read");
    tracing::warn!(error, "a stream of changes ended early");
    End::Gone
}
