//! The one thread that writes, and the group commit.
//!
//! It takes what waits, runs each operation in a savepoint of one transaction, commits at once, and only then answers.
//! There is no timer: while one commit waits for the disk, the next group gathers.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::Failure;
use super::{OpenError, connection, statements};
use crate::store::{StoreError, StoreFuture, search};

/// How many operations share a commit at most, so that the first of them does not wait for long.
const GROUP_MAX: usize = 256;

/// What the writer has done since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) operations: AtomicU64,
}

/// The transaction that an operation writes in.
pub(super) struct Write<'c> {
    pub(super) conn: &'c Connection,
    /// Changes of the search index, applied once for the whole group: the index writes a segment whenever a savepoint
    /// is taken after a change.
    words: Vec<(i64, Words)>,
}

enum Words {
    Insert(String),
    Replace(String),
    Delete,
}

impl Write<'_> {
    /// Indexes a document that was not there before.
    pub(super) fn insert_words(&mut self, document: i64, words: String) {
        self.words.push((document, Words::Insert(words)));
    }

    /// Indexes a document anew.
    pub(super) fn replace_words(&mut self, document: i64, words: String) {
        self.words.push((document, Words::Replace(words)));
    }

    /// Takes a document out of the index.
    pub(super) fn delete_words(&mut self, document: i64) {
        self.words.push((document, Words::Delete));
    }
}

/// The search index's document of a message.
pub(super) const fn message_document(id: i64) -> i64 {
    id * 2
}

/// The search index's document of a visitor.
pub(super) const fn visitor_document(id: i64) -> i64 {
    id * 2 + 1
}

/// A text's words as the index keeps them: each behind its website and what it is of (`p` public, `n` note, `v` visitor).
pub(super) fn indexed(website: i64, of: char, text: &str) -> String {
    let mut indexed = String::with_capacity(text.len() * 2);
    for word in search::words(text) {
        if !indexed.is_empty() {
            indexed.push(' ');
        }
        indexed.push_str(&website.to_string());
        indexed.push(of);
        indexed.push_str(&word);
    }
    indexed
}

trait Operation: Send {
    fn run(&mut self, write: &mut Write<'_>) -> Result<(), Step>;
    fn answer(self: Box<Self>, group: Option<&StoreError>);
}

/// An operation did not succeed; `is_io` if the connection is to be opened anew.
struct Step {
    is_io: bool,
}

struct Call<T, F> {
    run: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Operation for Call<T, F>
where
    T: Send,
    F: FnOnce(&mut Write<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, write: &mut Write<'_>) -> Result<(), Step> {
        let Some(run) = self.run.take() else { return Ok(()) };
        // A fault in one operation must not end the writing of all others.
        let result = catch_unwind(AssertUnwindSafe(|| run(write)))
            .unwrap_or_else(|_| Err(StoreError::Corrupt("an operation panicked".to_owned()).into()));
        let step = match &result {
            Ok(_) => Ok(()),
            Err(failure) => Err(Step { is_io: failure.is_io() }),
        };
        self.outcome = Some(result.map_err(StoreError::from));
        step
    }

    fn answer(self: Box<Self>, group: Option<&StoreError>) {
        let outcome = match (group, self.outcome) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::Unavailable("the operation was not run".to_owned())),
        };
        // Nobody may wait any more; the write stands all the same.
        drop(self.reply.send(outcome));
    }
}

/// The sending end of the writer's queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
    pub(super) counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn start(path: PathBuf, conn: Connection, waiting_max: usize) -> Result<Self, OpenError> {
        let (queue, waiting) = sync_channel(waiting_max);
        let counters = Arc::new(Counters::default());
        let mut thread = Thread { path, conn: Some(conn), counters: Arc::clone(&counters) };
        let handle = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.serve(&waiting))
            .map_err(|error| OpenError::Database(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(handle), counters })
    }

    /// Queues an operation. Its place is taken now, not when the answer is first awaited.
    pub(super) fn call<T, F>(&self, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let call = Call { run: Some(run), outcome: None, reply };
        let queued = match &self.queue {
            Some(queue) => queue.try_send(Box::new(call)),
            None => return refused("the store is closed"),
        };
        match queued {
            Ok(()) => Box::pin(async move {
                answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store was closed".to_owned())))
            }),
            Err(TrySendError::Full(_)) => refused("too many writes wait"),
            Err(TrySendError::Disconnected(_)) => refused("the writer has ended"),
        }
    }
}

pub(super) fn refused<T: Send + 'static>(why: &'static str) -> StoreFuture<T> {
    Box::pin(std::future::ready(Err(StoreError::Unavailable(why.to_owned()))))
}

