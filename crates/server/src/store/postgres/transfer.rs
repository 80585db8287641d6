//! A database as one end of a transfer.
//!
//! Two connections: one holds a lock in a transaction that lasts as long as the transfer, the other one works. Nothing is
//! set for a session, so a pool may stand between.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Transaction};

use super::error::words;
use super::life::SIGNS;
use super::schema::{self, Found, TRANSFER_LOCK};
use super::target::{APPLICATION, Connection, Target as Address};
use super::{DataKind, DatabaseError, runtime};
use crate::store::TransferError;
use crate::store::transfer::row::Cell;
use crate::store::transfer::side::{Batch, IndexSize, Life, MARK, Side, Source, Target, note_key};
use crate::store::transfer::tables::{Indexed, Numbering, Of, TABLES, Table, join};

/// What a transfer is called among the connections of a database; no server is called so.
const OWN_NAME: &str = "cossistant-migrate";
/// Within this time a server that runs shows itself: it looks once a second, and a pool may keep the connections of one
/// that has ended.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// How long it is waited for the signs of a server to go that has just been stopped.
const STOPPED_PATIENCE: Duration = Duration::from_secs(6);
const LOOK_PAUSE: Duration = Duration::from_millis(300);
/// How long it may take to let go of a database; it does by itself once it notices that the connection is gone.
const LET_GO_PATIENCE: Duration = Duration::from_secs(2);

/// People refer to each other in no order, so what checks that is put back in the end.
const ALIASES: &str = "people_alias_of_fkey";
const ALIASES_REFER: &str = "FOREIGN KEY (alias_of) REFERENCES people (id)";

/// What holds for each transaction that is held: it may rest and take its time, and the database notices within half a
/// minute that this machine is gone, instead of after hours.
const PATIENT: &str = "set_config('statement_timeout', '0', true), \
    set_config('idle_in_transaction_session_timeout', '0', true), set_config('tcp_keepalives_idle', '10', true), \
    set_config('tcp_keepalives_interval', '5', true), set_config('tcp_keepalives_count', '3', true), \
    set_config('tcp_user_timeout', '25s', true)";
/// Rows are read in the order of their keys, and counted without any index: then one that is damaged shows.
const BY_KEY: &str = "set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true), \
    set_config('enable_indexonlyscan', 'on', true), set_config('enable_bitmapscan', 'on', true)";
const BY_ROW: &str = "set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true), \
    set_config('enable_indexonlyscan', 'off', true), set_config('enable_bitmapscan', 'off', true)";

/// What holds for a transaction that fills the target: a crash of the database takes the notes with the rows, so
/// commits wait for no disk until the source is left.
const FILLING: &str = "SELECT set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '5s', true)";
/// And for the others.
const FINISHING: &str = "SELECT set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = \
    'remote_apply' THEN 'remote_apply' ELSE 'on' END, true), set_config('lock_timeout', '5s', true)";

/// A database, held.
struct Held {
    place: String,
    // In the order in which they are dropped.
    client: Connection,
    guard: Connection,
    runtime: Runtime,
}

impl Held {
    /// Connects, and keeps servers and other transfers away from then on.
    fn take(url: &str) -> Result<Self, TransferError> {
        let address = Address::parse(url)?.called(OWN_NAME);
        let place = format!("the database {} at {}", address.database(), address.place);
        let runtime = runtime()?;
        let (client, guard) = runtime.block_on(async {
            let guard = address.connect().await?;
            Ok::<_, DatabaseError>((address.connect().await?, guard))
        })?;
        let held = Self { place, client, guard, runtime };
        // Before the lock, so that a server that runs is not hindered; and behind it, for one that started just then.
        held.be_alone()?;
        held.lock()?;
        held.be_alone()?;
        Ok(held)
    }

