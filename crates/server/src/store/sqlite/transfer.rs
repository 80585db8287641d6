//! A data folder as one end of a transfer.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, ToSql, params_from_iter};

use super::lock::Lock;
use super::session::search;
use super::{DataKind, OpenError, backup, connection, schema};
use crate::store::TransferError;
use crate::store::transfer::row::{Cell, clean};
use crate::store::transfer::side::{Batch, IndexSize, Life, MARK, Side, Source, Target, note_key};
use crate::store::transfer::tables::{Indexed, Numbering, Of, TABLES, Table, join};

/// What holds while a target is filled: commits wait for no disk until the source is left, since what a crash takes with
/// it is moved again, and rows may come before those that they refer to, which is looked at in the end.
const FILLING: &str = "PRAGMA foreign_keys = OFF; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16000; \
    PRAGMA cache_size = -131072;";

/// A folder's store, with what is needed to read it in order.
struct Folder {
    dir: PathBuf,
    path: PathBuf,
    place: String,
    _lock: Lock,
}

impl Folder {
    fn lock(dir: &Path) -> Result<Self, TransferError> {
        let lock = Lock::take(dir)?;
        let place = dir.display().to_string();
        Ok(Self { dir: dir.to_owned(), path: dir.join(connection::FILE), place, _lock: lock })
    }

    fn failed(&self, error: &rusqlite::Error) -> TransferError {
        let (place, reason) = (self.place.clone(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => TransferError::Damaged { place, reason },
            Some(_) | None => TransferError::Failed { place, reason },
        }
    }

    fn read(
        &self,
        conn: &Connection,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        let mut params: Vec<Cell> = after.unwrap_or_default().to_vec();
        let behind = if params.is_empty() {
            String::new()
        } else {
            format!("WHERE ({}) > ({})", table.key_names(""), marks(params.len()))
        };
        params.push(Cell::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
        let sql =
            format!("SELECT {} FROM {} {behind} ORDER BY {} LIMIT ?", table.names(""), table.name, table.key_names(""));
        let read = || -> rusqlite::Result<Vec<Result<Vec<Cell>, String>>> {
            let mut statement = conn.prepare_cached(&sql)?;
            statement.query_map(params_from_iter(&params), |row| Ok(cells(table, row)))?.collect()
        };
        let rows = read().map_err(|error| self.failed(&error))?;
        let damaged = |reason| TransferError::Damaged { place: self.place.clone(), reason };
        rows.into_iter().collect::<Result<_, _>>().map_err(damaged)
    }

    fn number(&self, conn: &Connection, sql: &str) -> Result<Option<i64>, TransferError> {
        let found = conn.query_row(sql, [], |row| row.get(0)).optional();
        Ok(found.map_err(|error| self.failed(&error))?.flatten())
    }

    fn count(&self, conn: &Connection, table: &Table) -> Result<u64, TransferError> {
        let count = self.number(conn, &format!("SELECT count(*) FROM {}", table.name))?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    fn last_number(&self, conn: &Connection, table: &Table) -> Result<i64, TransferError> {
        let stands = self.number(conn, &format!("SELECT max(id) FROM {}", table.name))?.unwrap_or_default();
        let given = match table.numbering {
            Numbering::Ever => {
                self.number(conn, &format!("SELECT seq FROM sqlite_sequence WHERE name = '{}'", table.name))?
            }
            Numbering::Rows | Numbering::None => None,
        };
        Ok(stands.max(given.unwrap_or_default()))
    }
}

/// So many parameters.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// A row's values, or what is wrong with one.
fn cells(table: &Table, row: &Row<'_>) -> Result<Vec<Cell>, String> {
    let cell = |(index, (name, of)): (usize, &(&str, Of))| {
        let wrong = |what: &str| Err(format!("{}.{name} holds {what}", table.name));
        match (row.get_ref(index).map_err(|error| error.to_string())?, of) {
            (ValueRef::Null, _) => Ok(Cell::Null),
            (ValueRef::Integer(value), Of::Int) => Ok(Cell::Int(value)),
            (ValueRef::Blob(bytes), Of::Blob) => Ok(Cell::Blob(bytes.to_vec())),
            (ValueRef::Text(bytes), Of::Text) => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cell::Text(clean(text).into_owned())),
                Err(_) => wrong("a text that is none"),
            },
            _ => wrong("a value of another kind"),
        }
    };
    table.columns.iter().enumerate().map(cell).collect()
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A folder's store that is moved.
pub(in crate::store) struct TransferSource {
    folder: Folder,
    conn: Connection,
    life: Life,
}

impl TransferSource {
    /// Locks the folder and looks at its store.
    pub(in crate::store) fn open(dir: &Path) -> Result<Self, TransferError> {
        let nothing = || TransferError::NothingThere { place: dir.display().to_string() };
        if !dir.join(connection::FILE).exists() {
            return Err(nothing());
        }
        let folder = Folder::lock(dir)?;
        let path = &folder.path;
        let conn = connection::reader(path).map_err(OpenError::opening(path))?;
        let found = schema::check(path, &conn)?;
        if found == 0 {
            return Err(nothing());
        }
        if found < schema::VERSION {
            return Err(TransferError::OlderVersion { place: folder.place, found, known: schema::VERSION });
        }
        // Of one moment, whoever else may write to the file.
        conn.execute_batch("BEGIN").map_err(OpenError::from)?;
        let life = Life { epoch: schema::epoch(path, &conn)?, kind: schema::kind(path, &conn)? };
        Ok(Self { folder, conn, life })
    }
}

impl Side for TransferSource {
    fn place(&self) -> &str {
        &self.folder.place
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        // The lock is held until this is dropped.
        Ok(())
    }

    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        self.folder.read(&self.conn, table, after, limit)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        self.folder.count(&self.conn, table)
    }

    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError> {
        self.folder.last_number(&self.conn, table)
    }
}

impl Source for TransferSource {
    fn life(&self) -> &Life {
        &self.life
    }