impl Drop for Writer {
    /// Waits until all that was queued is answered.
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

struct Thread {
    path: PathBuf,
    /// `None` after an error of the disk, until it opens again.
    conn: Option<Connection>,
    counters: Arc<Counters>,
}

impl Thread {
    fn serve(&mut self, waiting: &Receiver<Box<dyn Operation>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Ok(first) = waiting.recv() {
            group.push(first);
            group.extend(waiting.try_iter().take(GROUP_MAX - 1));
            let started = std::time::Instant::now();
            let failed = self.commit(&mut group).err();
            if failed.is_none() {
                record(group.len(), started.elapsed());
            }
            if let Some(error) = &failed {
                tracing::warn!(operations = group.len(), %error, "a commit failed; nothing of it was stored");
            }
            self.counters.operations.fetch_add(group.len() as u64, Ordering::Relaxed);
            for operation in group.drain(..) {
                operation.answer(failed.as_ref());
            }
        }
    }

    /// Runs a group in one transaction. On failure nothing of it is stored.
    fn commit(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => connection::writer(&self.path).map_err(|error| StoreError::Unavailable(error.to_string()))?,
        };
        let mut is_io = false;
        let done = transact(&conn, group, &mut is_io);
        if !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a rollback failed");
            is_io = true;
        }
        match done {
            Ok(()) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                if !is_io {
                    self.conn = Some(conn);
                }
                Ok(())
            }
            Err(failure) => {
                // After an error of the disk the handle's memory and the file may differ, so it is not used again.
                if !is_io && !failure.is_io() {
                    self.conn = Some(conn);
                }
                Err(match StoreError::from(failure) {
                    StoreError::Unavailable(why) | StoreError::Corrupt(why) => StoreError::Unavailable(why),
                    other @ (StoreError::NotFound | StoreError::Conflict(_) | StoreError::Forbidden(_)) => other,
                })
            }
        }
    }
}

/// Tells the figures of a commit.
#[expect(clippy::cast_precision_loss, reason = "a group is small")]
fn record(operations: usize, took: std::time::Duration) {
    metrics::counter!(crate::metrics::COMMITS_TOTAL).increment(1);
    metrics::histogram!(crate::metrics::COMMIT_SECONDS).record(took.as_secs_f64());
    metrics::histogram!(crate::metrics::COMMIT_WRITES).record(operations as f64);
}

fn transact(conn: &Connection, group: &mut [Box<dyn Operation>], is_io: &mut bool) -> Result<(), Failure> {
    execute(conn, "BEGIN IMMEDIATE")?;
    let mut words: BTreeMap<i64, Words> = BTreeMap::new();
    for operation in group {
        execute(conn, "SAVEPOINT operation")?;
        let mut write = Write { conn, words: Vec::new() };
        match operation.run(&mut write) {
            Ok(()) => {
                for (document, change) in write.words {
                    merge(&mut words, document, change);
                }
            }
            Err(step) => {
                *is_io |= step.is_io;
                if conn.is_autocommit() {
                    // The database gave up the whole transaction, the earlier operations with it.
                    return Err(StoreError::Unavailable("the transaction was rolled back".to_owned()).into());
                }
                execute(conn, "ROLLBACK TO operation")?;
            }
        }
        execute(conn, "RELEASE operation")?;
    }
    for (document, change) in words {
        index(conn, document, change)?;
    }
    execute(conn, "COMMIT")
}

/// What two changes of one document in one group come to.
fn merge(words: &mut BTreeMap<i64, Words>, document: i64, change: Words) {
    let is_new = matches!(words.get(&document), Some(Words::Insert(_)));
    match (is_new, change) {
        (true, Words::Replace(text)) => words.insert(document, Words::Insert(text)),
        (true, Words::Delete) => words.remove(&document),
        (_, change) => words.insert(document, change),
    };
}

fn index(conn: &Connection, document: i64, change: Words) -> Result<(), Failure> {
    let text = match change {
        Words::Insert(text) => text,
        Words::Replace(text) => {
            conn.prepare_cached(statements::DELETE_WORDS)?.execute([document])?;
            text
        }
        Words::Delete => {
            conn.prepare_cached(statements::DELETE_WORDS)?.execute([document])?;
            return Ok(());
        }
    };
    if !text.is_empty() {
        conn.prepare_cached(statements::INSERT_WORDS)?.execute((document, text))?;
    }
    Ok(())
}

fn execute(conn: &Connection, sql: &'static str) -> Result<(), Failure> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}
