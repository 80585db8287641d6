//! Versions of the data, forward only, and which life it is in.
//!
//! All of it happens in one transaction under an advisory lock, so that of nodes that start at once one does it and the
//! others find it done.
//!
//! Nothing is prepared here: behind a pool what is prepared by name would be left on somebody else's connection.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use super::DatabaseError;
use super::life::{Life, SIGNS};
use crate::store::sql::version::{self, DataKind};
use crate::store::transfer::side::MARK;

/// By version, from 1. A migration that was released is never changed; its checksum is kept with the data.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_begin.sql"),
    include_str!("../../../migrations/postgres/0002_setup.sql"),
];

/// The version that this program writes.
pub(in crate::store) const VERSION: u32 = MIGRATIONS.len() as u32;
/// The oldest server that has what the statements say.
const OLDEST_SERVER: i32 = 140_000;
/// The advisory lock: a number that nothing else is likely to take.
const LOCK: i64 = 0x0063_6f73_7369_7374;
/// The advisory lock of whoever moves a database as a whole. Each transaction that writes takes it together with all
/// others of its kind, and without waiting.
pub(super) const TRANSFER_LOCK: i64 = 0x0063_6f73_6d6f_7665;
/// How long a start waits for a transfer to be gone: a database may not have noticed yet that one was killed.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(2);
const TRANSFER_PAUSE: Duration = Duration::from_millis(100);

/// Refuses a server on which nothing would be safe.
pub(super) async fn check_server(client: &Client, kind: DataKind) -> Result<(), DatabaseError> {
    let row = client
        .query_typed_one(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
             current_setting('fsync'), current_setting('server_encoding')",
            &[],
        )
        .await?;
    if row.try_get::<_, i32>(0)? < OLDEST_SERVER {
        return Err(DatabaseError::TooOld { found: row.try_get(1)? });
    }
    if row.try_get::<_, &str>(2)? == "off" && kind == DataKind::Production {
        return Err(DatabaseError::Unsafe);
    }
    if row.try_get::<_, &str>(3)? != "UTF8" {
        return Err(DatabaseError::Encoding { found: row.try_get(3)? });
    }
    Ok(())
}

/// What is in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) version: u32,
    pub(super) kind: DataKind,
    /// Whether it was to be filled by a transfer, which has not come to its end.
    pub(super) is_unfinished: bool,
}

/// Which version the data is of; `None` for a database in which nothing was made yet. Refuses data that this program may
/// not open, that of an unfinished transfer included. Writes nothing.
pub(super) async fn check(transaction: &Transaction<'_>, kind: DataKind) -> Result<Option<u32>, DatabaseError> {
    match look(transaction).await? {
        None => Ok(None),
        Some(found) if found.is_unfinished => Err(DatabaseError::Unfinished),
        Some(found) if found.kind == kind => Ok(Some(found.version)),
        Some(found) => Err(DatabaseError::WrongKind { found: found.kind, wanted: kind }),
    }
}

/// What is in a database; `None` where nothing was made yet. Refuses what is not this program's, or newer than it.
pub(super) async fn look(transaction: &Transaction<'_>) -> Result<Option<Found>, DatabaseError> {
    // Of what the connection would find without a schema before the name.
    let tables = transaction
        .query_typed_one(
            "SELECT to_regclass('migrations') IS NOT NULL AND to_regclass('meta') IS NOT NULL, \
             to_regclass('events') IS NOT NULL OR to_regclass('people') IS NOT NULL OR \
             to_regclass('keys') IS NOT NULL OR to_regclass('migrations') IS NOT NULL",
            &[],
        )
        .await?;
    match (tables.try_get(0)?, tables.try_get(1)?) {
        (true, _) => {}
        (false, true) => return Err(DatabaseError::NotOurs),
        (false, false) => return Ok(None),
    }
    let Ok(applied) = transaction.query_typed("SELECT version, checksum FROM migrations ORDER BY version", &[]).await
    else {
        return Err(DatabaseError::NotOurs);
    };
    let mut found = 0;
    for row in &applied {
        let number: i32 = row.try_get(0).map_err(|_| DatabaseError::NotOurs)?;
        let number = u32::try_from(number).map_err(|_| DatabaseError::NotOurs)?;
        let sum: &[u8] = row.try_get(1).map_err(|_| DatabaseError::NotOurs)?;
        found = found.max(number);
        if number <= VERSION && !version::is_known(MIGRATIONS, number, sum) {
            return Err(DatabaseError::ChangedMigration { version: number });
        }
    }
    if found > VERSION {
        return Err(DatabaseError::NewerVersion { found, known: VERSION });
    }
    let kind = meta(transaction, "kind").await?.as_deref().and_then(DataKind::parse).ok_or(DatabaseError::NotOurs)?;
    let is_unfinished = meta(transaction, MARK).await?.is_some();
    Ok(Some(Found { version: found, kind, is_unfinished }))
}

