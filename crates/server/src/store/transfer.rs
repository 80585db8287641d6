//! Moves everything that a store holds from a data folder to a PostgreSQL database, or the other way round.
//!
//! Rows keep their numbers, so whatever refers to them does: places, ids of deliveries, idempotency keys. The store keeps
//! its epoch, so clients resume by the places that they have. The source is only read, and in the end gets another epoch,
//! just before a server may start on the target: no two places are ever served in one life.
//!
//! Both places are held meanwhile, so that no server runs on either. What is written goes in batches, each in one
//! transaction with a note of how far it goes; however the transfer ends, the next one goes on there. Until all of it was
//! read back from the target and is what was read from the source, the target is marked as unfinished, and no server
//! starts on it.
//!
//! The index of the search is made anew from what it indexes.

mod error;
pub(super) mod row;
pub(super) mod side;
pub(super) mod tables;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::{Value, json};

pub use self::error::TransferError;

use self::row::{Cell, Chain};
use self::side::{Batch, IndexSize, Life, MARK, Source, Target, note_key};
use self::tables::{Indexed, Numbering, TABLES, Table};
use super::sql::version::fresh_epoch;
use super::{postgres, sqlite};

/// One end of a transfer.
#[derive(Clone)]
pub enum TransferPlace {
    /// A data folder with an embedded store.
    Folder(PathBuf),
    /// The address of a PostgreSQL database.
    Database(String),
}

impl std::fmt::Debug for TransferPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(dir) => f.debug_tuple("Folder").field(dir).finish(),
            // It has a password in it.
            Self::Database(_) => f.write_str("Database"),
        }
    }
}

/// What is to be moved, and how.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// What is moved.
    pub from: TransferPlace,
    /// Where to: a new folder or one with nothing but a server's secrets, or an empty database.
    pub to: TransferPlace,
    /// How many rows go in one transaction; at least 1.
    pub batch: usize,
    /// Throws away what an unfinished transfer has brought to the target.
    pub start_over: bool,
    /// What a search finds the content of a message by.
    pub search_text: fn(&str) -> String,
}

/// What a transfer is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferPhase {
    /// Looks whether the source is still what an earlier run has moved a part of.
    Recognizing,
    /// Moves.
    Moving,
    /// Reads back from the target.
    Comparing,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferProgress {
    /// What it is at.
    pub phase: TransferPhase,
    /// In which table.
    pub table: &'static str,
    /// Rows of this table, in this phase.
    pub rows: u64,
    /// Rows of all tables, in this phase.
    pub done: u64,
    /// Rows of all tables in all, as far as is known.
    pub total: u64,
}

/// A table of both places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub table: &'static str,
    /// Rows that were read from the source.
    pub moved: u64,
    /// Rows that were read back from the target.
    pub found: u64,
    /// The hash of the source's rows, in hexadecimal digits.
    pub hash: String,
    /// The hash of the target's.
    pub found_hash: String,
}

impl TableReport {
    /// Whether both places have the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        (self.moved, &self.hash) == (self.found, &self.found_hash)
    }
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferReport {
    /// From where, for people.
    pub from: String,
    /// Where to, for people.
    pub to: String,
    /// The life that the store goes on in.
    pub epoch: String,
    /// Rows of this run; the others were moved by runs before it.
    pub rows: u64,
    /// Table by table; the last one is the index of the search, in which rows are documents and the hash is the number
    /// of their words.
    pub tables: Vec<TableReport>,
}

impl TransferReport {
    /// Whether both places have the same. If not, the target stays unfinished.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.tables.iter().all(TableReport::is_same)
    }
}

/// Moves everything. Waits for disks and databases, so not to be called by a task of a runtime.
///
/// It is told how far it has come after each batch, and stops there when it is told to; what was moved until then stays.
///
/// # Errors
/// [`TransferError`]; the target is as it was, or marked as unfinished.
pub fn transfer(
    transfer: &Transfer,
    mut progress: impl FnMut(TransferProgress) -> ControlFlow<()>,
) -> Result<TransferReport, TransferError> {
    let (mut source, mut target): (Box<dyn Source>, Box<dyn Target>) = match (&transfer.from, &transfer.to) {
        (TransferPlace::Folder(from), TransferPlace::Database(to)) => {
            let source = sqlite::TransferSource::open(from)?;
            let target = postgres::TransferTarget::open(to, source.life().kind)?;
            (Box::new(source), Box::new(target))
        }
        (TransferPlace::Database(from), TransferPlace::Folder(to)) => {
            let source = postgres::TransferSource::open(from)?;
            let target = sqlite::TransferTarget::open(to, source.life().kind)?;
            (Box::new(source), Box::new(target))
        }
        (TransferPlace::Folder(_), TransferPlace::Folder(_)) => {
            return Err(TransferError::Places(
                "both are folders: `cossistant backup` and `restore` copy a folder's store",
            ));
        }
        (TransferPlace::Database(_), TransferPlace::Database(_)) => {
            return Err(TransferError::Places("both are databases: pg_dump and pg_restore copy a database"));
        }
    };
    let mut run = Run { transfer, source: &mut *source, target: &mut *target, progress: &mut progress };
    run.run()
}

