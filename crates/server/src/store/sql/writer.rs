//! The one thread that writes, and the group commit.
//!
//! It takes what waits, runs it in one transaction, commits at once, and only then answers. There is no timer: while
//! one commit waits for the disk, the next group gathers.
//!
//! Operations that fail mostly do so before they have written anything, so a group is run without savepoints, which
//! would cost more than the operations. If one fails after it has written, the transaction is rolled back, and the
//! whole group is run again with a savepoint for each operation, so that this one is undone alone.

mod operation;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use cossistant_protocol::{Timestamp, UserType};
use tokio::sync::Notify;

use self::operation::Call;
pub(in crate::store) use self::operation::{Operation, Reach};
use super::error::{Failure, FaultKind};
use super::kept::{Kept, NewMessage};
use super::link::{Aimed, Document, Fate, Link, Sql, Step, Words};
use super::lookup::{NO_WEBSITE, Person};
use super::outbox::Hooks;
use super::rows::Thread;
use crate::slow;
use crate::store::{Conflict, PersonKey, StoreError, StoreFuture, search};
use crate::trace::{self, Attribute};

/// How many operations share a commit at most, so that the first of them does not wait for long.
const GROUP_MAX: usize = 256;

/// What the writer has done since the store was opened.
#[derive(Debug, Default)]
pub(in crate::store) struct Counters {
    pub(in crate::store) commits: AtomicU64,
    pub(in crate::store) operations: AtomicU64,
    pub(in crate::store) collisions: AtomicU64,
}

/// How often a group is run again that met the writes of others.
const COLLISIONS_MAX: u32 = 8;
/// How long to wait before a group is run again that met the writes of others, the first time; twice as long each time.
const COLLISION_PAUSE: Duration = Duration::from_millis(2);
/// For how long an operation is tried that has to wait for what another node holds, before it is given up.
const STALL_PATIENCE: Duration = Duration::from_secs(3);
/// How long to wait for something else to do before such operations are tried again.
const STALL_PAUSE: Duration = Duration::from_millis(20);
/// How many of them are tried again at most: there is to be room for others in each group.
const STALLED_MAX: usize = GROUP_MAX / 2;
/// What is said of one that is given up.
const STALLED: &str = "another node holds what this is to change";
/// For how long it is asked whether a commit stands that was not answered, before its writes are given up as unknown.
const UNANSWERED_PATIENCE: Duration = Duration::from_secs(60);
/// What is said of them then.
const UNKNOWN: &str = "whether a commit stands is not known; its writes are told to be unavailable";
/// How long to wait between two such questions.
const UNANSWERED_PAUSE: Duration = Duration::from_millis(100);

/// The transaction that an operation writes in.
pub(in crate::store) struct Write<'c> {
    pub(in crate::store) conn: &'c dyn Sql,
    /// Changes of the search index, applied once for the whole group: an index may write a segment whenever a savepoint
    /// is taken after a change.
    words: Vec<(Document, Words)>,
    /// Rows that are ahead of the database, or were read before.
    pub(in crate::store) kept: &'c mut Kept,
    /// Which webhooks are to be told.
    pub(in crate::store) hooks: &'c mut Hooks,
    undo: Undo,
}

impl Write<'_> {
    /// Indexes a document anew.
    pub(in crate::store) fn replace_words(&mut self, document: Document, words: String) {
        self.words.push((document, Words::Replace(words)));
    }

    /// Takes a document out of the index.
    pub(in crate::store) fn delete_words(&mut self, document: Document) {
        self.words.push((document, Words::Delete));
    }

    /// Writes a message, at the end of the group if that will do; an id that is taken is [`Conflict::Taken`] then, too.
    pub(in crate::store) fn insert_message(&mut self, message: NewMessage) -> Result<(), Failure> {
        if self.undo == Undo::All && self.conn.gathers() {
            self.kept.keep_message(message);
            return Ok(());
        }
        let inserted = self.conn.insert_messages(std::slice::from_ref(&message)).map_err(|failure| {
            // The key was looked up before and places are dense, so only the id can have been given twice.
            if failure.is_unique() { StoreError::Conflict(Conflict::Taken).into() } else { failure }
        })?;
        if let [row] = inserted[..] {
            self.words.push((Document::Message(row), Words::Insert(message.words)));
        }
        Ok(())
    }

    /// Writes a changed conversation's and its website's row, at the end of the group if that will do. It is the last
    /// thing that an operation does.
    pub(in crate::store) fn keep(&mut self, thread: Thread) -> Result<(), Failure> {
        match self.undo {
            Undo::All => self.kept.keep(thread),
            // What a savepoint is to undo must be in the database.
            Undo::Each => thread.save(self.conn)?,
        }
        Ok(())
    }

    /// The row of a person who has been resolved, as a conversation knows it.
    pub(in crate::store) fn person_row(
        &mut self,
        thread: &Thread,
        person: &PersonKey,
        at: Timestamp,
    ) -> Result<i64, Failure> {
        if person.kind == UserType::Visitor {
            return thread.person_row(self.conn, person, at);
        }
        let place = (thread.organization, NO_WEBSITE, person.kind, person.id.clone());
        if let Some(Some(known)) = self.kept.person(&place) {
            return Ok(known.id);
        }
        let row = thread.person_row(self.conn, person, at)?;
        self.kept.keep_person(place, Person { id: row, public_id: person.id.clone() });
        Ok(row)
    }
}

