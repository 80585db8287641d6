//! A connection as the store uses it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

use super::checkpoint::Checkpoints;
use super::{OpenError, connection};
use crate::store::sql::error::Failure;
use crate::store::sql::kept::{Kept, NewMessage};
use crate::store::sql::link::{Aim, Document, Each, EachOf, Fate, Link, Row, Searched, Sql, Step, Words};
use crate::store::sql::rows::{self, Thread};
use crate::store::sql::value::{Value, params};
use crate::store::sql::{lookup, statements};
use crate::store::{Audience, Heads, SiteKey, StoreError};

/// Statements for the full-text index, which this backend has alone.
pub(super) mod search {
    pub(in crate::store) const MESSAGES: &str = "SELECT e.conversation FROM search \
        CROSS JOIN events e ON e.id = search.rowid / 2 WHERE search MATCH ?1";
    pub(in crate::store) const VISITORS: &str = "SELECT c.id FROM search \
        CROSS JOIN conversations c ON c.visitor = search.rowid / 2 WHERE search MATCH ?1";
    pub(in crate::store) const INSERT: &str = "INSERT INTO search (rowid, words) VALUES (?1, ?2)";
    pub(in crate::store) const DELETE: &str = "DELETE FROM search WHERE rowid = ?1";

    /// Name and text of each.
    #[cfg(test)]
    pub(in crate::store) const ALL: &[(&str, &str)] =
        &[("MESSAGES", MESSAGES), ("VISITORS", VISITORS), ("INSERT", INSERT), ("DELETE", DELETE)];
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) conn: Connection,
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Int(Some(value)) => ValueRef::Integer(*value),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
            Self::Int(None) | Self::Text(None) => ValueRef::Null,
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn int(&self, index: usize) -> Result<Option<i64>, Failure> {
        Ok(self.get_ref(index)?.as_i64_or_null().map_err(|error| unsound(index, &error))?)
    }

    fn text(&self, index: usize) -> Result<Option<&str>, Failure> {
        Ok(self.get_ref(index)?.as_str_or_null().map_err(|error| unsound(index, &error))?)
    }

    fn blob(&self, index: usize) -> Result<Option<&[u8]>, Failure> {
        Ok(self.get_ref(index)?.as_blob_or_null().map_err(|error| unsound(index, &error))?)
    }
}

fn unsound(index: usize, error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt(format!("column {index} of a row: {error}"))
}

