//! What can go wrong in a statement, as it is told apart inside and outside.

use crate::store::StoreError;

/// Why an operation failed, before it is told outside: the writer needs to see errors of the database itself.
#[derive(Debug)]
pub(in crate::store) enum Failure {
    /// An answer like any other.
    Answer(StoreError),
    /// The database's own.
    Database(Fault),
}

/// An error of the database.
#[derive(Debug)]
pub(in crate::store) struct Fault {
    /// What is said of it outside.
    pub(in crate::store) told: StoreError,
    /// What it means for those who write.
    pub(in crate::store) kind: FaultKind,
}

/// What an error of the database means for those who write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum FaultKind {
    /// A unique index refused the row.
    Unique,
    /// The connection may no longer be trusted: it is lost, or what it has in memory may not be on disk.
    Lost,
    /// The commit was sent and not answered: this transaction may stand or not.
    Unanswered(u64),
    /// Others wrote at the same time: the same transaction may succeed when it is run again.
    Collision,
    /// Somebody else has held a lock for longer than this may wait for it.
    Stalled,
    /// Anything else.
    Other,
}

impl Failure {
    /// Others wrote at the same time what this has just read: the group is to be run again.
    pub(in crate::store) fn collision(why: &str) -> Self {
        Self::Database(Fault { told: StoreError::Unavailable(why.to_owned()), kind: FaultKind::Collision })
    }

    /// Whether the connection must not be used again.
    pub(in crate::store) fn is_lost(&self) -> bool {
        matches!(self.kind(), Some(FaultKind::Lost | FaultKind::Unanswered(_)))
    }

    /// Whether a unique index refused the row.
    pub(in crate::store) fn is_unique(&self) -> bool {
        self.kind() == Some(FaultKind::Unique)
    }

    /// What it means, if it is the database's own.
    pub(in crate::store) const fn kind(&self) -> Option<FaultKind> {
        match self {
            Self::Answer(_) => None,
            Self::Database(fault) => Some(fault.kind),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Answer(error) => error,
            Failure::Database(fault) => fault.told,
        }
    }
}
