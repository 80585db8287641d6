//! One of the two databases of a transfer, as little of it as that needs.

use super::TransferError;
use super::row::Cell;
use super::tables::Table;
use crate::store::sql::version::DataKind;

/// The life of a store, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Life {
    pub(in crate::store) epoch: String,
    pub(in crate::store) kind: DataKind,
}

/// Under which key of `meta` a target notes that it is unfinished, and of what.
pub(in crate::store) const MARK: &str = "transfer";

/// Under which key of `meta` a target notes how far a table has come.
pub(in crate::store) fn note_key(table: &Table) -> String {
    format!("{MARK}:{}", table.name)
}

/// Something that is read, in the order of its keys.
pub(in crate::store) trait Side {
    /// Where it is, for people.
    fn place(&self) -> &str;

    /// Fails once nothing keeps servers and other transfers away any more.
    fn hold(&mut self) -> Result<(), TransferError>;

    /// The rows behind a key (the first ones without), at most so many.
    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError>;

    /// How many rows a table has.
    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError>;

    /// The highest number that a row of a table ever had, as far as is known; 0 for none.
    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError>;
}

/// What is moved. It is only read, until all of it is at the target.
pub(in crate::store) trait Source: Side {
    fn life(&self) -> &Life;

    /// Begins another life there, which is on stable storage after that: what runs on it unseen ends, and whoever starts
    /// there later is not taken for the target. Nothing is read from then on.
    fn leave(&mut self, epoch: &str) -> Result<(), TransferError>;
}

/// What goes into a target in one transaction.
#[derive(Debug)]
pub(in crate::store) struct Batch<'b> {
    pub(in crate::store) table: &'static Table,
    pub(in crate::store) rows: &'b [Vec<Cell>],
    /// What a search finds each row by.
    pub(in crate::store) words: &'b [String],
    /// How far the table has come after it, and what was noted of that before.
    pub(in crate::store) note: &'b str,
    pub(in crate::store) noted: Option<&'b str>,
}

/// What the index of the search holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::store) struct IndexSize {
    /// Messages and visitors in it.
    pub(in crate::store) documents: u64,
    /// The words of each, together.
    pub(in crate::store) words: u64,
}

/// Where everything goes.
pub(in crate::store) trait Target: Side {
    /// What is noted under a key of `meta`; nothing where no tables are.
    fn note(&mut self, key: &str) -> Result<Option<String>, TransferError>;

    /// What it has of its own, if it is not empty.
    fn content(&mut self) -> Result<Option<String>, TransferError>;

    /// Makes the tables where there are none, and marks it as unfinished: no server starts on it from now on.
    fn begin(&mut self, life: &Life, mark: &str) -> Result<(), TransferError>;

    /// Throws away what an unfinished transfer has brought, and marks it anew.
    fn start_over(&mut self, life: &Life, mark: &str) -> Result<(), TransferError>;

    /// Writes rows along with how far that goes: both or neither.
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), TransferError>;

    /// What the index of the search holds, after it was proven to be sound.
    fn index_size(&mut self) -> Result<IndexSize, TransferError>;

    /// Has all that was written, and the mark, on stable storage.
    fn secure(&mut self) -> Result<(), TransferError>;

    /// Has numbers go on behind those that were given, gives it the life, and takes the mark away: a server may start. All
    /// of it is on stable storage after that.
    fn finish(&mut self, life: &Life, numbers: &[(&'static Table, i64)]) -> Result<(), TransferError>;
}