    fn lock(&self) -> Result<(), TransferError> {
        let until = Instant::now() + STOPPED_PATIENCE;
        self.wait(self.guard.batch_execute(&format!("BEGIN; SELECT {PATIENT}")))?;
        let ask = format!("SELECT pg_try_advisory_xact_lock({TRANSFER_LOCK}), pg_backend_pid()");
        // On the other connection, since what is told of others within a transaction is of one moment. A transfer that was
        // killed may still be about its last statement.
        let others = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{OWN_NAME}' \
             AND state IS DISTINCT FROM 'idle' AND pid NOT IN ($1, pg_backend_pid())"
        );
        loop {
            let asked = self.wait(self.guard.query_typed_one(&ask, &[]))?;
            let (is_mine, guard): (bool, i32) = (asked.get(0), asked.get(1));
            let others: i64 = self.wait(self.client.query_typed_one(&others, &[(&guard, Type::INT4)]))?.get(0);
            let place = self.place.clone();
            match (is_mine, others) {
                (true, 0) => return Ok(()),
                _ if Instant::now() < until => std::thread::sleep(LOOK_PAUSE),
                (_, 0) => return Err(TransferError::InUse { place, who: "it writes all the time".to_owned() }),
                _ => return Err(TransferError::AnotherRuns { place }),
            }
        }
    }

    /// Refuses a database that a server uses. What one that is not seen writes all the same is refused by the lock.
    fn be_alone(&self) -> Result<(), TransferError> {
        let seconds = SIGN_OF_LIFE.as_secs();
        let connected = format!(
            "SELECT count(*), coalesce(min(host(client_addr)), 'this machine') FROM pg_stat_activity \
             WHERE datname = current_database() \
             AND (application_name = '{APPLICATION}' OR application_name LIKE '{APPLICATION} %') \
             AND (state IS NULL OR state <> 'idle' OR state_change > clock_timestamp() - interval '{seconds} s')"
        );
        let wrote = format!("SELECT count(*) FROM writers WHERE at > clock_timestamp() - interval '{seconds} s'");
        let until = Instant::now() + STOPPED_PATIENCE;
        loop {
            let row = self.wait(self.client.query_typed_one(&connected, &[]))?;
            let (connections, from): (i64, String) = (row.get(0), row.get(1));
            let has_writers =
                self.wait(self.client.query_typed_one("SELECT to_regclass('writers') IS NOT NULL", &[]))?;
            let wrote: i64 = match has_writers.get(0) {
                true => self.wait(self.client.query_typed_one(&wrote, &[]))?.get(0),
                false => 0,
            };
            let who = match (connections, wrote) {
                (0, 0) => return Ok(()),
                (0, _) => "it has just written".to_owned(),
                _ => format!("{connections} connections from {from}"),
            };
            if Instant::now() > until {
                return Err(TransferError::InUse { place: self.place.clone(), who });
            }
            std::thread::sleep(LOOK_PAUSE);
        }
    }

    fn failed(&self, error: &Error) -> TransferError {
        let (place, reason) = (self.place.clone(), words(error));
        TransferError::Failed { place, reason }
    }

    fn wait<T>(&self, asked: impl Future<Output = Result<T, Error>>) -> Result<T, TransferError> {
        self.runtime.block_on(asked).map_err(|error| self.failed(&error))
    }

    fn hold(&self) -> Result<(), TransferError> {
        self.wait(self.guard.batch_execute("SELECT 1"))
    }

    /// Does something in one transaction.
    fn within<T>(
        &mut self,
        settings: &str,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, TransferError> {
        let Self { place, client, runtime, .. } = self;
        let client: &mut Client = client;
        let done = runtime.block_on(async {
            let transaction = client.transaction().await?;
            transaction.batch_execute(&format!("{settings}, {PATIENT}")).await?;
            let done = work(&transaction).await?;
            transaction.commit().await?;
            Ok(done)
        });
        done.map_err(|error| {
            if let DatabaseError::Database(reason) = error {
                TransferError::Failed { place: place.clone(), reason }
            } else {
                error.into()
            }
        })
    }

    fn look(&mut self) -> Result<Option<Found>, TransferError> {
        Ok(self.runtime.block_on(async {
            let transaction = self.client.build_transaction().read_only(true).start().await?;
            schema::look(&transaction).await
        })?)
    }

    fn read(
        &self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        let after = after.unwrap_or_default();
        let columns = join(table.columns, |(name, of)| match of {
            // Small ones too.
            Of::Int => format!("CAST(t.{name} AS bigint)"),
            Of::Text | Of::Blob => format!("t.{name}"),
        });
        let behind = if after.is_empty() {
            String::new()
        } else {
            let marks = (1..=after.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
            format!("WHERE ({}) > ({marks})", table.key_names("t."))
        };
        let sql =
            format!("SELECT {columns} FROM {} t {behind} ORDER BY {} LIMIT {limit}", table.name, table.key_names("t."));
        let params: Vec<(&(dyn ToSql + Sync), Type)> = after.iter().map(param).collect();
        let rows = self.wait(self.client.query_typed(&sql, &params))?;
        rows.iter().map(|row| cells(table, row).map_err(|error| self.failed(&error))).collect()
    }

    fn number(&self, sql: &str) -> Result<Option<i64>, TransferError> {
        let row = self.wait(self.client.query_typed_one(sql, &[]))?;
        row.try_get(0).map_err(|error| self.failed(&error))
    }

    fn count(&self, table: &Table) -> Result<u64, TransferError> {
        let count = self.number(&format!("SELECT count(*) FROM {}", table.name))?.unwrap_or_default();
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn last_number(&self, table: &Table) -> Result<i64, TransferError> {
        if table.numbering == Numbering::None {
            return Ok(0);
        }
        let name = table.name;
        let sql = format!(
            "SELECT greatest((SELECT max(id) FROM {name}), pg_sequence_last_value(pg_get_serial_sequence('{name}', 'id')))"
        );
        Ok(self.number(&sql)?.unwrap_or_default())
    }
}

impl Drop for Held {
    /// Lets go of the database before anybody is told that it is done: a server that starts then is not refused.
    fn drop(&mut self) {
        let let_go = async { tokio::time::timeout(LET_GO_PATIENCE, self.guard.batch_execute("ROLLBACK")).await };
        if !matches!(self.runtime.block_on(let_go), Ok(Ok(()))) {
            tracing::debug!("the database was not let go of in order");
        }
    }
}

/// A value of a key as a parameter.
fn param(cell: &Cell) -> (&(dyn ToSql + Sync), Type) {
    match cell {
        Cell::Int(value) => (value, Type::INT8),
        Cell::Text(text) => (text, Type::TEXT),
        Cell::Blob(bytes) => (bytes, Type::BYTEA),
        Cell::Null => (&None::<i64>, Type::INT8),
    }
}

fn cells(table: &Table, row: &Row) -> Result<Vec<Cell>, Error> {
    let cell = |(index, (_, of)): (usize, &(&str, Of))| {
        Ok(match of {
            Of::Int => row.try_get::<_, Option<i64>>(index)?.map(Cell::Int),
            Of::Text => row.try_get::<_, Option<String>>(index)?.map(Cell::Text),
            Of::Blob => row.try_get::<_, Option<Vec<u8>>>(index)?.map(Cell::Blob),
        }
        .unwrap_or(Cell::Null))
    };
    table.columns.iter().enumerate().map(cell).collect()
}

/// A database whose store is moved. All of it is read at one moment.
pub(in crate::store) struct TransferSource {
    held: Held,
    life: Life,
}

impl TransferSource {
    /// Connects, keeps servers away, and looks at the store.
    pub(in crate::store) fn open(url: &str) -> Result<Self, TransferError> {
        let mut held = Held::take(url)?;
        let place = held.place.clone();
        let Some(found) = held.look()? else { return Err(TransferError::NothingThere { place }) };
        if found.is_unfinished {
            return Err(DatabaseError::Unfinished.into());
        }
        if found.version < schema::VERSION {
            return Err(TransferError::OlderVersion { place, found: found.version, known: schema::VERSION });
        }
        held.runtime.block_on(schema::check_server(&held.client, found.kind))?;
        // Begun behind the lock, so that what was written before is seen.
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT {PATIENT}; SELECT {BY_KEY}");
        held.wait(held.client.batch_execute(&begin))?;
        let signs = format!("SELECT {SIGNS}, (SELECT value FROM meta WHERE key = 'lived_on')");
        let row = held.wait(held.client.query_typed_one(&signs, &[]))?;
        let (epoch, here, lived_on): (Option<String>, String, Option<String>) = (row.get(0), row.get(1), row.get(2));
        // A server that starts would begin another life.
        let epoch = epoch.filter(|_| lived_on == Some(here)).ok_or(TransferError::OtherLife { place })?;
        Ok(Self { held, life: Life { epoch, kind: found.kind } })
    }
}

impl Side for TransferSource {
    fn place(&self) -> &str {
        &self.held.place
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        self.held.hold()
    }

    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        self.held.read(table, after, limit)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        self.held.wait(self.held.client.batch_execute(&format!("SELECT {BY_ROW}")))?;
        let count = self.held.count(table)?;
        self.held.wait(self.held.client.batch_execute(&format!("SELECT {BY_KEY}")))?;
        Ok(count)
    }

    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError> {
        self.held.last_number(table)
    }
}

impl Source for TransferSource {
    fn life(&self) -> &Life {
        &self.life
    }

    fn leave(&mut self, epoch: &str) -> Result<(), TransferError> {
        self.held.wait(self.held.client.batch_execute("COMMIT"))?;
        let before = &self.life.epoch;
        let renewed = self.held.within(FINISHING, async |transaction| {
            let renew = "UPDATE meta SET value = $2 WHERE key = 'epoch' AND value = $1";
            let epochs: [(&(dyn ToSql + Sync), Type); 2] = [(before, Type::TEXT), (&epoch, Type::TEXT)];
            Ok(transaction.execute_typed(renew, &epochs).await?)
        })?;
        if renewed == 1 {
            return Ok(());
        }
        let reason = "its epoch is not the one any more that was read".to_owned();
        Err(TransferError::Failed { place: self.held.place.clone(), reason })
    }
}

/// A database that is filled.
pub(in crate::store) struct TransferTarget {
    held: Held,
    kind: DataKind,
}

impl TransferTarget {
    /// Connects and keeps servers away.
    pub(in crate::store) fn open(url: &str, kind: DataKind) -> Result<Self, TransferError> {
        let held = Held::take(url)?;
        held.runtime.block_on(schema::check_server(&held.client, kind))?;
        let mut target = Self { held, kind };
        if let Some(found) = target.held.look()?
            && found.kind != kind
        {
            return Err(DatabaseError::WrongKind { found: found.kind, wanted: kind }.into());
        }
        Ok(target)
    }
}

impl Side for TransferTarget {
    fn place(&self) -> &str {
        &self.held.place
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        self.held.hold()
    }

    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        self.held.read(table, after, limit)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        self.held.count(table)
    }

    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError> {
        self.held.last_number(table)
    }
}

