//! The threads that read, each with a read-only connection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::error::Failure;
use super::link::{Link, Sql, Step};
use super::writer::refused;
use crate::store::{StoreError, StoreFuture};

type Read = Box<dyn FnOnce(&mut dyn Link) + Send>;

/// The sending end of the readers' queue.
#[derive(Debug)]
pub(in crate::store) struct Readers {
    queue: Option<SyncSender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts a thread on each link.
    pub(super) fn start(links: Vec<Box<dyn Link>>, waiting_max: usize) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(waiting_max);
        // The lock guards the taking of the next read, and nothing else.
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(links.len());
        for mut link in links {
            let waiting = Arc::clone(&waiting);
            let thread = std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || serve(&mut *link, &waiting))?;
            threads.push(thread);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    /// Runs a read in a transaction of its own: all that it sees is of one moment, no earlier than this call.
    pub(in crate::store) fn call<T, F>(&self, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Sql) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |link| {
            if reply.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| within(link, run)))
                .unwrap_or_else(|_| Err(StoreError::Corrupt("a read panicked".to_owned()).into()));
            if result.as_ref().is_err_and(Failure::is_lost) {
                link.give_up();
            }
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

fn serve(link: &mut dyn Link, waiting: &Mutex<Receiver<Read>>) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(read) = next else { return };
        read(link);
        link.after_read();
    }
}

fn within<T>(link: &mut dyn Link, run: impl FnOnce(&dyn Sql) -> Result<T, Failure>) -> Result<T, Failure> {
    let conn = link.open()?;
    conn.step(Step::BeginRead)?;
    run(conn)
}