/// Brings the data to this program's version, and a new store to life with its kind and epoch.
pub(super) async fn migrate(client: &mut Client, kind: DataKind) -> Result<Life, DatabaseError> {
    let transaction = client.transaction().await?;
    // Before the lock: whoever waits for a transfer must not keep it from what it does last.
    let alone = format!("SELECT pg_try_advisory_xact_lock_shared({TRANSFER_LOCK})");
    let until = Instant::now() + TRANSFER_PATIENCE;
    while !transaction.query_typed_one(&alone, &[]).await?.try_get(0)? {
        if Instant::now() >= until {
            return Err(DatabaseError::InTransfer);
        }
        tokio::time::sleep(TRANSFER_PAUSE).await;
    }
    lock(&transaction).await?;
    let found = check(&transaction, kind).await?;
    make(&transaction, kind, found).await?;
    let life = life(&transaction).await?;
    transaction.commit().await?;
    Ok(life)
}

/// Has others wait who are about to make or change tables.
pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    // Not a lock of the session: behind a pool that could be another one by the time it is let go of.
    Ok(transaction.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?)
}

/// Brings data of the version that was found to this program's.
pub(super) async fn make(
    transaction: &Transaction<'_>,
    kind: DataKind,
    found: Option<u32>,
) -> Result<(), DatabaseError> {
    if found.is_none() {
        transaction
            .batch_execute(
                "CREATE TABLE migrations (version INTEGER PRIMARY KEY, checksum BYTEA NOT NULL,
                                          applied_at TIMESTAMPTZ NOT NULL DEFAULT now());
                 CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);",
            )
            .await?;
        put_meta(transaction, "kind", kind.as_str()).await?;
    }
    for (sql, number) in MIGRATIONS.iter().zip(1i32..).skip(found.unwrap_or(0) as usize) {
        transaction.batch_execute(sql).await?;
        let sum = version::checksum(sql);
        let insert = "INSERT INTO migrations (version, checksum) VALUES ($1, $2)";
        transaction.execute_typed(insert, &[(&number, Type::INT4), (&sum, Type::BYTEA)]).await?;
    }
    Ok(())
}

/// Refuses a database that is not the one any more that a store was opened on.
pub(super) async fn check_life(client: &Client, life: &Life) -> Result<(), DatabaseError> {
    let row = client.query_typed_one(&format!("SELECT {SIGNS}"), &[]).await?;
    life.check(row.try_get(0)?, row.try_get(1)?).map_err(|why| DatabaseError::Database(why.to_owned()))
}

/// The data's life, a new one if the database is not the one that the last one was lived on.
async fn life(transaction: &Transaction<'_>) -> Result<Life, DatabaseError> {
    let row = transaction.query_typed_one(&format!("SELECT {SIGNS}"), &[]).await?;
    let (epoch, place): (Option<String>, String) = (row.try_get(0)?, row.try_get(1)?);
    let lived_on = meta(transaction, "lived_on").await?;
    let epoch = match epoch {
        Some(epoch) if lived_on.as_ref() == Some(&place) => epoch,
        _ => {
            let fresh = version::fresh_epoch().map_err(|error| DatabaseError::Database(error.to_string()))?;
            put_meta(transaction, "epoch", &fresh).await?;
            put_meta(transaction, "lived_on", &place).await?;
            fresh
        }
    };
    Ok(Life::new(epoch, place))
}

/// What is kept with the data under a key.
pub(super) async fn meta(transaction: &Transaction<'_>, key: &str) -> Result<Option<String>, DatabaseError> {
    let row = transaction.query_typed_opt("SELECT value FROM meta WHERE key = $1", &[(&key, Type::TEXT)]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

pub(super) async fn put_meta(transaction: &Transaction<'_>, key: &str, value: &str) -> Result<(), DatabaseError> {
    let put = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    transaction.execute_typed(put, &[(&key, Type::TEXT), (&value, Type::TEXT)]).await?;
    Ok(())
}