impl Target for TransferTarget {
    fn note(&mut self, key: &str) -> Result<Option<String>, TransferError> {
        if self.held.look()?.is_none() {
            return Ok(None);
        }
        let params: [(&(dyn ToSql + Sync), Type); 1] = [(&key, Type::TEXT)];
        let row = self.held.wait(self.held.client.query_typed_opt("SELECT value FROM meta WHERE key = $1", &params))?;
        row.map(|row| row.try_get(0).map_err(|error| self.held.failed(&error))).transpose()
    }

    fn content(&mut self) -> Result<Option<String>, TransferError> {
        match self.held.look()? {
            None => return Ok(None),
            Some(found) if found.version < schema::VERSION => {
                return Ok(Some(format!("tables of version {}", found.version)));
            }
            Some(_) => {}
        }
        for table in TABLES {
            let rows = self.held.count(table)?;
            if rows > 0 {
                return Ok(Some(format!("it has {rows} rows in {}", table.name)));
            }
        }
        Ok(None)
    }

    fn begin(&mut self, life: &Life, mark: &str) -> Result<(), TransferError> {
        let kind = self.kind;
        self.held.within(FINISHING, async |transaction| {
            schema::lock(transaction).await?;
            let found = schema::check(transaction, kind).await?;
            schema::make(transaction, kind, found).await?;
            transaction.batch_execute(&format!("ALTER TABLE people DROP CONSTRAINT IF EXISTS {ALIASES}")).await?;
            schema::put_meta(transaction, "epoch", &life.epoch).await?;
            schema::put_meta(transaction, MARK, mark).await
        })
    }