    fn leave(&mut self, epoch: &str) -> Result<(), TransferError> {
        let Folder { path, .. } = &self.folder;
        self.conn.execute_batch("COMMIT").map_err(|error| self.folder.failed(&error))?;
        if !path.exists() {
            // It was thrown away meanwhile: no server starts on it.
            return Ok(());
        }
        self.conn = connection::writer(path).map_err(OpenError::opening(path))?;
        let renew = "UPDATE meta SET value = ?2 WHERE key = 'epoch' AND value = ?1";
        let renewed =
            self.conn.execute(renew, (&self.life.epoch, epoch)).map_err(|error| self.folder.failed(&error))?;
        if renewed == 1 {
            return Ok(());
        }
        let reason = "its epoch is not the one any more that was read".to_owned();
        Err(TransferError::Failed { place: self.folder.place.clone(), reason })
    }
}

/// A folder that is filled.
pub(in crate::store) struct TransferTarget {
    folder: Folder,
    /// `None` as long as there is no file.
    conn: Option<Connection>,
    kind: DataKind,
}

impl TransferTarget {
    /// Makes the folder if need be, and locks it.
    pub(in crate::store) fn open(dir: &Path, kind: DataKind) -> Result<Self, TransferError> {
        let folder = Folder::lock(dir)?;
        let path = &folder.path;
        let mut conn = None;
        if path.exists() {
            let reader = connection::reader(path).map_err(OpenError::opening(path))?;
            if schema::check_version(path, &reader)? > 0 {
                schema::check_kind(path, &reader, kind)?;
            }
            drop(reader);
            conn = Some(Self::connect(path)?);
        }
        Ok(Self { folder, conn, kind })
    }

    fn connect(path: &Path) -> Result<Connection, TransferError> {
        let conn = connection::writer(path).map_err(OpenError::opening(path))?;
        conn.execute_batch(FILLING).map_err(OpenError::from)?;
        Ok(conn)
    }

    fn conn(&self) -> Result<&Connection, TransferError> {
        let gone = || TransferError::TargetChanged {
            place: self.folder.place.clone(),
            reason: "its store was not made".to_owned(),
        };
        self.conn.as_ref().ok_or_else(gone)
    }

    /// Does something in one transaction.
    fn within(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), TransferError> {
        let conn = self.conn()?;
        let all = || {
            let transaction = conn.unchecked_transaction()?;
            work(conn)?;
            transaction.commit()
        };
        all().map_err(|error| self.folder.failed(&error))
    }

    /// Brings all of the log into the file, and file and folder to stable storage.
    fn sync(&self) -> Result<(), TransferError> {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool =
            self.conn()?.query_row(checkpoint, [], |row| row.get(0)).map_err(|error| self.folder.failed(&error))?;
        if is_busy {
            let reason = "somebody else reads it, so that its log cannot be put away".to_owned();
            return Err(TransferError::Failed { place: self.folder.place.clone(), reason });
        }
        // The folder may have been made just now.
        let dirs = [Some(&*self.folder.dir), self.folder.dir.parent().filter(|dir| !dir.as_os_str().is_empty())];
        for dir in dirs.into_iter().flatten() {
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.map_err(|error| TransferError::Io { path: dir.to_owned(), error })?;
        }
        Ok(())
    }
}

impl Side for TransferTarget {
    fn place(&self) -> &str {
        &self.folder.place
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        Ok(())
    }

    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        self.folder.read(self.conn()?, table, after, limit)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        self.folder.count(self.conn()?, table)
    }

    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError> {
        self.folder.last_number(self.conn()?, table)
    }
}

impl Target for TransferTarget {
    fn note(&mut self, key: &str) -> Result<Option<String>, TransferError> {
        let Some(conn) = &self.conn else { return Ok(None) };
        if schema::check_version(&self.folder.path, conn)? == 0 {
            return Ok(None);
        }
        Ok(schema::meta(conn, key)?)
    }

