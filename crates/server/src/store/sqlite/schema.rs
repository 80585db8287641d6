//! Versions of the data, forward only.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{DataKind, OpenError};
use crate::store::sql::version;
use crate::store::transfer::side::MARK;

/// By version, from 1. A migration that was released is never changed; its checksum is kept with the data.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_begin.sql"),
    include_str!("../../../migrations/sqlite/0002_places_go_on.sql"),
    include_str!("../../../migrations/sqlite/0003_webhooks.sql"),
];

/// The version that this program writes.
pub(in crate::store) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Which version data is of; 0 for an empty file. Writes nothing.
pub(super) fn version(path: &Path, conn: &Connection) -> Result<u32, OpenError> {
    let corrupt = |reason: String| OpenError::Corrupt { path: path.to_owned(), reason };
    let tables: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(OpenError::reading(path))?;
    if tables == 0 {
        return Ok(0);
    }
    let found: Option<u32> = conn
        .query_row("SELECT max(version) FROM migrations", [], |row| row.get(0))
        .map_err(OpenError::reading(path))?;
    found.ok_or_else(|| corrupt("it has no version".to_owned()))
}

/// Refuses data that this program may not open, that of an unfinished transfer included. Writes nothing.
pub(super) fn check(path: &Path, conn: &Connection) -> Result<u32, OpenError> {
    let found = check_version(path, conn)?;
    if found > 0 && meta(conn, MARK)?.is_some() {
        return Err(OpenError::Unfinished { path: path.to_owned() });
    }
    Ok(found)
}

/// Refuses data of a version that this program does not know. Writes nothing.
pub(super) fn check_version(path: &Path, conn: &Connection) -> Result<u32, OpenError> {
    let found = version(path, conn)?;
    if found > VERSION {
        return Err(OpenError::NewerVersion { path: path.to_owned(), found, known: VERSION });
    }
    if found > 0 {
        let mut applied = conn.prepare("SELECT version, checksum FROM migrations ORDER BY version")?;
        let applied = applied.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        for row in applied {
            let (version, sum) = row?;
            if !version::is_known(MIGRATIONS, version, &sum) {
                return Err(OpenError::ChangedMigration { version });
            }
        }
    }
    Ok(found)
}

/// Brings the data to this program's version in one transaction, and a new store to life with its kind and epoch.
pub(super) fn migrate(path: &Path, conn: &Connection, kind: DataKind) -> Result<(), OpenError> {
    check(path, conn)?;
    migrate_unfinished(path, conn, kind)
}

/// The same for a store that a transfer was to fill.
pub(super) fn migrate_unfinished(path: &Path, conn: &Connection, kind: DataKind) -> Result<(), OpenError> {
    let found = check_version(path, conn)?;
    if found > 0 {
        check_kind(path, conn, kind)?;
    }
    if found == VERSION {
        return Ok(());
    }
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let done = apply(conn, found, kind);
    if done.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    done
}

fn apply(conn: &Connection, found: u32, kind: DataKind) -> Result<(), OpenError> {
    if found == 0 {
        conn.execute_batch(
            "CREATE TABLE migrations (version INTEGER PRIMARY KEY, checksum BLOB NOT NULL, applied_at TEXT NOT NULL) STRICT;
             CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
        )?;
        put_meta(conn, "kind", kind.as_str())?;
        put_meta(conn, "epoch", &fresh_epoch()?)?;
    }
    for (sql, version) in MIGRATIONS.iter().zip(1..).skip(found as usize) {
        conn.execute_batch(sql)?;
        conn.execute(
            "INSERT INTO migrations (version, checksum, applied_at) VALUES (?1, ?2, datetime())",
            (version, version::checksum(sql)),
        )?;
    }
    conn.execute_batch("COMMIT")?;
    Ok(())
}

pub(super) fn check_kind(path: &Path, conn: &Connection, wanted: DataKind) -> Result<(), OpenError> {
    let found = kind(path, conn)?;
    if found == wanted { Ok(()) } else { Err(OpenError::WrongKind { found, wanted }) }
}

/// What the data is for.
pub(super) fn kind(path: &Path, conn: &Connection) -> Result<DataKind, OpenError> {
    let corrupt = || OpenError::Corrupt { path: path.to_owned(), reason: "it has no kind".to_owned() };
    meta(conn, "kind")?.as_deref().and_then(DataKind::parse).ok_or_else(corrupt)
}

/// The store's life.
pub(super) fn epoch(path: &Path, conn: &Connection) -> Result<String, OpenError> {
    let corrupt = || OpenError::Corrupt { path: path.to_owned(), reason: "it has no epoch".to_owned() };
    meta(conn, "epoch")?.ok_or_else(corrupt)
}

/// Begins another life of the same data.
pub(super) fn renew_epoch(conn: &Connection) -> Result<(), OpenError> {
    Ok(put_meta(conn, "epoch", &fresh_epoch()?)?)
}

/// What is kept with the data under a key.
pub(super) fn meta(conn: &Connection, key: &str) -> Result<Option<String>, OpenError> {
    Ok(conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?)
}

pub(super) fn put_meta(conn: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        (key, value),
    )?;
    Ok(())
}

fn fresh_epoch() -> Result<String, OpenError> {
    version::fresh_epoch().map_err(|error| OpenError::Database(format!("no randomness: {error}")))
}
