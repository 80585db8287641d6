//! Which life of the data a store was opened in.
//!
//! A database that was restored, or a replica that took over, may lack what was acknowledged: clients must not go on
//! with the places that they had. So the store's epoch is kept with what tells a database apart: the number that its
//! files were made with, its timeline, and the numbers that it and its table gave themselves when they were made, which
//! are others after a dump was read in. Where any of them is another, the epoch is renewed by the first that comes. A
//! store that runs on looks whenever it connects and at the beginning of each transaction, and has nothing more to say once
//! it is over. Of transactions that only read and follow each other closely, most look at the epoch alone.

use tokio::sync::watch;

/// What is said of a life that is over.
const OVER: &str = "the database is not the one any more that this node was started on: restored, a replica that took \
    over, or moved elsewhere. The node has to start anew";

/// What a connection tells of the life that its database is in, as two columns: the epoch, and the place, which tells the
/// database apart.
pub(super) const SIGNS: &str = "(SELECT value FROM meta WHERE key = 'epoch'), concat_ws('/', (SELECT system_identifier FROM pg_control_system()), \
    substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), \
    (SELECT oid FROM pg_database WHERE datname = current_database()), 'meta'::regclass::oid)";

/// The first of them: it is another one once somebody has begun a new life.
pub(super) const EPOCH: &str = "(SELECT value FROM meta WHERE key = 'epoch')";

/// The life that a store was opened in.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) epoch: String,
    place: String,
    is_over: watch::Sender<bool>,
}

impl Life {
    pub(super) fn new(epoch: String, place: String) -> Self {
        Self { epoch, place, is_over: watch::Sender::new(false) }
    }

    /// Whether a database is still in it, by its [`SIGNS`].
    pub(super) fn check(&self, epoch: Option<&str>, place: Option<&str>) -> Result<(), &'static str> {
        if epoch == Some(&self.epoch) && place == Some(&self.place) && !self.is_over() {
            return Ok(());
        }
        if !self.is_over.send_replace(true) {
            tracing::error!("{OVER}");
        }
        Err(OVER)
    }

    /// Whether it may still be so, by the epoch alone.
    pub(super) fn check_epoch(&self, epoch: Option<&str>) -> Result<(), &'static str> {
        self.check(epoch, Some(&self.place))
    }

    /// What is to be told instead of an answer.
    pub(super) fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Tells when it is over.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.is_over.subscribe()
    }

    /// Why there is no answer.
    pub(super) const fn over() -> &'static str {
        OVER
    }
}