/// How far a table has come.
#[derive(Debug, Clone)]
struct Note {
    chain: Chain,
    last: Option<Vec<Cell>>,
    is_done: bool,
    /// As the target has it.
    text: Option<String>,
}

impl Note {
    const fn new() -> Self {
        Self { chain: Chain::new(), last: None, is_done: false, text: None }
    }

    fn to_text(&self) -> String {
        let last: Option<Vec<Value>> = self.last.as_ref().map(|key| key.iter().map(Cell::noted).collect());
        json!({"rows": self.chain.rows, "hash": self.chain.to_string(), "last": last, "done": self.is_done}).to_string()
    }

    fn read(text: String) -> Option<Self> {
        let noted: Value = serde_json::from_str(&text).ok()?;
        let last = noted["last"].as_array().map(|key| key.iter().map(Cell::read).collect::<Option<_>>());
        Some(Self {
            chain: Chain::read(noted["rows"].as_u64()?, noted["hash"].as_str()?)?,
            last: last.map_or(Some(None), |key| key.map(Some))?,
            is_done: noted["done"].as_bool()?,
            text: Some(text),
        })
    }
}

/// What a transfer brings to its target.
struct Begun {
    /// The life that goes on there.
    life: Life,
    /// The epoch that the source has once it is left.
    left: String,
    /// How far each table has come.
    notes: Vec<Note>,
}

/// Counts what was gone through in one phase.
struct Count {
    phase: TransferPhase,
    done: u64,
    total: u64,
}

struct Run<'r> {
    transfer: &'r Transfer,
    source: &'r mut dyn Source,
    target: &'r mut dyn Target,
    progress: &'r mut dyn FnMut(TransferProgress) -> ControlFlow<()>,
}

