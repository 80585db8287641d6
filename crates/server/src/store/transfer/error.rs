//! Why a transfer did not come to its end. No message has a password in it.

use std::path::PathBuf;

use crate::store::{DatabaseError, OpenError};

/// Why not everything was moved. The source is as it was; if nothing but the end failed, it may have another epoch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Both places are of one kind.
    #[error("{0}")]
    Places(&'static str),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// There is nothing to be moved.
    #[error("{place} has no store to be moved")]
    NothingThere {
        /// The source.
        place: String,
    },
    /// The source was written by an older program.
    #[error(
        "{place} is of version {found}, and this program moves version {known} alone: start this version's server on it \
         once, stop it, and come again"
    )]
    OlderVersion {
        /// The source.
        place: String,
        /// The version of its data.
        found: u32,
        /// The one that this program writes.
        known: u32,
    },
    /// The database was restored, or a replica took over, and no server has run on it since.
    #[error(
        "{place} was restored, or a replica took over, since a server ran on it: start a server on it once, so that clients \
         are told, stop it, and come again"
    )]
    OtherLife {
        /// The source.
        place: String,
    },
    /// A server uses the database.
    #[error("a server runs on {place} ({who}): stop it first, and all others that use this database")]
    InUse {
        /// Which of the two places.
        place: String,
        /// What was seen of it.
        who: String,
    },
    /// Another transfer has the database.
    #[error(
        "another `cossistant migrate` runs on {place}: one at a time. Of one whose machine is gone the database lets go \
         within half a minute; pg_terminate_backend ends its connections, called cossistant-migrate, at once"
    )]
    AnotherRuns {
        /// Which of the two places.
        place: String,
    },
    /// The target has data of its own.
    #[error("{place} is not empty ({what}): nothing is ever mixed; give a new one")]
    NotEmpty {
        /// The target.
        place: String,
        /// What it has.
        what: String,
    },
    /// The target has an unfinished transfer of something else.
    #[error(
        "{place} has an unfinished migration of another source: finish that one, or give --start-over, which throws away \
         what was moved"
    )]
    OtherSource {
        /// The target.
        place: String,
    },
    /// The target has an unfinished transfer that another version of the program began.
    #[error(
        "{place} has an unfinished migration that another version of this program began: finish it by that one, or give \
         --start-over, which throws away what was moved"
    )]
    OtherProgram {
        /// The target.
        place: String,
    },
    /// The source is not what it was when a part of it was moved.
    #[error(
        "the source has changed since a part of it was moved (in {table}): a server ran on it. Give --start-over, which \
         throws away what was moved and begins anew"
    )]
    SourceChanged {
        /// Where that was seen.
        table: &'static str,
    },
    /// The target is not what was written into it, by its own account.
    #[error("{place} has been changed by somebody else: {reason}")]
    TargetChanged {
        /// The target.
        place: String,
        /// What was seen.
        reason: String,
    },
    /// The caller did not want to go on.
    #[error("stopped: run the same command again, and it goes on where it was")]
    Stopped,
    /// A database or a disk failed in the middle.
    #[error("{place}: {reason}")]
    Failed {
        /// Where.
        place: String,
        /// Why.
        reason: String,
    },
    /// A value is not as the store writes it.
    #[error("{place} is damaged: {reason}")]
    Damaged {
        /// Where.
        place: String,
        /// What was found.
        reason: String,
    },
    /// A file of the data folder failed.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl TransferError {
    /// Whether what was asked for is wrong, rather than that it failed.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        if let Self::Database(error) = self { error.is_usage() } else { matches!(self, Self::Places(_)) }
    }

    /// Whether the same command, given again, goes on where this one ended.
    #[must_use]
    pub const fn can_go_on(&self) -> bool {
        matches!(self, Self::Stopped | Self::Failed { .. })
    }
}
