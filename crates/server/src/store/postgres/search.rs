//! The search: each message and each visitor has its words in its row, as SQLite's index has them.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::session::{Param, Session};
use crate::store::sql::error::Failure;
use crate::store::sql::link::{Document, Words};

pub(super) const MESSAGES: &str = "SELECT conversation FROM events WHERE words @@ CAST(?1 AS tsquery)";
pub(super) const VISITORS: &str =
    "SELECT c.id FROM people p JOIN conversations c ON c.visitor = p.id WHERE p.words @@ CAST(?1 AS tsquery)";
pub(super) const INDEX_MESSAGES: &str = "UPDATE events SET words = array_to_tsvector(string_to_array(k.words, ' ')) \
    FROM unnest(?1, ?2) AS k (id, words) WHERE events.id = k.id";
pub(super) const INDEX_VISITORS: &str = "UPDATE people SET words = array_to_tsvector(string_to_array(k.words, ' ')) \
    FROM unnest(?1, ?2) AS k (id, words) WHERE people.id = k.id";

/// What is looked for: a word that begins with this one, in any of some websites, among what may be seen.
pub(super) fn expression(sites: &[i64], of: &[char], word: &str) -> String {
    // Words have letters and digits only, so the quotes cannot be escaped from.
    let terms = sites.iter().flat_map(|site| of.iter().map(move |of| format!("'{site}{of}{word}':*")));
    terms.collect::<Vec<_>>().join(" | ")
}

pub(super) fn index(session: &Session, documents: BTreeMap<Document, Words>) -> Result<(), Failure> {
    let (mut messages, mut visitors) = (Columns::default(), Columns::default());
    for (document, change) in documents {
        let (row, columns) = match document {
            Document::Message(row) => (row, &mut messages),
            Document::Visitor(row) => (row, &mut visitors),
        };
        columns.rows.push(row);
        columns.words.push(match change {
            Words::Insert(words) | Words::Replace(words) => Some(words),
            Words::Delete => None,
        });
    }
    for (sql, columns) in [(INDEX_MESSAGES, messages), (INDEX_VISITORS, visitors)] {
        if !columns.rows.is_empty() {
            let params: [Param<'_>; 2] = [(&columns.rows, Type::INT8_ARRAY), (&columns.words, Type::TEXT_ARRAY)];
            session.wait(session.run(sql, false, &params))?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Columns {
    rows: Vec<i64>,
    words: Vec<Option<String>>,
}