impl Run<'_> {
    fn run(&mut self) -> Result<TransferReport, TransferError> {
        let Begun { life, left, mut notes } = self.begin()?;
        self.recognize(&notes)?;
        let before: u64 = notes.iter().map(|note| note.chain.rows).sum();
        self.move_all(&mut notes)?;
        let tables = self.compare(&notes)?;
        let report = TransferReport {
            from: self.source.place().to_owned(),
            to: self.target.place().to_owned(),
            epoch: life.epoch.clone(),
            rows: notes.iter().map(|note| note.chain.rows).sum::<u64>() - before,
            tables,
        };
        if report.is_same() {
            let mut numbers = Vec::new();
            for table in TABLES.iter().filter(|table| table.numbering != Numbering::None) {
                numbers.push((table, self.source.last_number(table)?));
            }
            self.hold()?;
            // What the source would be left for must not go with a loss of power.
            self.target.secure()?;
            // Before the target is complete: whatever happens between the two, nobody goes on at both.
            if self.source.life().epoch != left {
                self.source.leave(&left)?;
            }
            self.target.finish(&life, &numbers)?;
        }
        Ok(report)
    }

    /// Marks the target, or finds there how far an earlier run has come.
    fn begin(&mut self) -> Result<Begun, TransferError> {
        let life = self.source.life().clone();
        let left = fresh_epoch().map_err(|error| TransferError::Failed {
            place: self.source.place().to_owned(),
            reason: format!("no randomness: {error}"),
        })?;
        let versions = json!([sqlite::VERSION, postgres::VERSION]);
        let from = self.source.place();
        let mark = json!({"epoch": life.epoch, "left": left, "from": from, "versions": versions}).to_string();
        let fresh = |life, left| Begun { life, left, notes: TABLES.iter().map(|_| Note::new()).collect() };
        let Some(found) = self.target.note(MARK)? else {
            if let Some(mut what) = self.target.content()? {
                if self.target.note("epoch")? == Some(life.epoch) {
                    what.push_str(", and is of the same life: it was copied from one to the other");
                }
                return Err(TransferError::NotEmpty { place: self.target.place().to_owned(), what });
            }
            self.target.begin(&life, &mark)?;
            return Ok(fresh(life, left));
        };
        if self.transfer.start_over {
            self.target.start_over(&life, &mark)?;
            return Ok(fresh(life, left));
        }
        let found: Value = serde_json::from_str(&found).unwrap_or_default();
        let (Some(epoch), Some(left)) = (found["epoch"].as_str(), found["left"].as_str()) else {
            return Err(TransferError::OtherProgram { place: self.target.place().to_owned() });
        };
        // An earlier run may have come as far as to leave it.
        if epoch != life.epoch && left != life.epoch {
            return Err(TransferError::OtherSource { place: self.target.place().to_owned() });
        }
        if found["versions"] != versions {
            return Err(TransferError::OtherProgram { place: self.target.place().to_owned() });
        }
        let (life, left) = (Life { epoch: epoch.to_owned(), ..life }, left.to_owned());
        let mut notes = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            notes.push(match self.target.note(&note_key(table))? {
                None => Note::new(),
                Some(text) => Note::read(text).ok_or_else(|| TransferError::TargetChanged {
                    place: self.target.place().to_owned(),
                    reason: format!("its note of {} cannot be read", table.name),
                })?,
            });
        }
        Ok(Begun { life, left, notes })
    }

    /// Reads once more what was moved by earlier runs: a source that is another one since must not become half of each.
    fn recognize(&mut self, notes: &[Note]) -> Result<(), TransferError> {
        let total = notes.iter().map(|note| note.chain.rows).sum();
        let mut count = Count { phase: TransferPhase::Recognizing, done: 0, total };
        for (table, note) in TABLES.iter().zip(notes) {
            let (mut chain, mut last) = (Chain::new(), None);
            let changed = || TransferError::SourceChanged { table: table.name };
            while chain.rows < note.chain.rows {
                let left = usize::try_from(note.chain.rows - chain.rows).unwrap_or(usize::MAX);
                let rows = self.source.read(table, last.as_deref(), self.batch().min(left))?;
                rows.iter().for_each(|row| chain.add(row));
                last = Some(key_of(table, rows.last().ok_or_else(changed)?));
                self.tell(&mut count, table, rows.len(), chain.rows)?;
            }
            let has_more = || Ok::<_, TransferError>(!self.source.read(table, last.as_deref(), 1)?.is_empty());
            if chain != note.chain || last != note.last || (note.is_done && { has_more }()?) {
                return Err(changed());
            }
        }
        Ok(())
    }

    fn move_all(&mut self, notes: &mut [Note]) -> Result<(), TransferError> {
        let mut counts = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            counts.push(self.source.count(table)?);
        }
        let total = counts.iter().sum();
        let done = notes.iter().map(|note| note.chain.rows).sum();
        let mut count = Count { phase: TransferPhase::Moving, done, total };
        for ((table, note), has) in TABLES.iter().zip(notes).zip(counts) {
            while !note.is_done {
                self.hold()?;
                let rows = self.source.read(table, note.last.as_deref(), self.batch())?;
                rows.iter().for_each(|row| note.chain.add(row));
                note.last = rows.last().map(|row| key_of(table, row)).or(note.last.take());
                note.is_done = rows.len() < self.batch();
                let words: Vec<String> = rows.iter().map(|row| self.words(table, row)).collect();
                let text = note.to_text();
                let noted = note.text.as_deref();
                self.target.write(&Batch { table, rows: &rows, words: &words, note: &text, noted })?;
                note.text = Some(text);
                self.tell(&mut count, table, rows.len(), note.chain.rows)?;
            }
            // All of the source is of one moment, so it is an index that hides rows, or has some twice.
            if note.chain.rows != has {
                let (name, read) = (table.name, note.chain.rows);
                let reason =
                    format!("{name} has {has} rows, and {read} were found by its key: its index is to be made anew");
                return Err(TransferError::Damaged { place: self.source.place().to_owned(), reason });
            }
        }
        Ok(())
    }

    /// Reads everything back.
    fn compare(&mut self, notes: &[Note]) -> Result<Vec<TableReport>, TransferError> {
        let total = notes.iter().map(|note| note.chain.rows).sum();
        let mut count = Count { phase: TransferPhase::Comparing, done: 0, total };
        let (mut reports, mut index) = (Vec::new(), IndexSize::default());
        for (table, note) in TABLES.iter().zip(notes) {
            let (mut chain, mut last) = (Chain::new(), None);
            loop {
                let rows = self.target.read(table, last.as_deref(), self.batch())?;
                for row in &rows {
                    chain.add(row);
                    let words = self.words(table, row);
                    index.documents += u64::from(!words.is_empty());
                    index.words += words.split_whitespace().count() as u64;
                }
                self.tell(&mut count, table, rows.len(), chain.rows)?;
                match rows.last() {
                    Some(row) if rows.len() == self.batch() => last = Some(key_of(table, row)),
                    _ => break,
                }
            }
            reports.push(TableReport {
                table: table.name,
                moved: note.chain.rows,
                found: chain.rows,
                hash: note.chain.to_string(),
                found_hash: chain.to_string(),
            });
        }
        let found = self.target.index_size()?;
        reports.push(TableReport {
            table: "search",
            moved: index.documents,
            found: found.documents,
            hash: index.words.to_string(),
            found_hash: found.words.to_string(),
        });
        Ok(reports)
    }

    fn words(&self, table: &Table, row: &[Cell]) -> String {
        if table.indexed == Indexed::Nothing {
            return String::new();
        }
        row::words(table, row, self.transfer.search_text)
    }

    fn batch(&self) -> usize {
        self.transfer.batch.max(1)
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        self.source.hold()?;
        self.target.hold()
    }

    fn tell(&mut self, count: &mut Count, table: &Table, more: usize, rows: u64) -> Result<(), TransferError> {
        count.done += more as u64;
        let Count { phase, done, total } = *count;
        let told = TransferProgress { phase, table: table.name, rows, done, total: total.max(done) };
        if (self.progress)(told).is_break() { Err(TransferError::Stopped) } else { Ok(()) }
    }
}

fn key_of(table: &Table, row: &[Cell]) -> Vec<Cell> {
    row[..table.key].to_vec()
}