    fn start_over(&mut self, life: &Life, mark: &str) -> Result<(), TransferError> {
        let kind = self.kind;
        self.held.within(FINISHING, async |transaction| {
            schema::lock(transaction).await?;
            // Another version of the program may have begun it.
            let found = schema::look(transaction).await?;
            schema::make(transaction, kind, found.map(|found| found.version)).await?;
            let all = join(TABLES, |table| table.name.to_owned());
            transaction.batch_execute(&format!("TRUNCATE {all} RESTART IDENTITY")).await?;
            transaction.batch_execute(&forget_notes()).await?;
            schema::put_meta(transaction, "epoch", &life.epoch).await?;
            schema::put_meta(transaction, MARK, mark).await
        })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), TransferError> {
        let key = note_key(batch.table);
        let noted = self.held.within(FILLING, async |transaction| {
            insert(transaction, batch).await?;
            let key_and_note: [(&(dyn ToSql + Sync), Type); 2] = [(&key, Type::TEXT), (&batch.note, Type::TEXT)];
            let [key, note] = key_and_note;
            let count = match &batch.noted {
                None => transaction.execute_typed("INSERT INTO meta (key, value) VALUES ($1, $2)", &[key, note]).await,
                Some(noted) => {
                    let update = "UPDATE meta SET value = $2 WHERE key = $1 AND value = $3";
                    transaction.execute_typed(update, &[key, note, (noted, Type::TEXT)]).await
                }
            }?;
            // Another one was here meanwhile: then nothing of this is committed.
            if count == 1 { Ok(()) } else { Err(DatabaseError::InTransfer) }
        });
        noted.map_err(|error| {
            if matches!(error, TransferError::Database(DatabaseError::InTransfer)) {
                let reason = format!("{} has come further than was known", batch.table.name);
                TransferError::TargetChanged { place: self.held.place.clone(), reason }
            } else {
                error
            }
        })
    }

