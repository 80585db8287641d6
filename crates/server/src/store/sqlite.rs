//! The embedded store: one SQLite database in a data directory.
//!
//! One thread writes, some read. A commit returns once its log is on stable storage, and all writes that wait share
//! one. Access through the file's own tools (`sqlite3 store.db`) is safe while a server runs, as long as it only reads.

mod backup;
mod checkpoint;
mod connection;
mod error;
mod inspect;
mod lock;
mod schema;
mod session;
#[cfg(test)]
mod tests;
mod transfer;

use std::path::{Path, PathBuf};

pub use self::backup::{BackupError, BackupProgress, backup, restore};
pub use self::error::OpenError;
pub use self::inspect::{Depth, Holder, Inspection, holder, inspect};

pub(crate) use self::lock::make_folder;
pub(in crate::store) use self::schema::VERSION;
pub(in crate::store) use self::transfer::{TransferSource, TransferTarget};

use self::lock::Lock;
use self::session::{ReaderLink, WriterLink};
use super::StoreError;
use super::sql::link::Link;
use super::sql::version::DataKind;
use super::sql::{Keeper, SqlStore};

/// How to open a [`SqliteStore`].
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// What the data is for. Data of the other kind is refused.
    pub kind: DataKind,
    /// How many threads read; at least 1. More help only while reads wait for a disk.
    pub readers: usize,
    /// How many writes may wait before further ones are [`super::StoreError::Unavailable`].
    pub waiting_writes_max: usize,
    /// How many reads may wait before further ones are [`super::StoreError::Unavailable`].
    pub waiting_reads_max: usize,
}

impl SqliteConfig {
    /// The defaults for a directory: two readers, 8,192 waiting writes and as many reads.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, kind: DataKind) -> Self {
        Self { dir: dir.into(), kind, readers: 2, waiting_writes_max: 8192, waiting_reads_max: 8192 }
    }
}

/// The store in a data directory, which it holds alone.
///
/// Dropping it answers what is queued, closes the database and lets go of the directory; that may wait for the disk.
pub type SqliteStore = SqlStore<Folder>;

/// What is known of a data directory.
#[derive(Debug)]
pub struct Folder {
    epoch: String,
    dir: PathBuf,
    _lock: Lock,
}

impl Keeper for Folder {
    fn epoch(&self) -> Result<String, StoreError> {
        Ok(self.epoch.clone())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

impl SqliteStore {
    /// Opens the store of a directory, or makes one, and brings it to this program's version.
    ///
    /// # Errors
    /// [`OpenError`]; see its variants.
    pub fn open(config: SqliteConfig) -> Result<Self, OpenError> {
        let lock = Lock::take(&config.dir)?;
        let path = config.dir.join(connection::FILE);
        if path.exists() {
            // Looked at without writing, so that data which is not ours stays as it is.
            schema::check(&path, &connection::reader(&path).map_err(OpenError::opening(&path))?)?;
        }
        let conn = connection::writer(&path).map_err(OpenError::opening(&path))?;
        schema::migrate(&path, &conn, config.kind)?;
        let epoch = schema::epoch(&path, &conn)?;
        let readers = (0..config.readers.max(1)).map(|_| ReaderLink::new(path.clone()));
        let readers = readers.map(|link| link.map(|link| Box::new(link) as Box<dyn Link>)).collect::<Result<_, _>>()?;
        let writer = Box::new(WriterLink::new(path, conn)?);
        let keeper = Folder { epoch, dir: config.dir, _lock: lock };
        Self::start(writer, readers, None, config.waiting_writes_max, config.waiting_reads_max, keeper)
            .map_err(|error| OpenError::Database(format!("no thread for the store: {error}")))
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.keeper.dir
    }
}
