//! What can go wrong, as it is told apart inside and outside.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::DataKind;
use crate::store::StoreError;
use crate::store::sql::error::{Failure, Fault, FaultKind};

/// Why a data directory could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{dir} is in use by {}", holder(*.pid))]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process, if it left its number.
        pid: Option<u32>,
    },
    /// Another process holds a lock on the database itself, as the tools of SQLite may.
    #[error("{path} is locked by {}: end it, or wait until it lets go", holder(*.pid))]
    DatabaseLocked {
        /// The file.
        path: PathBuf,
        /// The process, where the system tells.
        pid: Option<u32>,
    },
    /// It was made by a newer version of the program.
    #[error("{path} is of version {found}, but this program knows only versions up to {known}: use a newer program")]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version of the data.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It is of the other kind; a data directory is of one kind for ever.
    #[error("the data was made by a server {found}, and this is one {wanted}: use another directory")]
    WrongKind {
        /// What it is.
        found: DataKind,
        /// What was asked for.
        wanted: DataKind,
    },
    /// A migration that was applied is not the one that this program knows by the number.
    #[error("migration {version} of the data is not the one that this program knows")]
    ChangedMigration {
        /// Its number.
        version: u32,
    },
    /// It was to be filled by a transfer, which has not come to its end.
    #[error(
        "{path} is the target of an unfinished migration and has a part of the data: run the same `cossistant migrate` \
         again to finish it, or delete the file"
    )]
    Unfinished {
        /// The file.
        path: PathBuf,
    },
    /// The directory to restore into has data.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// The file is no store, or a damaged one.
    #[error("{path} is damaged or no store: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database refused.
    #[error("the database failed: {0}")]
    Database(String),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl OpenError {
    /// An error of opening a database: the file may be none.
    pub(super) fn opening(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        |error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Corrupt { path: path.to_owned(), reason: error.to_string() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::DatabaseLocked { path: path.to_owned(), pid: super::lock::holder(path) }
            }
            // The disk's fault is none of the file's.
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull,
            ) => {
                let error = std::io::Error::other(error.to_string());
                Self::Io { path: path.to_owned(), error }
            }
            Some(_) | None => error.into(),
        }
    }

    /// An error of reading what says of which version the data is.
    pub(super) fn reading(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        |error| match Self::opening(path)(error) {
            Self::Database(reason) => Self::Corrupt { path: path.to_owned(), reason },
            told @ (Self::Locked { .. }
            | Self::DatabaseLocked { .. }
            | Self::NewerVersion { .. }
            | Self::WrongKind { .. }
            | Self::ChangedMigration { .. }
            | Self::Unfinished { .. }
            | Self::NotEmpty(_)
            | Self::Corrupt { .. }
            | Self::Io { .. }) => told,
        }
    }

    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::Io { path: path.to_owned(), error }
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => FaultKind::Unique,
            // After a failed fsync, what the handle has in memory may not be on disk.
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::CannotOpen) => FaultKind::Lost,
            Some(_) | None => FaultKind::Other,
        };
        Self::Database(Fault { told: told(&error), kind })
    }
}

/// Whether the caller may try again (the disk, a lock) or the data is not what it should be (all else).
fn told(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Corrupt(error.to_string()),
    }
}