    fn index_size(&mut self) -> Result<IndexSize, TransferError> {
        let mut size = IndexSize::default();
        for table in TABLES.iter().filter(|table| table.indexed != Indexed::Nothing) {
            let sql = format!(
                "SELECT count(*), coalesce(sum(length(words)), 0)::bigint FROM {} WHERE length(words) > 0",
                table.name
            );
            let row = self.held.wait(self.held.client.query_typed_one(&sql, &[]))?;
            let number = |index| u64::try_from(row.get::<_, i64>(index)).unwrap_or_default();
            size.documents += number(0);
            size.words += number(1);
        }
        Ok(size)
    }

    fn secure(&mut self) -> Result<(), TransferError> {
        // A commit that waits for the disk takes with it all that came before.
        let touch = format!("UPDATE meta SET value = value WHERE key = '{MARK}'");
        self.held.within(FINISHING, async |transaction| Ok(transaction.batch_execute(&touch).await?))
    }

    fn finish(&mut self, life: &Life, numbers: &[(&'static Table, i64)]) -> Result<(), TransferError> {
        // Else the first plans are made for empty tables.
        self.held.wait(self.held.client.batch_execute("ANALYZE"))?;
        self.held.within(FINISHING, async |transaction| {
            schema::lock(transaction).await?;
            transaction.batch_execute(&format!("ALTER TABLE people ADD CONSTRAINT {ALIASES} {ALIASES_REFER}")).await?;
            for (table, last) in numbers {
                let name = table.name;
                let set = format!(
                    "SELECT setval(pg_get_serial_sequence('{name}', 'id'), greatest({last}, 1), {})",
                    *last > 0
                );
                transaction.batch_execute(&set).await?;
            }
            let place = transaction.query_typed_one(&format!("SELECT {SIGNS}"), &[]).await?.try_get::<_, String>(1)?;
            schema::put_meta(transaction, "epoch", &life.epoch).await?;
            schema::put_meta(transaction, "lived_on", &place).await?;
            Ok(transaction.batch_execute(&forget_notes()).await?)
        })
    }
}

/// The values of a column, one of each row.
enum Column<'b> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'b str>>),
    Blobs(Vec<Option<&'b [u8]>>),
}

impl<'b> Column<'b> {
    fn new(of: Of, at: usize, rows: &'b [Vec<Cell>]) -> Self {
        match of {
            Of::Int => Self::Ints(rows.iter().map(|row| row[at].int()).collect()),
            Of::Text => Self::Texts(rows.iter().map(|row| row[at].text()).collect()),
            Of::Blob => Self::Blobs(rows.iter().map(|row| row[at].blob()).collect()),
        }
    }

    fn param(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Ints(all) => (all, Type::INT8_ARRAY),
            Self::Texts(all) => (all, Type::TEXT_ARRAY),
            Self::Blobs(all) => (all, Type::BYTEA_ARRAY),
        }
    }
}

/// Writes rows by one statement, whatever their number.
async fn insert(transaction: &Transaction<'_>, batch: &Batch<'_>) -> Result<(), DatabaseError> {
    let Batch { table, rows, words, .. } = batch;
    if rows.is_empty() {
        return Ok(());
    }
    let mut columns: Vec<Column<'_>> =
        table.columns.iter().enumerate().map(|(at, (_, of))| Column::new(*of, at, rows)).collect();
    let (mut into, mut from) = (table.names(""), table.names("k."));
    let mut names = table.names("");
    if table.indexed != Indexed::Nothing {
        let words = words.iter().map(|words| (!words.is_empty()).then_some(words.as_str()));
        columns.push(Column::Texts(words.collect()));
        into.push_str(", words");
        names.push_str(", words");
        from.push_str(", array_to_tsvector(string_to_array(k.words, ' '))");
    }
    let marks = (1..=columns.len()).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "INSERT INTO {} ({into}) OVERRIDING SYSTEM VALUE SELECT {from} FROM unnest({marks}) AS k ({names})",
        table.name
    );
    let params: Vec<_> = columns.iter().map(Column::param).collect();
    transaction.execute_typed(&sql, &params).await?;
    Ok(())
}

fn forget_notes() -> String {
    let notes = join(TABLES, |table| format!("'{}'", note_key(table)));
    format!("DELETE FROM meta WHERE key = '{MARK}' OR key IN ({notes})")
}
