//! A connection as the store uses it.
//!
//! A statement is a journey to the database and back, so what can go together does: a transaction is begun along with
//! its first statements, and what a group of appends asks for and writes is asked for and written at once, with arrays in
//! place of values.
//!
//! Nothing is set for the session, all of it for the transaction: behind a pool that hands out connections by
//! transaction, the next one may be on another session.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error, SimpleQueryMessage, Statement};

use super::dialect::translate;
use super::error::lost;
use super::life::{EPOCH, Life, SIGNS};
use super::schema::TRANSFER_LOCK;
use super::target::Connection;
use super::{DatabaseError, bulk, search};
use crate::store::sql::error::{Failure, Fault, FaultKind};
use crate::store::sql::kept::{Kept, NewMessage};
use crate::store::sql::link::{Aim, Document, Each, EachOf, Row, Searched, Sql, Step, Words};
use crate::store::sql::rows::Thread;
use crate::store::sql::value::Value;
use crate::store::transfer::row::clean;
use crate::store::{Audience, Heads, SiteKey, StoreError};

/// How long a statement may take before the connection is given up; the database gives up earlier.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a transaction that writes begins. Behind the signs stands whether nobody moves the database as a whole, who would
/// miss what is written; until it ends nobody begins to.
static BEGIN_WRITE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SELECT {SIGNS}, pg_try_advisory_xact_lock_shared({TRANSFER_LOCK}), {SETTINGS}"
    )
});
/// What holds for each transaction that writes: what is acknowledged is on stable storage, of a replica too where the
/// operator says so; no statement that is made for an index may become a walk through a table because a plan was made
/// while it was small; nobody holds a lock who went away; and a lock is waited for a little longer than the database
/// takes to notice that two wait for each other.
const SETTINGS: &str = "set_config('lock_timeout', '2s', true), set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'remote_apply' \
        THEN 'remote_apply' ELSE 'on' END, true), \
    set_config('enable_seqscan', 'off', true), set_config('statement_timeout', '15s', true), \
    set_config('idle_in_transaction_session_timeout', '15s', true)";
/// What holds for each transaction that reads.
static BEGIN_READ: LazyLock<String> = LazyLock::new(|| begin_read(SIGNS));
/// The same, soon after all signs were looked at: those beside the epoch cost more than many a read.
static BEGIN_NEXT_READ: LazyLock<String> = LazyLock::new(|| begin_read(&format!("{EPOCH}, NULL")));
/// For how long only the epoch is looked at.
const SIGNS_HOLD: Duration = Duration::from_secs(1);

fn begin_read(signs: &str) -> String {
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {signs}, true, set_config('enable_seqscan', 'off', true), \
         set_config('statement_timeout', '15s', true), set_config('idle_in_transaction_session_timeout', '15s', true)"
    )
}

/// A parameter with its type.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a statement is known by: where its text stands, and whether it is to answer a new row's id.
type Key = (usize, usize, bool);

fn key(sql: &'static str, is_insert: bool) -> Key {
    (sql.as_ptr() as usize, sql.len(), is_insert)
}

/// What is known of a statement: the text as Postgres takes it, and the statement once it was prepared.
#[derive(Clone)]
pub(super) struct Known {
    text: Arc<str>,
    statement: Option<Statement>,
}

/// A connection.
pub(super) struct Session {
    /// In the order in which they are dropped.
    client: Connection,
    runtime: Closing,
    life: Arc<Life>,
    is_prepared: bool,
    known: RefCell<HashMap<Key, Known>>,
    /// The beginning of a transaction, which goes with its first statement.
    pending: Cell<Option<&'static str>>,
    /// Whether a transaction was begun and not ended, be it only to be rolled back.
    is_open: Cell<bool>,
    is_aborted: Cell<bool>,
    /// When all signs of the database's life were looked at last.
    checked_at: Cell<Option<Instant>>,
    changes: Cell<u64>,
    /// How often it was waited for the database.
    journeys: Cell<u64>,
    /// The row of this node among the writers, and the number of its last transaction.
    node: i64,
    number: Cell<u64>,
}

/// The runtime of a connection, on which it is closed once it was dropped: until then the database keeps what its
/// transaction has locked.
struct Closing(Arc<Runtime>);

impl Drop for Closing {
    fn drop(&mut self) {
        run_what_is_ready(&self.0);
    }
}

