//! What a store is made of, as both databases have it: every table with the columns that are moved.
//!
//! A table or a column that one of the databases has and this list has not fails a test (`tests/catalog.rs`).

/// What a column holds; each may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Of {
    Int,
    Text,
    Blob,
}

/// Which numbers the rows of a table are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Numbering {
    /// None: its key is made of other rows' numbers or of names.
    None,
    /// A number for each row.
    Rows,
    /// The same, and one that was given is never given again: others refer to rows that are gone.
    Ever,
}

/// What of a table the search index has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Indexed {
    Nothing,
    Messages,
    Visitors,
}

/// A table.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    /// Those of the key come first.
    pub(in crate::store) columns: &'static [(&'static str, Of)],
    /// How many of the columns are the key.
    pub(in crate::store) key: usize,
    pub(in crate::store) numbering: Numbering,
    pub(in crate::store) indexed: Indexed,
}

impl Table {
    const fn new(name: &'static str, key: usize, columns: &'static [(&'static str, Of)]) -> Self {
        Self { name, columns, key, numbering: Numbering::None, indexed: Indexed::Nothing }
    }

    const fn numbered(self, numbering: Numbering) -> Self {
        Self { numbering, ..self }
    }

    const fn indexed(self, indexed: Indexed) -> Self {
        Self { indexed, ..self }
    }

    /// The names of all columns, with something before each.
    pub(in crate::store) fn names(&self, before: &str) -> String {
        join(self.columns, |(name, _)| format!("{before}{name}"))
    }

    /// The names of the key's columns, with something before each.
    pub(in crate::store) fn key_names(&self, before: &str) -> String {
        join(&self.columns[..self.key], |(name, _)| format!("{before}{name}"))
    }

    /// Where a column stands.
    pub(in crate::store) fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|(name, _)| *name == column).expect("a column of this very table")
    }
}

/// One text of many, with commas between.
pub(in crate::store) fn join<T>(all: &[T], text: impl FnMut(&T) -> String) -> String {
    all.iter().map(text).collect::<Vec<_>>().join(", ")
}

use Of::{Blob, Int, Text};

/// In an order in which every row comes behind those that it refers to, but for people, who refer to each other.
pub(in crate::store) const TABLES: &[Table] = &[
    Table::new("organizations", 1, &[("id", Int), ("public_id", Text), ("name", Text), ("created_at", Int)])
        .numbered(Numbering::Rows),
    Table::new(
        "websites",
        1,
        &[
            ("id", Int),
            ("organization", Int),
            ("public_id", Text),
            ("head", Int),
            ("name", Text),
            ("accent", Text),
            ("questions", Text),
            ("allowed_domains", Text),
            ("typing_preview", Text),
            ("unseen_after", Int),
            ("created_at", Int),
        ],
    )
    .numbered(Numbering::Ever),
    Table::new(
        "keys",
        1,
        &[
            ("id", Int),
            ("public_id", Text),
            ("organization", Int),
            ("website", Int),
            ("kind", Int),
            ("material", Blob),
            ("algorithm", Text),
            ("created_at", Int),
        ],
    )
    .numbered(Numbering::Rows),
    Table::new("revocations", 3, &[("organization", Int), ("kind", Int), ("person", Text), ("at", Int)]),
    Table::new(
        "people",
        1,
        &[
            ("id", Int),
            ("organization", Int),
            ("kind", Int),
            ("public_id", Text),
            ("website", Int),
            ("alias_of", Int),
            ("external_id", Text),
            ("name", Text),
            ("email", Text),
            ("avatar_url", Text),
            ("page", Text),
            ("first_seen_at", Int),
            ("last_seen_at", Int),
        ],
    )
    .numbered(Numbering::Rows)
    .indexed(Indexed::Visitors),
    Table::new("members", 2, &[("website", Int), ("person", Int)]),
    Table::new(
        "conversations",
        1,
        &[
            ("id", Int),
            ("organization", Int),
            ("public_id", Text),
            ("website", Int),
            ("visitor", Int),
            ("status", Int),
            ("assignee", Text),
            ("created_at", Int),
            ("last_activity_at", Int),
            ("visitor_activity_at", Int),
            ("team_head", Int),
            ("visitor_head", Int),
        ],
    )
    .numbered(Numbering::Rows),
    Table::new(
        "events",
        1,
        &[
            ("id", Int),
            ("website", Int),
            ("event_offset", Int),
            ("conversation", Int),
            ("team_seq", Int),
            ("visitor_seq", Int),
            ("kind", Int),
            ("at", Int),
            ("message", Int),
            ("status", Int),
            ("assignee", Text),
            ("changed_by", Text),
            ("public_id", Text),
            ("sender", Int),
            ("sender_name", Text),
            ("key", Text),
            ("fingerprint", Blob),
            ("updated_at", Int),
            ("deleted", Int),
            ("metadata", Text),
            ("content", Text),
        ],
    )
    .numbered(Numbering::Rows)
    .indexed(Indexed::Messages),
    Table::new(
        "seen",
        2,
        &[
            ("conversation", Int),
            ("person", Int),
            ("team_seq", Int),
            ("visitor_seq", Int),
            ("at", Int),
            ("name", Text),
            ("avatar_url", Text),
        ],
    ),
    Table::new("retired", 2, &[("organization", Text), ("channel", Text), ("head", Int), ("visitor_head", Int)]),
    Table::new(
        "webhooks",
        1,
        &[
            ("id", Int),
            ("public_id", Text),
            ("organization", Int),
            ("url", Text),
            ("secret", Blob),
            ("events", Int),
            ("created_at", Int),
        ],
    )
    .numbered(Numbering::Ever),
    Table::new(
        "deliveries",
        1,
        &[
            ("id", Int),
            ("webhook", Int),
            ("event", Int),
            ("website", Int),
            ("place", Int),
            ("since_seq", Int),
            ("upto_seq", Int),
            ("unseen_by", Int),
            ("at", Int),
            ("queued_at", Int),
            ("status", Int),
            ("round", Int),
            ("attempts", Int),
            ("next_at", Int),
            ("last_at", Int),
            ("last_status", Int),
            ("last_error", Text),
        ],
    )
    .numbered(Numbering::Ever),
    Table::new("unseen", 2, &[("conversation", Int), ("unseen_by", Int), ("since_seq", Int), ("due_at", Int)]),
];
