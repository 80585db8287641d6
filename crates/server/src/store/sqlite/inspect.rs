//! Looking at a data directory from outside, without writing and without being in a server's way.

use std::fs::{File, TryLockError};
use std::path::Path;

use cossistant_protocol::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::{DataKind, OpenError, connection, lock, schema};

/// How thoroughly a store is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The structure of the file, and the numbers that servers go on from.
    Quick,
    /// Also that every index agrees with its table, and that no place is missing; reads everything several times.
    Full,
}

/// Who holds a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A process; its number, if it left it.
    Process(Option<u32>),
}

/// What was seen of a store, all of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The version of the data; 0 for a file in which nothing was made yet.
    pub version: u32,
    /// The version that this program writes; the next start brings older data to it.
    pub known_version: u32,
    /// What is wrong with the store, a sentence each; none for a sound one.
    pub damages: Vec<String>,
    /// When the newest event was stored, by the clock of the server that stored it.
    pub newest_event: Option<Timestamp>,
    /// What webhooks are still to be told.
    pub waiting_deliveries: u64,
    /// Since when the oldest of them waits.
    pub oldest_waiting: Option<Timestamp>,
    /// What webhooks could not be told, and was given up.
    pub dead_deliveries: u64,
}

/// The most damages that are told of one kind.
const DAMAGES_MAX: i64 = 5;

/// What must be true of the numbers that a server gives: each query counts the rows of which it is not.
const QUICK_LAWS: &[(&str, &str)] = &[
    (
        "websites whose newest offset is behind one of their events",
        "SELECT count(*) FROM websites AS w
         WHERE w.head < (SELECT coalesce(max(e.event_offset), 0) FROM events AS e WHERE e.website = w.id)",
    ),
    (
        "conversations whose newest seq is behind one of their events",
        "SELECT count(*) FROM conversations AS c
         WHERE c.team_head < (SELECT coalesce(max(e.team_seq), 0) FROM events AS e WHERE e.conversation = c.id)
            OR c.visitor_head < (SELECT coalesce(max(e.visitor_seq), 0) FROM events AS e
                                 WHERE e.conversation = c.id AND e.visitor_seq IS NOT NULL)",
    ),
];

/// The same, where everything has to be read.
const FULL_LAWS: &[(&str, &str)] = &[
    (
        "conversations in whose events a seq is missing",
        "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY conversation
                               HAVING count(*) <> max(team_seq) - min(team_seq) + 1)",
    ),
    (
        "conversations that have events but are not there",
        "SELECT count(*) FROM (SELECT DISTINCT conversation AS id FROM events) AS e
         WHERE NOT EXISTS (SELECT 1 FROM conversations AS c WHERE c.id = e.id)",
    ),
];

/// Who holds a data directory now. It asks by taking the lock for a moment, so a server that starts in just this
/// moment is told that the directory is in use.
///
/// # Errors
/// The file of the lock cannot be read.
pub fn holder(dir: &Path) -> Result<Holder, OpenError> {
    let path = dir.join(lock::FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(OpenError::io(&path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Process(lock::noted_pid(&file))),
        Err(TryLockError::Error(error)) => Err(OpenError::io(&path)(error)),
    }
}

/// Looks at the store of a directory, `None` if there is none. A server may run on it and is not held up; its log
/// grows until this has ended.
///
/// # Errors
/// [`OpenError`], as at a start: the data is of the other kind, of a newer version, or cannot be read at all.
pub fn inspect(dir: &Path, kind: DataKind, depth: Depth) -> Result<Option<Inspection>, OpenError> {
    let path = dir.join(connection::FILE);
    if !path.exists() {
        return Ok(None);
    }
    let conn = connection::reader(&path).map_err(OpenError::opening(&path))?;
    let version = schema::check(&path, &conn)?;
    let mut seen = Inspection {
        version,
        known_version: schema::VERSION,
        damages: Vec::new(),
        newest_event: None,
        waiting_deliveries: 0,
        oldest_waiting: None,
        dead_deliveries: 0,
    };
    if version == 0 {
        return Ok(Some(seen));
    }
    schema::check_kind(&path, &conn, kind)?;
    // Of one moment, or a law could be broken between two looks.
    conn.execute_batch("BEGIN")?;
    seen.damages = damages(&conn, version, depth)?;
    seen.newest_event =
        number(&conn, "SELECT max(at) FROM (SELECT at FROM events ORDER BY id DESC LIMIT 1)")?.map(Timestamp);
    // The version that brought webhooks.
    if version >= 3 {
        seen.waiting_deliveries =
            number(&conn, "SELECT count(*) FROM deliveries WHERE status <= 1")?.unwrap_or_default();
        seen.oldest_waiting = number(&conn, "SELECT min(queued_at) FROM deliveries WHERE status <= 1")?.map(Timestamp);
        seen.dead_deliveries = number(&conn, "SELECT count(*) FROM deliveries WHERE status = 3")?.unwrap_or_default();
    }
    conn.execute_batch("COMMIT")?;
    Ok(Some(seen))
}

fn number(conn: &Connection, sql: &str) -> rusqlite::Result<Option<u64>> {
    let found: Option<i64> = conn.query_row(sql, [], |row| row.get(0))?;
    Ok(found.and_then(|number| u64::try_from(number).ok()))
}

fn damages(conn: &Connection, version: u32, depth: Depth) -> rusqlite::Result<Vec<String>> {
    let pragma = match depth {
        Depth::Quick => format!("PRAGMA quick_check({DAMAGES_MAX})"),
        Depth::Full => format!("PRAGMA integrity_check({DAMAGES_MAX})"),
    };
    let mut found: Vec<String> = match all(conn, &pragma) {
        Ok(verdicts) => verdicts.into_iter().filter(|verdict| verdict != "ok").collect(),
        // What is damaged enough cannot even be checked.
        Err(error)
            if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) =>
        {
            vec![error.to_string()]
        }
        Err(error) => return Err(error),
    };
    if !found.is_empty() || version < schema::VERSION {
        return Ok(found);
    }
    let orphans: i64 = conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if orphans > 0 {
        found.push(format!("{orphans} rows refer to rows that are not there"));
    }
    let laws: &[&[(&str, &str)]] = match depth {
        Depth::Quick => &[QUICK_LAWS],
        Depth::Full => &[QUICK_LAWS, FULL_LAWS],
    };
    for (what, sql) in laws.iter().copied().flatten() {
        let broken: i64 = conn.query_row(sql, [], |row| row.get(0))?;
        if broken > 0 {
            found.push(format!("{broken} {what}"));
        }
    }
    Ok(found)
}

fn all(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}
