//! The one thread that writes, and the group commit.
//!
//! It takes what waits, runs it in one transaction, commits at once, and only then answers. There is no timer: while
//! one commit waits for the disk, the next group gathers.
//!
//! Operations that fail mostly do so before they have written anything, so a group is run without savepoints, which
//! would cost more than the operations. If one fails after it has written, the transaction is rolled back, and the
//! whole group is run again with a savepoint for each operation, so that this one is undone alone.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::checkpoint::Checkpoints;
use super::error::Failure;
use super::kept::Kept;
use super::outbox::Hooks;
use super::{OpenError, connection, rows, statements};
use crate::slow;
use crate::store::{StoreError, StoreFuture, search};
use crate::trace::{self, Attribute, SpanContext};

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
    /// Rows that are ahead of the database; nothing, unless the operation was queued with [`Writer::call_unsettled`].
    pub(super) kept: &'c mut Kept,
    /// Which webhooks are to be told.
    pub(super) hooks: &'c mut Hooks,
    undo: Undo,
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

    /// Writes a changed conversation's and its website's row, at the end of the group if that will do. It is the last
    /// thing that an operation does.
    pub(super) fn keep(&mut self, thread: rows::Thread) -> Result<(), Failure> {
        match self.undo {
            Undo::All => self.kept.keep(thread),
            // What a savepoint is to undo must be in the database.
            Undo::Each => thread.save(self.conn)?,
        }
        Ok(())
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
    /// Whether it reads or writes conversations and websites by itself, so that what is kept of them must be written.
    fn is_settled(&self) -> bool;

    /// May be called again after what it wrote was rolled back; the last outcome is the answer.
    fn run(&mut self, write: &mut Write<'_>) -> Result<(), Step>;
    fn answer(self: Box<Self>, group: Option<&StoreError>);

    /// The span that it is a part of, and since when it waits; `None` unless it is traced.
    fn traced(&self) -> Option<(SpanContext, SystemTime)>;
}

/// An operation did not succeed; `is_io` if the connection is to be opened anew.
struct Step {
    is_io: bool,
}

struct Call<T, F> {
    is_settled: bool,
    run: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    traced: Option<(SpanContext, SystemTime)>,
}

impl<T, F> Operation for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send,
{
    fn is_settled(&self) -> bool {
        self.is_settled
    }

    fn run(&mut self, write: &mut Write<'_>) -> Result<(), Step> {
        // A fault in one operation must not end the writing of all others.
        let result = catch_unwind(AssertUnwindSafe(|| (self.run)(write)))
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

    fn traced(&self) -> Option<(SpanContext, SystemTime)> {
        self.traced
    }
}

/// The sending end of the writer's queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
    pub(super) counters: Arc<Counters>,
    /// Wakes whoever sends to webhooks.
    pub(super) outbox: Arc<Notify>,
}

impl Writer {
    pub(super) fn start(path: PathBuf, mut conn: Connection, waiting_max: usize) -> Result<Self, OpenError> {
        let (queue, waiting) = sync_channel(waiting_max);
        let counters = Arc::new(Counters::default());
        let checkpoints = Checkpoints::start(path.clone())?;
        checkpoints.watch(&mut conn)?;
        let outbox = Arc::new(Notify::new());
        let mut thread = Thread {
            path,
            conn: Some(conn),
            checkpoints,
            counters: Arc::clone(&counters),
            hooks: Hooks::default(),
            outbox: Arc::clone(&outbox),
        };
        let handle = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.serve(&waiting))
            .map_err(|error| OpenError::Database(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(handle), counters, outbox })
    }

    /// Queues an operation. Its place is taken now, not when the answer is first awaited. It may be run again after
    /// all that it wrote was rolled back.
    pub(super) fn call<T, F>(&self, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.queue(true, run)
    }

    /// The same for an operation that looks at conversations and websites only by way of [`Write::kept`], or not at
    /// all.
    pub(super) fn call_unsettled<T, F>(&self, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.queue(false, run)
    }

    fn queue<T, F>(&self, is_settled: bool, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let traced = trace::current().map(|context| (context, SystemTime::now()));
        let call = Call { is_settled, run, outcome: None, reply, traced };
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
    checkpoints: Checkpoints,
    counters: Arc<Counters>,
    hooks: Hooks,
    outbox: Arc<Notify>,
}

impl Thread {
    fn serve(&mut self, waiting: &Receiver<Box<dyn Operation>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Ok(first) = waiting.recv() {
            group.push(first);
            group.extend(waiting.try_iter().take(GROUP_MAX - 1));
            let started = std::time::Instant::now();
            let failed = self.commit(&mut group).err();
            let took = started.elapsed();
            if trace::is_on() {
                tell_traced(&group, took, failed.is_some());
            }
            if failed.is_none() {
                record(group.len(), took);
            }
            if slow::is_slow(took) {
                slow::tell!("commit", took, writes = group.len(), failed = failed.is_some());
            }
            if let Some(error) = &failed {
                metrics::counter!(crate::metrics::COMMIT_FAILURES_TOTAL).increment(1);
                tracing::warn!(operations = group.len(), %error, "a commit failed; nothing of it was stored");
            }
            self.counters.operations.fetch_add(group.len() as u64, Ordering::Relaxed);
            for operation in group.drain(..) {
                operation.answer(failed.as_ref());
            }
            if let Some(conn) = &self.conn {
                self.checkpoints.after_commit(conn);
            }
        }
    }

    /// Runs a group in one transaction. On failure nothing of it is stored.
    fn commit(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), StoreError> {
        let done = match self.attempt(group, Undo::All) {
            Err(Halt::Again) => self.attempt(group, Undo::Each),
            done => done,
        };
        let has_due = std::mem::take(&mut self.hooks.has_due);
        match done {
            Ok(()) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                if has_due {
                    self.outbox.notify_one();
                }
                Ok(())
            }
            Err(Halt::Again) => Err(StoreError::Unavailable("the transaction was rolled back".to_owned())),
            Err(Halt::Failed(failure)) => Err(match StoreError::from(failure) {
                StoreError::Unavailable(why) | StoreError::Corrupt(why) => StoreError::Unavailable(why),
                other @ (StoreError::NotFound
                | StoreError::Conflict(_)
                | StoreError::Forbidden(_)
                | StoreError::LimitExceeded(_)) => other,
            }),
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Operation>], undo: Undo) -> Result<(), Halt> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let mut conn = connection::writer(&self.path).map_err(Failure::from)?;
                self.checkpoints.watch(&mut conn).map_err(Failure::from)?;
                conn
            }
        };
        let mut is_io = false;
        let done = transact(&conn, group, undo, &mut self.hooks, &mut is_io);
        if done.is_err() {
            // What was read within the transaction may have been undone with it.
            self.hooks.forget();
        }
        if !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a rollback failed");
            is_io = true;
        }
        if let Err(Halt::Failed(failure)) = &done {
            is_io |= failure.is_io();
        }
        // After an error of the disk the handle's memory and the file may differ, so it is not used again.
        if !is_io {
            self.conn = Some(conn);
        }
        done
    }
}