/// A connection's task runs only while something waits on this thread: it is to be woken by what the socket has, to run,
/// and to end.
fn run_what_is_ready(runtime: &Runtime) {
    runtime.block_on(async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    });
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        runtime: Arc<Runtime>,
        client: Connection,
        life: Arc<Life>,
        is_prepared: bool,
        node: i64,
        number: u64,
    ) -> Self {
        Self {
            client,
            runtime: Closing(runtime),
            life,
            is_prepared,
            known: RefCell::default(),
            pending: Cell::new(None),
            is_open: Cell::new(false),
            is_aborted: Cell::new(true),
            checked_at: Cell::new(None),
            changes: Cell::new(0),
            journeys: Cell::new(0),
            node,
            number: Cell::new(number),
        }
    }

    /// How often it was waited for the database.
    #[cfg(test)]
    pub(super) const fn journeys(&self) -> u64 {
        self.journeys.get()
    }

    /// Whether there is a transaction to be ended.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// Whether the other half is still there, as far as it was heard of.
    pub(super) fn is_closed(&self) -> bool {
        run_what_is_ready(&self.runtime.0);
        self.client.is_closed()
    }

    fn known(&self, sql: &'static str, is_insert: bool) -> Known {
        let mut known = self.known.borrow_mut();
        let known = known.entry(key(sql, is_insert)).or_insert_with(|| {
            let text = translate(sql);
            let text = if is_insert { format!("{text} RETURNING id") } else { text };
            Known { text: text.into(), statement: None }
        });
        known.clone()
    }

    /// Has a statement prepared, if statements are.
    pub(super) async fn make_ready(
        &self,
        sql: &'static str,
        is_insert: bool,
        params: &[Param<'_>],
    ) -> Result<Known, Error> {
        let mut known = self.known(sql, is_insert);
        if self.is_prepared && known.statement.is_none() {
            let types: Vec<Type> = params.iter().map(|(_, of)| of.clone()).collect();
            known.statement = Some(self.client.prepare_typed(&known.text, &types).await?);
            self.known.borrow_mut().insert(key(sql, is_insert), known.clone());
        }
        Ok(known)
    }

    /// Runs a statement and answers its rows, and how many were changed.
    pub(super) async fn run(
        &self,
        sql: &'static str,
        is_insert: bool,
        params: &[Param<'_>],
    ) -> Result<(Vec<tokio_postgres::Row>, u64), Error> {
        let Known { text, statement } = self.make_ready(sql, is_insert, params).await?;
        let stream = match statement {
            Some(statement) => self.client.query_raw(&statement, params.iter().map(|(value, _)| *value)).await?,
            None => self.client.query_typed_raw(&text, params.iter().map(|(value, of)| (*value, of.clone()))).await?,
        };
        let mut stream = std::pin::pin!(stream);
        let mut rows = Vec::new();
        while let Some(row) = stream.next().await {
            rows.push(row?);
        }
        Ok((rows, stream.rows_affected().unwrap_or(0)))
    }

    /// Waits for what is asked of the database, along with the beginning of the transaction if that was not sent yet.
    pub(super) fn wait<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.journeys.set(self.journeys.get() + 1);
        let begin = self.pending.take();
        self.is_open.set(self.is_open.get() || begin.is_some());
        let both = async {
            match begin {
                None => (None, asked.await),
                Some(sql) => {
                    // In this order.
                    let (begun, answer) = tokio::join!(biased; self.client.simple_query(sql), asked);
                    (Some(begun), answer)
                }
            }
        };
        let waited = self.runtime.0.block_on(async { tokio::time::timeout(PATIENCE, both).await });
        let done = match waited {
            Err(_) => Err(lost("the database does not answer".to_owned())),
            Ok((begun, answer)) => begun.map_or(Ok(()), |begun| self.check(&begun?)).and_then(|()| Ok(answer?)),
        };
        if done.is_err() {
            self.is_aborted.set(true);
        }
        done
    }

    /// Whether what a transaction was told at its beginning is of the life that this store was opened in.
    fn check(&self, begun: &[SimpleQueryMessage]) -> Result<(), Failure> {
        let row = begun.iter().find_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some(row)
        });
        let row = row.ok_or_else(|| lost("a transaction was not begun".to_owned()))?;
        let checked = match row.get(1) {
            None => self.life.check_epoch(row.get(0)),
            place => {
                self.checked_at.set(Some(Instant::now()));
                self.life.check(row.get(0), place)
            }
        };
        checked.map_err(|why| lost(why.to_owned()))?;
        if row.get(2) == Some("f") {
            return Err(lost(DatabaseError::InTransfer.to_string()));
        }
        Ok(())
    }

    /// Takes a step that is answered before anything else is asked.
    fn say(&self, sql: &str) -> Result<(), Failure> {
        let said = async { self.client.simple_query(sql).await.map(drop) };
        self.wait(said)
    }

    fn ask(
        &self,
        sql: &'static str,
        is_insert: bool,
        params: &[Value<'_>],
    ) -> Result<(Vec<tokio_postgres::Row>, u64), Failure> {
        let (rows, changed) = self.wait(self.run(sql, is_insert, &with_types(params)))?;
        self.changes.set(self.changes.get() + changed);
        Ok((rows, changed))
    }

    /// Begins a transaction along with its first statement.
    fn begin(&self, sql: &'static str) {
        self.pending.set(Some(sql));
        self.is_aborted.set(false);
    }

    fn commit(&self) -> Result<(), Failure> {
        if self.pending.take().is_some() {
            // Nothing was asked.
            self.is_aborted.set(true);
            return Ok(());
        }
        if self.is_aborted.get() {
            let told = StoreError::Unavailable("the transaction had ended".to_owned());
            return Err(Failure::Database(Fault { told, kind: FaultKind::Other }));
        }
        let number = self.number.get() + 1;
        let (node, before) = (self.node, self.number.get());
        // Divides by zero, so that nothing is committed, if somebody has asked meanwhile whether it was.
        let sql = format!(
            "WITH own AS (UPDATE writers SET last = {number}, at = now() WHERE id = {node} AND last = {before} \
             RETURNING 1) SELECT 1 / count(*) FROM own; COMMIT"
        );
        let done = self.say(&sql);
        self.is_aborted.set(true);
        match done {
            Ok(()) => {
                self.is_open.set(false);
                self.number.set(number);
                Ok(())
            }
            Err(Failure::Database(Fault { told, kind: FaultKind::Lost })) => {
                Err(Failure::Database(Fault { told, kind: FaultKind::Unanswered(number) }))
            }
            // The number is not the one before this, so the connection has to begin anew with what is there.
            Err(failure) => Err(lost(StoreError::from(failure).to_string())),
        }
    }

    fn add_changes(&self, count: usize) {
        self.changes.set(self.changes.get() + count as u64);
    }
}

