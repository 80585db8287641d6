//! Moving what is in the log into the database, beside the writer.
//!
//! A checkpoint writes thousands of pages to places all over the database, for which a commit would wait. So a thread of
//! its own does it, with a connection of its own, while the writer goes on adding
//! to the log. The log can only begin anew when all of it has been moved, so the writer then moves the little that was
//! added meanwhile itself. SQLite syncs the database only with that last part, so the sync is still the writer's.
//! Sources: <https://sqlite.org/wal.html>, sections 2.3 and 6.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{OpenError, connection};

/// How many pages of 4 KiB the log grows by between two checkpoints.
pub(super) const PAGES: u32 = 2_000;
/// How many further pages may be added while one is under way; then the writer waits for it.
const PAGES_MEANWHILE: u32 = 6_000;

/// The writer's end.
pub(super) struct Checkpoints {
    /// Pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    /// How many there were when the last checkpoint was ordered; 0 after the log began anew.
    ordered_at: u32,
    is_under_way: bool,
    orders: Option<SyncSender<()>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(path: PathBuf) -> Result<Self, OpenError> {
        let (orders, ordered) = sync_channel(1);
        let (finish, done) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(path, &ordered, &finish))
            .map_err(|error| OpenError::Database(format!("no thread for checkpoints: {error}")))?;
        Ok(Self {
            pages: Arc::default(),
            ordered_at: 0,
            is_under_way: false,
            orders: Some(orders),
            done,
            thread: Some(thread),
        })
    }

    /// Counts the pages of the log by this connection, which no longer makes checkpoints by itself.
    pub(super) fn watch(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let pages = Arc::clone(&self.pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(u32::try_from(count).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// To be called by the writer after each commit.
    pub(super) fn after_commit(&mut self, conn: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.ordered_at {
            self.ordered_at = 0;
        }
        let added = pages - self.ordered_at;
        if self.is_under_way {
            let is_done = if added < PAGES_MEANWHILE {
                self.done.try_recv() != Err(TryRecvError::Empty)
            } else {
                // The disk is slower than the writer: the log may not grow for ever.
                self.done.recv().is_ok()
            };
            if is_done {
                self.is_under_way = false;
                checkpoint(conn);
            }
        } else if added >= PAGES
            && let Some(orders) = &self.orders
        {
            self.ordered_at = pages;
            self.is_under_way = orders.try_send(()).is_ok();
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.orders = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's checkpoints panicked");
        }
    }
}

fn serve(path: PathBuf, ordered: &Receiver<()>, finish: &SyncSender<()>) {
    let mut conn = None;
    while ordered.recv().is_ok() {
        if conn.is_none() {
            conn = connection::writer(&path)
                .inspect_err(|error| tracing::warn!(%error, "no connection for a checkpoint"))
                .ok();
        }
        // After an error of the disk the handle's memory and the file may differ, so it is not used again.
        conn = conn.filter(checkpoint);
        if finish.send(()).is_err() {
            return;
        }
    }
}

/// Moves what no reader holds up. Whether the disk let it; if not, everything is still in the log.
fn checkpoint(conn: &Connection) -> bool {
    let moved = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    moved.inspect_err(|error| tracing::warn!(%error, "a checkpoint failed; the log keeps what is stored")).is_ok()
}
