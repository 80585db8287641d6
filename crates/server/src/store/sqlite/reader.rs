//! The threads that read, each with a read-only connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::OpenError;
use super::error::Failure;
use super::writer::refused;
use crate::store::{StoreError, StoreFuture};

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The sending end of the readers' queue.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<SyncSender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(connections: Vec<Connection>, waiting_max: usize) -> Result<Self, OpenError> {
        let (queue, waiting) = sync_channel(waiting_max);
        // The lock guards the taking of the next read, and nothing else.
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(connections.len());
        for conn in connections {
            let waiting = Arc::clone(&waiting);
            let thread = std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || serve(&conn, &waiting))
                .map_err(|error| OpenError::Database(format!("no thread for a reader: {error}")))?;
            threads.push(thread);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    /// Runs a read in a transaction of its own: all that it sees is of one moment, no earlier than this call.
    pub(super) fn call<T, F>(&self, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |conn| {
            if reply.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| within(conn, run)))
                .unwrap_or_else(|_| Err(StoreError::Corrupt("a read panicked".to_owned()).into()));
            drop(reply.send(result.map_err(StoreError::from)));
        });
        let queued = match &self.queue {
            Some(queue) => queue.try_send(read),
            None => return refused("the store is closed"),
        };
        match queued {
            Ok(()) => Box::pin(async move {
                answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store was closed".to_owned())))
            }),
            Err(TrySendError::Full(_)) => refused("too many reads wait"),
            Err(TrySendError::Disconnected(_)) => refused("the readers have ended"),
        }
    }
}

impl Drop for Readers {
    /// Waits until all that was queued is answered.
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reader of the store panicked");
            }
        }
    }
}

fn serve(conn: &Connection, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        read(conn);
        // Only a read that panicked leaves its transaction open; its snapshot would keep the log from shrinking.
        if !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a read could not be ended");
        }
    }
}

fn within<T>(conn: &Connection, run: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = run(conn);
    conn.prepare_cached("COMMIT")?.execute([])?;
    result
}
