//! What can go wrong, as it is told apart inside and outside. No message has the password in it.

use std::path::PathBuf;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;
use crate::store::sql::error::{Failure, Fault, FaultKind};
use crate::store::sql::version::DataKind;

/// Why a database cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The address is none.
    #[error("database_url is not an address of a database: {0}")]
    Url(String),
    /// The file of the authority cannot be used.
    #[error("sslrootcert {}: {reason}", path.display())]
    Authority {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nobody answers there, or TLS fails.
    #[error("the database at {place} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port.
        place: String,
        /// Why.
        reason: String,
    },
    /// User or password are wrong, or may not connect.
    #[error("the database at {place} does not let us in: {reason}")]
    Denied {
        /// Host and port.
        place: String,
        /// In the database's words.
        reason: String,
    },
    /// There is no such database.
    #[error("at {place} {reason}: create it first (createdb)")]
    NoDatabase {
        /// Host and port.
        place: String,
        /// In the database's words.
        reason: String,
    },
    /// The server is older than what this program needs.
    #[error("the database is PostgreSQL {found}, and this program needs 14 or newer")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// It acknowledges what is not on stable storage.
    #[error(
        "the database runs with fsync = off, so a crash of its machine loses or damages what was acknowledged: turn it \
         on, or use --dev"
    )]
    Unsafe,
    /// It cannot keep every character.
    #[error("the database has the encoding {found}, and this program needs one in UTF8")]
    Encoding {
        /// Its encoding.
        found: String,
    },
    /// It has tables of something else.
    #[error("the database has tables that are not this program's: use a database of its own")]
    NotOurs,
    /// It was made by a newer version of the program.
    #[error(
        "the database is of version {found}, but this program knows only versions up to {known}: use a newer program"
    )]
    NewerVersion {
        /// The version of the data.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It is of the other kind; a database is of one kind for ever.
    #[error("the data was made by a server {found}, and this is one {wanted}: use another database")]
    WrongKind {
        /// What it is.
        found: DataKind,
        /// What was asked for.
        wanted: DataKind,
    },
    /// It was to be filled by a transfer, which has not come to its end.
    #[error(
        "the database is the target of an unfinished migration and has a part of the data: run the same \
         `cossistant migrate` again to finish it, or use another database"
    )]
    Unfinished,
    /// All that it has is being moved.
    #[error(
        "`cossistant migrate` is at work on the database: wait until it is done. Of one whose machine is gone the \
         database lets go within half a minute; pg_terminate_backend ends its connections, called cossistant-migrate, at once"
    )]
    InTransfer,
    /// A migration that was applied is not the one that this program knows by the number.
    #[error("migration {version} of the database is not the one that this program knows")]
    ChangedMigration {
        /// Its number.
        version: u32,
    },
    /// The database refused.
    #[error("the database failed: {0}")]
    Database(String),
}

impl DatabaseError {
    /// Whether what was asked for is wrong, rather than that it failed.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Url(_)
                | Self::Authority { .. }
                | Self::Denied { .. }
                | Self::NoDatabase { .. }
                | Self::TooOld { .. }
                | Self::Unsafe
                | Self::Encoding { .. }
                | Self::NotOurs
                | Self::WrongKind { .. }
        )
    }

    /// An error of connecting.
    pub(super) fn connecting(place: &str, error: &Error) -> Self {
        let (place, reason) = (place.to_owned(), words(error));
        match error.code() {
            Some(code) if code.code().starts_with("28") => Self::Denied { place, reason },
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Self::Denied { place, reason },
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => Self::NoDatabase { place, reason },
            Some(_) | None => Self::Unreachable { place, reason },
        }
    }
}

impl From<Error> for DatabaseError {
    fn from(error: Error) -> Self {
        Self::Database(words(&error))
    }
}

impl From<DatabaseError> for Failure {
    /// An error of connecting again: it may go away.
    fn from(error: DatabaseError) -> Self {
        lost(error.to_string())
    }
}

/// What an error says, without what it is about: that may be somebody's name.
pub(super) fn words(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

/// The connection is gone.
pub(super) fn lost(why: String) -> Failure {
    Failure::Database(Fault { told: StoreError::Unavailable(why), kind: FaultKind::Lost })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let why = words(&error);
        let Some(code) = error.code() else {
            // Either the connection broke, or an answer was not what was asked for; a new connection is right for both.
            return lost(why);
        };
        let (kind, is_passing) = match code.code() {
            "23505" => (FaultKind::Unique, false),
            // Serialization failure, deadlock, and a reference to what another node has deleted, or is referring to,
            // since it was looked up.
            "40001" | "40P01" | "23503" => (FaultKind::Collision, true),
            // A lock was not to be had in time.
            "55P03" => (FaultKind::Stalled, true),
            // It ends, it begins, it is only a copy: somewhere else or later there is one that takes writes.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => (FaultKind::Lost, true),
            // A statement that was prepared on another session than the one that a pool has given, or for a table that
            // was changed since: a new connection prepares its own.
            "26000" | "42P05" | "0A000" => (FaultKind::Lost, true),
            code => match code.get(..2) {
                Some("08") => (FaultKind::Lost, true),
                // Resources, limits, an operator's doing, the disk.
                Some("53" | "55" | "57" | "58" | "25") => (FaultKind::Other, true),
                _ => (FaultKind::Other, false),
            },
        };
        let told = if is_passing { StoreError::Unavailable(why) } else { StoreError::Corrupt(why) };
        Self::Database(Fault { told, kind })
    }
}