fn with_types<'v>(values: &'v [Value<'_>]) -> Vec<Param<'v>> {
    values.iter().map(|value| (value as &(dyn ToSql + Sync), of(value))).collect()
}

/// The type of a parameter.
const fn of(value: &Value<'_>) -> Type {
    match value {
        Value::Int(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Blob(_) => Type::BYTEA,
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, _of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(Some(value)) => value.to_sql(&Type::INT8, out),
            Self::Text(Some(text)) => clean(text).as_ref().to_sql(&Type::TEXT, out),
            Self::Blob(bytes) => bytes.to_sql(&Type::BYTEA, out),
            Self::Int(None) | Self::Text(None) => Ok(IsNull::Yes),
        }
    }

    fn accepts(_of: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Row for tokio_postgres::Row {
    fn int(&self, index: usize) -> Result<Option<i64>, Failure> {
        let column = self.columns().get(index).map(|column| column.type_().clone());
        Ok(match column {
            Some(Type::INT2) => self.try_get::<_, Option<i16>>(index)?.map(i64::from),
            Some(Type::INT4) => self.try_get::<_, Option<i32>>(index)?.map(i64::from),
            _ => self.try_get(index)?,
        })
    }

    fn text(&self, index: usize) -> Result<Option<&str>, Failure> {
        self.try_get(index).map_err(|error| {
            // The database looks at texts when they are written, and at what a disk has made of them never again.
            match std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<std::str::Utf8Error>()) {
                Some(cause) => StoreError::Corrupt(format!("column {index} of a row: {cause}")).into(),
                None => error.into(),
            }
        })
    }

    fn blob(&self, index: usize) -> Result<Option<&[u8]>, Failure> {
        Ok(self.try_get(index)?)
    }
}

impl Sql for Session {
    fn query(&self, sql: &'static str, params: &[Value<'_>], each: Each<'_>) -> Result<(), Failure> {
        let (rows, _) = self.ask(sql, false, params)?;
        for row in &rows {
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn query_each(&self, sql: &'static str, sets: &[Vec<Value<'_>>], each: EachOf<'_>) -> Result<(), Failure> {
        let sets: Vec<Vec<Param<'_>>> = sets.iter().map(|values| with_types(values)).collect();
        let Some(first) = sets.first() else { return Ok(()) };
        let answers = self.wait(async {
            self.make_ready(sql, false, first).await?;
            try_join_all(sets.iter().map(|params| self.run(sql, false, params))).await
        })?;
        for (place, (rows, _)) in answers.iter().enumerate() {
            rows.iter().try_for_each(|row| each(place, row))?;
        }
        Ok(())
    }

    fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<usize, Failure> {
        let (_, changed) = self.ask(sql, false, params)?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    fn insert(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Option<i64>, Failure> {
        let (rows, _) = self.ask(sql, true, params)?;
        rows.first().map(|row| crate::store::sql::rows::id(row, 0)).transpose()
    }

    fn step(&self, step: Step) -> Result<(), Failure> {
        match step {
            Step::BeginWrite => {
                self.begin(&BEGIN_WRITE);
                Ok(())
            }
            Step::BeginRead => {
                let is_checked = self.checked_at.get().is_some_and(|at| at.elapsed() < SIGNS_HOLD);
                self.begin(if is_checked { &BEGIN_NEXT_READ } else { &BEGIN_READ });
                Ok(())
            }
            Step::Commit => self.commit(),
            Step::Rollback => {
                if self.pending.take().is_some() {
                    return Ok(());
                }
                self.say("ROLLBACK")?;
                self.is_aborted.set(true);
                self.is_open.set(false);
                Ok(())
            }
            Step::Savepoint => self.say("SAVEPOINT operation"),
            Step::Undo => {
                self.say("ROLLBACK TO SAVEPOINT operation")?;
                self.is_aborted.set(false);
                Ok(())
            }
            Step::Release => self.say("RELEASE SAVEPOINT operation"),
        }
    }

    fn is_aborted(&self) -> bool {
        self.is_aborted.get()
    }

    fn changes(&self) -> u64 {
        self.changes.get()
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn node(&self) -> i64 {
        self.node
    }

    fn prepare(&self, aims: &[Aim<'_>], kept: &mut Kept, waits: bool) -> Result<Vec<usize>, Failure> {
        bulk::prepare(self, aims, kept, waits)
    }

    fn lock_organization(&self, id: i64) -> Result<(), Failure> {
        self.ask("SELECT id FROM organizations WHERE id = ?1 FOR NO KEY UPDATE", false, &[Value::Int(Some(id))])?;
        Ok(())
    }

    fn gathers(&self) -> bool {
        true
    }

    fn insert_messages(&self, messages: &[NewMessage]) -> Result<Vec<i64>, Failure> {
        bulk::insert_messages(self, messages)?;
        self.add_changes(messages.len());
        // Their words are in their rows.
        Ok(Vec::new())
    }

    fn update_threads(&self, threads: &[&Thread]) -> Result<(), Failure> {
        bulk::update_threads(self, threads)?;
        self.add_changes(threads.len());
        Ok(())
    }

    fn update_heads(&self, heads: &[(i64, u64)]) -> Result<(), Failure> {
        bulk::update_heads(self, heads)?;
        self.add_changes(heads.len());
        Ok(())
    }

    fn heads(&self, known: Vec<(SiteKey, u64)>) -> Result<Heads, Failure> {
        bulk::heads(self, &known)
    }

    fn raise_setup(&self) -> Result<(), Failure> {
        self.ask(bulk::RAISE_SETUP, false, &[])?;
        Ok(())
    }

    fn index(&self, documents: BTreeMap<Document, Words>) -> Result<(), Failure> {
        search::index(self, documents)
    }

    fn unindexes_deleted(&self) -> bool {
        true
    }

    fn search(&self, searched: Searched, sites: &[i64], word: &str, found: &mut dyn FnMut(i64)) -> Result<(), Failure> {
        let (sql, of): (_, &[char]) = match searched {
            Searched::Messages(Audience::Team) => (search::MESSAGES, &['p', 'n']),
            Searched::Messages(Audience::Visitor) => (search::MESSAGES, &['p']),
            Searched::Visitors => (search::VISITORS, &['v']),
        };
        let expression = search::expression(sites, of, word);
        self.query(sql, &[Value::Text(Some(&expression))], &mut |row| {
            found(crate::store::sql::rows::id(row, 0)?);
            Ok(ControlFlow::Continue(()))
        })
    }

    fn claim(&self, deliveries: &[i64], now: i64, lease_ms: i64) -> Result<Vec<i64>, Failure> {
        bulk::claim(self, deliveries, now, lease_ms)
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Reads one column of integers.
pub(super) fn ids(rows: &[tokio_postgres::Row]) -> Result<Vec<i64>, Failure> {
    rows.iter().map(|row| crate::store::sql::rows::id(row, 0)).collect()
}
