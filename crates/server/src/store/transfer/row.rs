//! A row as it goes from one database to the other, what it is compared by, and what a search finds it by.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::tables::{Indexed, Table};
use crate::store::sql::rows::{self, MESSAGE};
use crate::store::sql::writer::indexed;
use cossistant_protocol::UserType;

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Cell {
    pub(in crate::store) const fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Null | Self::Text(_) | Self::Blob(_) => None,
        }
    }

    pub(in crate::store) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Int(_) | Self::Blob(_) => None,
        }
    }

    pub(in crate::store) fn blob(&self) -> Option<&[u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            Self::Null | Self::Int(_) | Self::Text(_) => None,
        }
    }

    /// A value of a key in the notes of a transfer: keys have numbers and names only.
    pub(super) fn noted(&self) -> Value {
        match self {
            Self::Int(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Null | Self::Blob(_) => Value::Null,
        }
    }

    /// The inverse of [`Cell::noted`].
    pub(super) fn read(noted: &Value) -> Option<Self> {
        noted.as_i64().map(Self::Int).or_else(|| noted.as_str().map(|text| Self::Text(text.to_owned())))
    }
}

/// A text without the one character that PostgreSQL cannot keep, as the store on it writes it: so is what either side
/// has compared.
pub(in crate::store) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// What the rows of a table come to, one after the other in the order of its key: the hash of each goes into that of the
/// next. Two tables that come to the same have the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) rows: u64,
    hash: [u8; 32],
}

impl Chain {
    pub(super) const fn new() -> Self {
        Self { rows: 0, hash: [0; 32] }
    }

    /// Takes one more row. Each value stands with its kind and its length, so no two rows look alike.
    pub(super) fn add(&mut self, row: &[Cell]) {
        let mut sum = Sha256::new_with_prefix(self.hash);
        for cell in row {
            match cell {
                Cell::Null => sum.update([0]),
                Cell::Int(value) => {
                    sum.update([1]);
                    sum.update(value.to_be_bytes());
                }
                Cell::Text(text) => add_bytes(&mut sum, 2, text.as_bytes()),
                Cell::Blob(bytes) => add_bytes(&mut sum, 3, bytes),
            }
        }
        self.hash = sum.finalize().into();
        self.rows += 1;
    }

    /// As it is kept in the notes.
    pub(super) fn read(rows: u64, hash: &str) -> Option<Self> {
        let mut read = [0; 32];
        if hash.len() != 64 {
            return None;
        }
        for (at, byte) in read.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hash.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(Self { rows, hash: read })
    }
}

fn add_bytes(sum: &mut Sha256, of: u8, bytes: &[u8]) {
    sum.update([of]);
    sum.update((bytes.len() as u64).to_be_bytes());
    sum.update(bytes);
}

impl fmt::Display for Chain {
    /// The hash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a search finds a row by, as the store that wrote it has indexed it; nothing for most rows.
pub(super) fn words(table: &Table, row: &[Cell], search_text: fn(&str) -> String) -> String {
    let at = |column: &str| &row[table.place(column)];
    let website = || at("website").int().unwrap_or_default();
    match table.indexed {
        Indexed::Nothing => String::new(),
        Indexed::Messages => match (at("kind").int(), at("content").text()) {
            (Some(MESSAGE), Some(content)) => {
                let of = if at("visitor_seq").int().is_some() { 'p' } else { 'n' };
                indexed(website(), of, &search_text(content))
            }
            _ => String::new(),
        },
        Indexed::Visitors => {
            let is_visitor = at("kind").int() == Some(rows::kind_number(UserType::Visitor));
            if !is_visitor || at("alias_of").int().is_some() {
                return String::new();
            }
            let (name, email) = (at("name").text().unwrap_or_default(), at("email").text().unwrap_or_default());
            indexed(website(), 'v', &format!("{name} {email}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[&[Cell]]) -> Chain {
        let mut chain = Chain::new();
        rows.iter().for_each(|row| chain.add(row));
        chain
    }

    #[test]
    fn rows_that_differ_come_to_something_else() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let all: [&[&[Cell]]; 9] = [
            &[],
            &[&[]],
            &[&[Cell::Null]],
            &[&[Cell::Int(0)]],
            &[&[text("")]],
            &[&[Cell::Blob(Vec::new())]],
            &[&[text("ab"), text("c")]],
            &[&[text("a"), text("bc")]],
            &[&[text("a")], &[text("bc")]],
        ];
        let sums: std::collections::BTreeSet<String> = all.iter().map(|rows| sum(rows).to_string()).collect();
        assert_eq!(sums.len(), all.len());
        let one = sum(&[&[Cell::Int(-1)], &[text("x")]]);
        assert_eq!(Chain::read(one.rows, &one.to_string()), Some(one), "it goes on where it was left");
        assert_eq!((Chain::read(1, "00"), Chain::read(1, &"é".repeat(32))), (None, None));
    }

    #[test]
    fn keys_are_noted_and_read() {
        for cell in [Cell::Int(i64::MIN), Cell::Text("website:\"ä".to_owned())] {
            assert_eq!(Cell::read(&cell.noted()), Some(cell));
        }
        assert_eq!(Cell::read(&Value::Null), None);
    }
}