/// A text's words as the index keeps them: each behind its website and what it is of (`p` public, `n` note, `v` visitor).
pub(in crate::store) fn indexed(website: i64, of: char, text: &str) -> String {
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

/// The sending end of the writer's queue.
#[derive(Debug)]
pub(in crate::store) struct Writer {
    queue: Option<SyncSender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
    pub(in crate::store) counters: Arc<Counters>,
    /// Wakes whoever sends to webhooks.
    pub(in crate::store) outbox: Arc<Notify>,
}

impl Writer {
    /// Starts the thread on a link.
    pub(in crate::store) fn start(link: Box<dyn Link>, waiting_max: usize) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(waiting_max);
        let counters = Arc::new(Counters::default());
        let outbox = Arc::new(Notify::new());
        let mut thread = Worker {
            link,
            counters: Arc::clone(&counters),
            hooks: Hooks::default(),
            outbox: Arc::clone(&outbox),
            stalled: Vec::new(),
        };
        let handle =
            std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || thread.serve(&waiting))?;
        Ok(Self { queue: Some(queue), thread: Some(handle), counters, outbox })
    }

    /// A sending end for operations that follow upon something else. While it is there, the thread goes on.
    pub(in crate::store) fn handle(&self) -> Handle {
        Handle { queue: self.queue.clone() }
    }

    /// Queues an operation. Its place is taken now, not when the answer is first awaited. It may be run again after
    /// all that it wrote was rolled back.
    pub(in crate::store) fn call<T, F>(&self, mut run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.queue(Reach::Anything, (), move |write, ()| run(write))
    }

    /// The same for a request of which is known what it changes.
    pub(in crate::store) fn call_for<T, R>(
        &self,
        reach: Reach,
        request: R,
        run: fn(&mut Write<'_>, &R) -> Result<T, Failure>,
    ) -> StoreFuture<T>
    where
        T: Send + 'static,
        R: Aimed + Send + 'static,
    {
        self.queue(reach, request, run)
    }

    /// The same for an operation that has no numbers to give.
    pub(in crate::store) fn call_within<T, F>(&self, reach: Reach, mut run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.queue(reach, (), move |write, ()| run(write))
    }

    fn queue<T, R, F>(&self, reach: Reach, request: R, run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        R: Aimed + Send + 'static,
        F: FnMut(&mut Write<'_>, &R) -> Result<T, Failure> + Send + 'static,
    {
        send(self.queue.as_ref(), reach, request, run)
    }
}

fn send<T, R, F>(queue: Option<&SyncSender<Box<dyn Operation>>>, reach: Reach, request: R, run: F) -> StoreFuture<T>
where
    T: Send + 'static,
    R: Aimed + Send + 'static,
    F: FnMut(&mut Write<'_>, &R) -> Result<T, Failure> + Send + 'static,
{
    let (call, answer) = Call::new(reach, request, run);
    let queued = match queue {
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

/// See [`Writer::handle`].
pub(in crate::store) struct Handle {
    queue: Option<SyncSender<Box<dyn Operation>>>,
}

impl Handle {
    /// As [`Writer::call`].
    pub(in crate::store) fn call<T, F>(&self, mut run: F) -> StoreFuture<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Write<'_>) -> Result<T, Failure> + Send + 'static,
    {
        send(self.queue.as_ref(), Reach::Rows, (), move |write, ()| run(write))
    }
}

pub(in crate::store) fn refused<T: Send + 'static>(why: &'static str) -> StoreFuture<T> {
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

struct Worker {
    link: Box<dyn Link>,
    counters: Arc<Counters>,
    hooks: Hooks,
    outbox: Arc<Notify>,
    /// What has to wait for another node: it goes first in the next group.
    stalled: Vec<Box<dyn Operation>>,
}

impl Worker {
    /// The next group; `None` when there is and will be nothing more to do.
    fn gather(&mut self, waiting: &Receiver<Box<dyn Operation>>) -> Option<Vec<Box<dyn Operation>>> {
        let mut group = std::mem::take(&mut self.stalled);
        if group.is_empty() {
            group.reserve(GROUP_MAX);
            group.push(waiting.recv().ok()?);
        } else {
            match waiting.recv_timeout(STALL_PAUSE) {
                Ok(next) => group.push(next),
                Err(RecvTimeoutError::Timeout) => {}
                // Each of them is answered all the same, in the end.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(STALL_PAUSE),
            }
        }
        group.extend(waiting.try_iter().take(GROUP_MAX.saturating_sub(group.len())));
        Some(group)
    }

    fn serve(&mut self, waiting: &Receiver<Box<dyn Operation>>) {
        loop {
            let waits = self.stalled.is_empty();
            let Some(mut group) = self.gather(waiting) else { return };
            let started = Instant::now();
            let done = match self.commit(&mut group, waits) {
                Err(Halt::Failed(failure)) => self.ask_whether_it_stands(failure, waiting),
                done => done,
            };
            if group.is_empty() {
                continue;
            }
            let failed = done.err().map(Halt::into_error);
            let has_due = std::mem::take(&mut self.hooks.has_due);
            if failed.is_none() {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                if has_due {
                    self.outbox.notify_one();
                }
            }
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
                tracing::warn!(operations = group.len(), %error, "a commit failed");
            }
            self.counters.operations.fetch_add(group.len() as u64, Ordering::Relaxed);
            for operation in group {
                operation.answer(failed.as_ref());
            }
            self.link.after_commit();
        }
    }

    /// Runs a group in one transaction. On failure nothing of it is stored, unless the commit was not answered.
    ///
    /// Unless it waits, what others hold something of is taken out of the group and put off.
    fn commit(&mut self, group: &mut Vec<Box<dyn Operation>>, mut waits: bool) -> Result<(), Halt> {
        let (mut undo, mut pause, mut collisions) = (Undo::All, COLLISION_PAUSE, 0);
        loop {
            match self.attempt(group, undo, waits) {
                Err(Halt::Again) if undo == Undo::All => undo = Undo::Each,
                // Its other operations have waited long enough.
                Err(Halt::Stalled) if waits => waits = false,
                Err(Halt::Collided) if collisions < COLLISIONS_MAX => {
                    collisions += 1;
                    self.counters.collisions.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                done => return done,
            }
        }
    }

    fn attempt(&mut self, group: &mut Vec<Box<dyn Operation>>, undo: Undo, waits: bool) -> Result<(), Halt> {
        let mut is_lost = false;
        let done = {
            let conn = self.link.open()?;
            let locked = lock(conn, group, waits, &mut self.stalled);
            let done = locked.and_then(|kept| transact(conn, group, kept, undo, &mut self.hooks, &mut is_lost));
            if done.is_err() {
                // What was read within the transaction may have been undone with it.
                self.hooks.forget();
                self.hooks.has_due = false;
            }
            if let Err(Halt::Failed(failure)) = &done {
                is_lost |= failure.is_lost();
            }
            if done.is_err()
                && !is_lost
                && let Err(failure) = conn.step(Step::Rollback)
            {
                tracing::warn!(error = %StoreError::from(failure), "a rollback failed");
                is_lost = true;
            }
            done
        };
        if is_lost {
            self.link.give_up();
        }
        done
    }

    /// A commit that was not answered may stand: if so, all that waits for it is answered as if nothing had happened.
    /// What is queued meanwhile is refused, so that nobody waits for it.
    fn ask_whether_it_stands(&mut self, failure: Failure, waiting: &Receiver<Box<dyn Operation>>) -> Result<(), Halt> {
        let Some(FaultKind::Unanswered(transaction)) = failure.kind() else { return Err(failure.into()) };
        let deadline = Instant::now() + UNANSWERED_PATIENCE;
        loop {
            let error = match self.link.fate(transaction) {
                Ok(Fate::Stands) => return Ok(()),
                Ok(Fate::Undone) => return Err(failure.into()),
                Ok(Fate::Untold) => {
                    tracing::error!("{UNKNOWN}: it was sent to another database than is there now");
                    return Err(failure.into());
                }
                Err(error) => StoreError::from(error),
            };
            if Instant::now() >= deadline {
                tracing::error!(%error, "{UNKNOWN}");
                return Err(failure.into());
            }
            for operation in waiting.try_iter() {
                operation.answer(Some(&unavailable(error.clone())));
            }
            std::thread::sleep(UNANSWERED_PAUSE);
        }
    }
}

/// What is told of an error that all writes of a group share.
fn unavailable(error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(why) | StoreError::Corrupt(why) => StoreError::Unavailable(why),
        other @ (StoreError::NotFound
        | StoreError::Conflict(_)
        | StoreError::Forbidden(_)
        | StoreError::LimitExceeded(_)) => other,
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
#[derive(Debug)]
enum Halt {
    /// An operation failed and cannot be undone alone.
    Again,
    /// Others wrote at the same time.
    Collided,
    /// Others hold something for too long.
    Stalled,
    /// The database failed.
    Failed(Failure),
}

impl Halt {
    fn into_error(self) -> StoreError {
        match self {
            Self::Again => StoreError::Unavailable("the transaction was rolled back".to_owned()),
            Self::Collided => StoreError::Unavailable("others write the same all the time".to_owned()),
            Self::Stalled => StoreError::Unavailable(STALLED.to_owned()),
            Self::Failed(failure) => unavailable(failure.into()),
        }
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        match failure.kind() {
            Some(FaultKind::Collision) => Self::Collided,
            Some(FaultKind::Stalled) => Self::Stalled,
            _ => Self::Failed(failure),
        }
    }
}

/// Begins a transaction with what the group is going to change locked for it, and reads what it will ask for. If that is
/// not to wait, operations of which others hold something are put off, or answered when it has been so for long.
fn lock(
    conn: &dyn Sql,
    group: &mut Vec<Box<dyn Operation>>,
    waits: bool,
    stalled: &mut Vec<Box<dyn Operation>>,
) -> Result<Kept, Halt> {
    conn.step(Step::BeginWrite)?;
    let mut kept = Kept::default();
    let aims: Vec<_> = group.iter().map(|operation| operation.aim()).collect();
    let places = conn.prepare(&aims, &mut kept, waits)?;
    drop(aims);
    // From the last one on, so that those before keep their places; the order is that of the group in the end.
    let mut put_off: Vec<_> = places.iter().rev().map(|place| group.remove(*place)).collect();
    for mut operation in put_off.drain(..).rev() {
        if stalled.len() < STALLED_MAX && operation.stalled_since().elapsed() < STALL_PATIENCE {
            stalled.push(operation);
        } else {
            operation.answer(Some(&StoreError::Unavailable(STALLED.to_owned())));
        }
    }
    Ok(kept)
}

fn transact(
    conn: &dyn Sql,
    group: &mut [Box<dyn Operation>],
    mut kept: Kept,
    undo: Undo,
    hooks: &mut Hooks,
    is_lost: &mut bool,
) -> Result<(), Halt> {
    let mut words: BTreeMap<Document, Words> = BTreeMap::new();
    if conn.is_shared() {
        hooks.forget();
    }
    if let Some(known) = kept.hooks.take() {
        hooks.learn(known);
    }
    if undo == Undo::Each {
        // What a savepoint undoes would not be undone in here.
        kept = Kept::default();
    }
    for operation in group {
        let reach = operation.reach();
        if reach != Reach::Kept {
            settle(conn, &mut kept, is_lost)?;
        }
        if undo == Undo::Each {
            conn.step(Step::Savepoint)?;
        }
        let changes = conn.changes() + kept.added();
        let mut write = Write { conn, words: Vec::new(), kept: &mut kept, hooks: &mut *hooks, undo };
        let done = operation.run(&mut write);
        let changed = std::mem::take(&mut write.words);
        if reach == Reach::Anything {
            kept.forget();
        }
        let has_changed = conn.changes() + kept.added() != changes;
        match (done, undo) {
            (Ok(()), _) => {
                for (document, change) in changed {
                    merge(&mut words, document, change);
                }
            }
            (Err(Some(FaultKind::Collision)), _) => return Err(Halt::Collided),
            (Err(kind), Undo::All) => {
                *is_lost |= kind == Some(FaultKind::Lost);
                // The database may have given up the whole transaction, the earlier operations with it.
                if has_changed || conn.is_aborted() {
                    return Err(Halt::Again);
                }
            }
            (Err(kind), Undo::Each) => {
                *is_lost |= kind == Some(FaultKind::Lost);
                conn.step(Step::Undo)?;
                hooks.forget();
            }
        }
        if undo == Undo::Each {
            conn.step(Step::Release)?;
        }
    }
    settle(conn, &mut kept, is_lost)?;
    if !words.is_empty() {
        conn.index(words)?;
    }
    Ok(conn.step(Step::Commit)?)
}

/// Writes what is kept. If that fails, each operation has to show whether its own rows can be written.
fn settle(conn: &dyn Sql, kept: &mut Kept, is_lost: &mut bool) -> Result<(), Halt> {
    kept.settle(conn).map_err(|failure| match failure.kind() {
        Some(FaultKind::Collision) => Halt::Collided,
        _ => {
            *is_lost |= failure.is_lost();
            Halt::Again
        }
    })
}

/// What two changes of one document in one group come to.
fn merge(words: &mut BTreeMap<Document, Words>, document: Document, change: Words) {
    let is_new = matches!(words.get(&document), Some(Words::Insert(_)));
    match (is_new, change) {
        (true, Words::Replace(text)) => words.insert(document, Words::Insert(text)),
        (true, Words::Delete) => words.remove(&document),
        (_, change) => words.insert(document, change),
    };
}