impl Session {
    fn run(&self, sql: &str, params: &[Value<'_>]) -> Result<usize, Failure> {
        Ok(self.conn.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params))?)
    }

    fn read(&self, sql: &str, params: &[Value<'_>], each: Each<'_>) -> Result<(), Failure> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut found = statement.query(rusqlite::params_from_iter(params))?;
        while let Some(row) = found.next()? {
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn index_one(&self, document: i64, change: Words) -> Result<(), Failure> {
        let text = match change {
            Words::Insert(text) => text,
            Words::Replace(text) => {
                self.run(search::DELETE, params![document])?;
                text
            }
            Words::Delete => {
                self.run(search::DELETE, params![document])?;
                return Ok(());
            }
        };
        if !text.is_empty() {
            self.run(search::INSERT, params![document, &text])?;
        }
        Ok(())
    }
}

impl Sql for Session {
    fn query(&self, sql: &'static str, params: &[Value<'_>], each: Each<'_>) -> Result<(), Failure> {
        self.read(sql, params, each)
    }

    fn query_each(&self, sql: &'static str, sets: &[Vec<Value<'_>>], each: EachOf<'_>) -> Result<(), Failure> {
        for (place, params) in sets.iter().enumerate() {
            self.read(sql, params, &mut |row| each(place, row).map(ControlFlow::Continue))?;
        }
        Ok(())
    }

    fn execute(&self, sql: &'static str, params: &[Value<'_>]) -> Result<usize, Failure> {
        self.run(sql, params)
    }

    fn insert(&self, sql: &'static str, params: &[Value<'_>]) -> Result<Option<i64>, Failure> {
        self.run(sql, params)?;
        Ok(Some(self.conn.last_insert_rowid()))
    }

    fn step(&self, step: Step) -> Result<(), Failure> {
        let sql = match step {
            Step::BeginWrite => "BEGIN IMMEDIATE",
            Step::BeginRead => "BEGIN",
            Step::Commit => "COMMIT",
            // The database may have done so itself.
            Step::Rollback if self.conn.is_autocommit() => return Ok(()),
            Step::Rollback => "ROLLBACK",
            Step::Savepoint => "SAVEPOINT operation",
            Step::Undo => "ROLLBACK TO operation",
            Step::Release => "RELEASE operation",
        };
        self.run(sql, &[])?;
        Ok(())
    }

    fn is_aborted(&self) -> bool {
        self.conn.is_autocommit()
    }

    fn changes(&self) -> u64 {
        self.conn.total_changes()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn node(&self) -> i64 {
        0
    }

    fn prepare(&self, _aims: &[Aim<'_>], _kept: &mut Kept, _waits: bool) -> Result<Vec<usize>, Failure> {
        // One connection writes at a time, and a look-up costs next to nothing.
        Ok(Vec::new())
    }

    fn lock_organization(&self, _id: i64) -> Result<(), Failure> {
        Ok(())
    }

    fn gathers(&self) -> bool {
        false
    }

    fn insert_messages(&self, messages: &[NewMessage]) -> Result<Vec<i64>, Failure> {
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            self.run(
                statements::INSERT_MESSAGE,
                params![
                    message.website,
                    rows::int(message.offset),
                    message.thread,
                    rows::int(message.team_seq),
                    message.visitor_seq.map(rows::int),
                    rows::int(message.at.0),
                    message.id.as_str(),
                    message.sender,
                    message.sender_name.as_deref(),
                    message.key.as_str(),
                    message.fingerprint.as_slice(),
                    &*message.content,
                    message.metadata.as_deref(),
                ],
            )?;
            rows.push(self.conn.last_insert_rowid());
        }
        Ok(rows)
    }

    fn update_threads(&self, threads: &[&Thread]) -> Result<(), Failure> {
        threads.iter().try_for_each(|thread| thread.save_conversation(self))
    }

    fn update_heads(&self, heads: &[(i64, u64)]) -> Result<(), Failure> {
        for (website, head) in heads {
            self.run(statements::UPDATE_HEAD, params![*website, rows::int(*head)])?;
        }
        Ok(())
    }

    fn heads(&self, known: Vec<(SiteKey, u64)>) -> Result<Heads, Failure> {
        let mut moved = Vec::new();
        for (site, offset) in known {
            match lookup::site_of(self, &site) {
                Ok(found) if found.head > offset => moved.push((site, found.head)),
                Ok(_) | Err(Failure::Answer(StoreError::NotFound)) => {}
                Err(failure) => return Err(failure),
            }
        }
        // There is no other node.
        Ok(Heads { setup: 0, moved })
    }

    fn raise_setup(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn index(&self, documents: BTreeMap<Document, Words>) -> Result<(), Failure> {
        for (document, change) in documents {
            let document = match document {
                Document::Message(row) => row * 2,
                Document::Visitor(row) => row * 2 + 1,
            };
            self.index_one(document, change)?;
        }
        Ok(())
    }

    fn unindexes_deleted(&self) -> bool {
        false
    }

    fn search(&self, searched: Searched, sites: &[i64], word: &str, found: &mut dyn FnMut(i64)) -> Result<(), Failure> {
        let (sql, of): (_, &[char]) = match searched {
            Searched::Messages(Audience::Team) => (search::MESSAGES, &['p', 'n']),
            Searched::Messages(Audience::Visitor) => (search::MESSAGES, &['p']),
            Searched::Visitors => (search::VISITORS, &['v']),
        };
        // Words have letters and digits only, so the quotes cannot be escaped from.
        let terms = sites.iter().flat_map(|site| of.iter().map(move |of| format!("\"{site}{of}{word}\" *")));
        let expression = terms.collect::<Vec<_>>().join(" OR ");
        self.read(sql, params![&expression], &mut |row| {
            found(rows::id(row, 0)?);
            Ok(ControlFlow::Continue(()))
        })
    }

    fn claim(&self, deliveries: &[i64], _now: i64, _lease_ms: i64) -> Result<Vec<i64>, Failure> {
        // There is no other node.
        Ok(deliveries.to_vec())
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The writer's connection.
pub(super) struct WriterLink {
    path: PathBuf,
    /// `None` after an error of the disk, until it opens again.
    session: Option<Session>,
    checkpoints: Checkpoints,
}

impl WriterLink {
    pub(super) fn new(path: PathBuf, mut conn: Connection) -> Result<Self, OpenError> {
        let checkpoints = Checkpoints::start(path.clone())?;
        checkpoints.watch(&mut conn)?;
        Ok(Self { path, session: Some(Session { conn }), checkpoints })
    }
}

impl Link for WriterLink {
    fn open(&mut self) -> Result<&dyn Sql, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let mut conn = connection::writer(&self.path)?;
                self.checkpoints.watch(&mut conn)?;
                Session { conn }
            }
        };
        Ok(self.session.insert(session))
    }

    fn give_up(&mut self) {
        self.session = None;
    }

    fn fate(&mut self, _transaction: u64) -> Result<Fate, Failure> {
        // A commit that fails has not happened.
        Ok(Fate::Undone)
    }

    fn after_commit(&mut self) {
        if let Some(session) = &self.session {
            self.checkpoints.after_commit(&session.conn);
        }
    }

    fn after_read(&mut self) {}
}

/// The connection of a reader.
pub(super) struct ReaderLink {
    path: PathBuf,
    session: Option<Session>,
}

impl ReaderLink {
    pub(super) fn new(path: PathBuf) -> rusqlite::Result<Self> {
        let conn = connection::reader(&path)?;
        Ok(Self { path, session: Some(Session { conn }) })
    }
}

impl Link for ReaderLink {
    fn open(&mut self) -> Result<&dyn Sql, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session { conn: connection::reader(&self.path)? },
        };
        Ok(self.session.insert(session))
    }

    fn give_up(&mut self) {
        self.session = None;
    }

    fn fate(&mut self, _transaction: u64) -> Result<Fate, Failure> {
        Ok(Fate::Undone)
    }

    fn after_commit(&mut self) {}

    fn after_read(&mut self) {
        let Some(session) = self.session.as_ref().filter(|session| !session.conn.is_autocommit()) else { return };
        // Left open, its snapshot would keep the log from shrinking.
        if let Err(failure) = session.step(Step::Commit) {
            tracing::warn!(error = %StoreError::from(failure), "a read could not be ended");
            self.session = None;
        }
    }
}
