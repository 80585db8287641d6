//! Copies of a store, and stores made of copies.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::lock::{self, Lock};
use super::{OpenError, connection, schema};
use crate::auth::{OwnSecret, previous_path};

/// How much is copied between two calls of the progress callback: 4 MiB.
const PAGES_PER_STEP: i32 = 1024;

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages copied.
    pub done: u64,
    /// Pages in all.
    pub total: u64,
}

/// Why a copy failed. No file is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file to be made is there already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The directory holds no store that this program can read.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// A file could not be written.
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

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.to_string())
    }
}

/// Copies the store in `dir` into one new file, of one moment. The store may be in use, by this process or another, and
/// is not held up; its log grows until the copy is done. The file is its owner's alone from the first byte on.
///
/// # Errors
/// [`BackupError`]; an existing file is never overwritten.
pub fn backup(dir: &Path, dest: &Path, progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    let path = dir.join(connection::FILE);
    if !path.exists() {
        let reason = "there is no such file".to_owned();
        return Err(OpenError::Corrupt { path, reason }.into());
    }
    if dest.exists() {
        return Err(BackupError::Exists(dest.to_owned()));
    }
    let source = connection::reader(&path).map_err(OpenError::opening(&path))?;
    schema::check(&path, &source)?;
    let part = beside(dest, ".part");
    let io = |path: &Path| {
        let path = path.to_owned();
        |error| BackupError::Io { path, error }
    };
    make_private(&part).map_err(io(&part))?;
    let copied = copy(&source, &part, progress).and_then(|()| {
        sync(&part).map_err(io(&part))?;
        std::fs::rename(&part, dest).map_err(io(dest))?;
        sync_parent(dest).map_err(io(dest))
    });
    if copied.is_err()
        && part.exists()
        && let Err(error) = std::fs::remove_file(&part)
    {
        tracing::warn!(path = %part.display(), %error, "an unfinished copy stays behind");
    }
    copied
}

/// Makes the store in `dir` of a copy. Its epoch is another one, so that clients load anew what they hold.
///
/// # Errors
/// [`OpenError::NotEmpty`] if the directory has anything but a server's secrets in it, unless `force` says to replace
/// the store in it; [`OpenError::Locked`] if a server runs on it; [`OpenError::Corrupt`] if the copy is damaged. The
/// directory's store is replaced in one step, and only once the copy is proven and on stable storage.
pub fn restore(file: &Path, dir: &Path, force: bool) -> Result<(), OpenError> {
    if !file.is_file() {
        let reason = "there is no such file".to_owned();
        return Err(OpenError::Corrupt { path: file.to_owned(), reason });
    }
    let _lock = Lock::take(dir)?;
    if !force && !is_empty(dir).map_err(OpenError::io(dir))? {
        return Err(OpenError::NotEmpty(dir.to_owned()));
    }
    let path = dir.join(connection::FILE);
    let part = beside(&path, ".restore");
    if part.exists() {
        std::fs::remove_file(&part).map_err(OpenError::io(&part))?;
    }
    let made = take_over(file, &part).and_then(|()| {
        prove(file, &part)?;
        sync(&part).map_err(OpenError::io(&part))?;
        for suffix in ["-wal", "-shm"] {
            // A log of the replaced store must not be taken for one of the new.
            let log = beside(&path, suffix);
            if log.exists() {
                std::fs::remove_file(&log).map_err(OpenError::io(&log))?;
            }
        }
        std::fs::rename(&part, &path).map_err(OpenError::io(&path))?;
        sync_parent(&path).map_err(OpenError::io(&path))
    });
    if made.is_err() && part.exists() {
        std::fs::remove_file(&part).map_err(OpenError::io(&part))?;
    }
    made
}

fn copy(source: &Connection, part: &Path, mut progress: impl FnMut(BackupProgress)) -> Result<(), BackupError> {
    // An open read transaction keeps the copy at one moment; without it, every write would start it again.
    source.execute_batch("BEGIN; SELECT count(*) FROM meta;")?;
    let mut dest = Connection::open(part)?;
    {
        let backup = Backup::new(source, &mut dest)?;
        loop {
            let step = backup.step(PAGES_PER_STEP)?;
            let at = backup.progress();
            let total = u64::try_from(at.pagecount).unwrap_or(0);
            progress(BackupProgress { done: total - u64::try_from(at.remaining).unwrap_or(0).min(total), total });
            if step == StepResult::Done {
                break;
            }
            if step != StepResult::More {
                // The destination is ours alone and the source is never locked against readers.
                return Err(BackupError::Database("the store is locked".to_owned()));
            }
        }
    }
    // A copy is one file, without a log beside it.
    dest.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    dest.close().map_err(|(_, error)| error)?;
    source.execute_batch("COMMIT")?;
    Ok(())
}

/// Copies the bytes of a file, and not its mode.
fn take_over(file: &Path, part: &Path) -> Result<(), OpenError> {
    let mut from = File::open(file).map_err(OpenError::io(file))?;
    let mut into = make_private(part).map_err(OpenError::io(part))?;
    std::io::copy(&mut from, &mut into).map_err(OpenError::io(part))?;
    Ok(())
}

fn prove(file: &Path, part: &Path) -> Result<(), OpenError> {
    let corrupt = |reason: String| OpenError::Corrupt { path: file.to_owned(), reason };
    let conn = Connection::open(part)?;
    if schema::check(file, &conn)? == 0 {
        return Err(corrupt("it is empty".to_owned()));
    }
    let verdict: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| corrupt(error.to_string()))?;
    if verdict != "ok" {
        return Err(corrupt(verdict));
    }
    schema::renew_epoch(&conn)?;
    conn.close().map_err(|(_, error)| error.into())
}

/// Whether nothing is there but the lock and the server's own secrets. These a copy does not hold; one puts them back
/// before or after restoring.
pub(super) fn is_empty(dir: &Path) -> std::io::Result<bool> {
    let secrets = OwnSecret::ALL.map(|secret| secret.path_in(dir));
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let is_secret = secrets.iter().any(|secret| path == *secret || path == previous_path(secret));
        if path != dir.join(lock::FILE) && !is_secret {
            return Ok(false);
        }
    }
    Ok(true)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a file for its owner alone, since a store holds what signs tokens. The logs that the database keeps beside it
/// get the same mode. One that an end without notice has left behind is taken over.
fn make_private(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn sync(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => sync(dir),
        _ => sync(Path::new(".")),
    }
}