    fn content(&mut self) -> Result<Option<String>, TransferError> {
        let folder = &self.folder;
        let Some(conn) = &self.conn else {
            let is_empty = backup::is_empty(&folder.dir).map_err(OpenError::io(&folder.dir))?;
            return Ok((!is_empty).then(|| "it has files that are no secrets of a server".to_owned()));
        };
        match schema::check_version(&folder.path, conn)? {
            0 => return Ok(None),
            schema::VERSION => {}
            older => return Ok(Some(format!("a store of version {older}"))),
        }
        for table in TABLES {
            let rows = folder.count(conn, table)?;
            if rows > 0 {
                return Ok(Some(format!("its store.db has {rows} rows in {}", table.name)));
            }
        }
        Ok(None)
    }

    fn begin(&mut self, life: &Life, mark: &str) -> Result<(), TransferError> {
        if self.conn.is_none() {
            self.conn = Some(Self::connect(&self.folder.path)?);
        }
        schema::migrate(&self.folder.path, self.conn()?, self.kind)?;
        self.within(|conn| {
            schema::put_meta(conn, "epoch", &life.epoch)?;
            schema::put_meta(conn, MARK, mark)
        })
    }

    fn start_over(&mut self, life: &Life, mark: &str) -> Result<(), TransferError> {
        schema::migrate_unfinished(&self.folder.path, self.conn()?, self.kind)?;
        self.within(|conn| {
            for table in TABLES.iter().rev() {
                conn.execute_batch(&format!("DELETE FROM {}", table.name))?;
            }
            conn.execute_batch("DELETE FROM sqlite_sequence; INSERT INTO search (search) VALUES ('delete-all');")?;
            forget_notes(conn)?;
            schema::put_meta(conn, "epoch", &life.epoch)?;
            schema::put_meta(conn, MARK, mark)
        })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), TransferError> {
        let table = batch.table;
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.names(""), marks(table.columns.len()));
        self.within(|conn| {
            let mut insert = conn.prepare_cached(&sql)?;
            let mut index = conn.prepare_cached(search::INSERT)?;
            for (row, words) in batch.rows.iter().zip(batch.words) {
                insert.execute(params_from_iter(row))?;
                if !words.is_empty() {
                    index.execute((document(table, row), words))?;
                }
            }
            schema::put_meta(conn, &note_key(table), batch.note)
        })
    }

    fn index_size(&mut self) -> Result<IndexSize, TransferError> {
        let conn = self.conn()?;
        let proof = "INSERT INTO search (search) VALUES ('integrity-check'); \
            CREATE VIRTUAL TABLE IF NOT EXISTS temp.search_words USING fts5vocab (main, search, row);";
        conn.execute_batch(proof).map_err(|error| self.folder.failed(&error))?;
        let number = |sql| -> Result<u64, TransferError> {
            let found = self.folder.number(conn, sql)?.unwrap_or_default();
            Ok(u64::try_from(found).unwrap_or_default())
        };
        Ok(IndexSize {
            documents: number("SELECT count(*) FROM search_docsize")?,
            words: number("SELECT sum(doc) FROM temp.search_words")?,
        })
    }

    fn secure(&mut self) -> Result<(), TransferError> {
        self.conn()?.execute_batch("PRAGMA synchronous = FULL").map_err(|error| self.folder.failed(&error))?;
        self.sync()
    }

    fn finish(&mut self, life: &Life, numbers: &[(&'static Table, i64)]) -> Result<(), TransferError> {
        let conn = self.conn()?;
        let orphans = self.folder.number(conn, "SELECT count(*) FROM pragma_foreign_key_check")?.unwrap_or_default();
        if orphans > 0 {
            let reason = format!("{orphans} rows refer to rows that are not there");
            return Err(TransferError::Damaged { place: self.folder.place.clone(), reason });
        }
        conn.execute_batch("PRAGMA synchronous = FULL").map_err(|error| self.folder.failed(&error))?;
        self.within(|conn| {
            for (table, last) in numbers.iter().filter(|(table, _)| table.numbering == Numbering::Ever) {
                let name = table.name;
                let known =
                    conn.execute("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", (name, last))?;
                if known == 0 && *last > 0 {
                    conn.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", (name, last))?;
                }
            }
            schema::put_meta(conn, "epoch", &life.epoch)?;
            forget_notes(conn)
        })?;
        // A store that a server was stopped on leaves no log either.
        self.sync()
    }
}

/// The number of a row in the index of the search.
fn document(table: &Table, row: &[Cell]) -> i64 {
    let id = row.first().and_then(Cell::int).unwrap_or_default();
    match table.indexed {
        Indexed::Visitors => id * 2 + 1,
        Indexed::Messages | Indexed::Nothing => id * 2,
    }
}

fn forget_notes(conn: &Connection) -> rusqlite::Result<()> {
    let notes = join(TABLES, |table| format!("'{}'", note_key(table)));
    conn.execute_batch(&format!("DELETE FROM meta WHERE key = '{MARK}' OR key IN ({notes})"))
}