/// Tells the spans that have a part in a group that was just committed, or not.
fn tell_traced(group: &[Box<dyn Operation>], took: Duration, is_error: bool) {
    let began = SystemTime::now() - took;
    for (context, queued) in group.iter().filter_map(|operation| operation.traced()) {
        let Some(mut span) = context.child("commit", began) else { return };
        let waited = began.duration_since(queued).unwrap_or_default();
        span.note("cossistant.writes", Attribute::Number(group.len() as u64));
        span.note("cossistant.waited_us", Attribute::Number(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX)));
        span.end(is_error);
    }
}

/// Tells the figures of a commit.
#[expect(clippy::cast_precision_loss, reason = "a group is small")]
fn record(operations: usize, took: Duration) {
    metrics::counter!(crate::metrics::COMMITS_TOTAL).increment(1);
    metrics::histogram!(crate::metrics::COMMIT_SECONDS).record(took.as_secs_f64());
    metrics::histogram!(crate::metrics::COMMIT_WRITES).record(operations as f64);
}

/// What can be undone while a group runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// All of it together.
    All,
    /// Each operation by itself, at the cost of a savepoint.
    Each,
}

/// Why a transaction was not committed.
enum Halt {
    /// An operation failed and cannot be undone alone.
    Again,
    /// The database failed.
    Failed(Failure),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn transact(
    conn: &Connection,
    group: &mut [Box<dyn Operation>],
    undo: Undo,
    hooks: &mut Hooks,
    is_io: &mut bool,
) -> Result<(), Halt> {
    execute(conn, "BEGIN IMMEDIATE")?;
    let mut words: BTreeMap<i64, Words> = BTreeMap::new();
    let mut kept = Kept::default();
    for operation in group {
        if operation.is_settled() {
            settle(conn, &mut kept, is_io)?;
        }
        if undo == Undo::Each {
            execute(conn, "SAVEPOINT operation")?;
        }
        let changes = conn.total_changes();
        let mut write = Write { conn, words: Vec::new(), kept: &mut kept, hooks: &mut *hooks, undo };
        let done = operation.run(&mut write);
        let has_changed = conn.total_changes() != changes;
        match (done, undo) {
            (Ok(()), _) => {
                for (document, change) in write.words {
                    merge(&mut words, document, change);
                }
            }
            (Err(step), _) if conn.is_autocommit() => {
                // The database gave up the whole transaction, the earlier operations with it.
                *is_io |= step.is_io;
                return Err(Halt::Again);
            }
            (Err(step), Undo::All) => {
                *is_io |= step.is_io;
                if has_changed {
                    return Err(Halt::Again);
                }
            }
            (Err(step), Undo::Each) => {
                *is_io |= step.is_io;
                execute(conn, "ROLLBACK TO operation")?;
                hooks.forget();
            }
        }
        if undo == Undo::Each {
            execute(conn, "RELEASE operation")?;
        }
    }
    settle(conn, &mut kept, is_io)?;
    for (document, change) in words {
        index(conn, document, change)?;
    }
    Ok(execute(conn, "COMMIT")?)
}

/// Writes what is kept. If that fails, each operation has to show whether its own rows can be written.
fn settle(conn: &Connection, kept: &mut Kept, is_io: &mut bool) -> Result<(), Halt> {
    kept.settle(conn).map_err(|failure| {
        *is_io |= failure.is_io();
        Halt::Again
    })
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
