//! The list of tables, held against what both databases have.

use std::collections::BTreeSet;

use super::{Folders, database, folder, name, server};
use crate::store::transfer::tables::{Numbering, TABLES};

/// What is not moved, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("meta.*", "the life is given by the transfer, the rest is of the one database"),
    ("migrations.*", "the versions of each database are its own"),
    ("writers.*", "nodes of one database"),
    ("deliveries.leased_by", "a node of one database has it in the works"),
    ("deliveries.leased_until", "a node of one database has it in the works"),
    ("events.words", "the index is made anew"),
    ("people.words", "the index is made anew"),
    ("search.*", "the index is made anew"),
    ("search_data.*", "the index is made anew"),
    ("search_idx.*", "the index is made anew"),
    ("search_docsize.*", "the index is made anew"),
    ("search_config.*", "the index is made anew"),
    ("sqlite_sequence.*", "numbers are set in the end"),
];

/// Columns, as `table.column`, and the tables whose numbers are never given twice.
struct Catalog {
    columns: BTreeSet<String>,
    keys: BTreeSet<String>,
}

fn known() -> Catalog {
    let columns = TABLES.iter().flat_map(|table| table.columns.iter().map(move |column| (table.name, column.0)));
    let keys = TABLES.iter().flat_map(|table| table.columns[..table.key].iter().map(move |key| (table.name, key.0)));
    let text = |(table, column): (&str, &str)| format!("{table}.{column}");
    Catalog { columns: columns.map(text).collect(), keys: keys.map(text).collect() }
}

/// What of a catalog a transfer does not know, what it knows beside that, and whether the keys are others.
fn differences(found: Catalog) -> Vec<String> {
    let is_left_out = |column: &String| {
        let table = column.split('.').next().unwrap();
        LEFT_OUT.iter().any(|(left_out, _)| left_out == column || *left_out == format!("{table}.*"))
    };
    let (mut found, moved) = (found, known());
    found.columns.retain(|column| !is_left_out(column));
    found.keys.retain(|column| !is_left_out(column));
    let mut all: Vec<String> = Vec::new();
    all.extend(
        found.columns.difference(&moved.columns).map(|column| format!("{column} is not moved: add it to TABLES")),
    );
    all.extend(moved.columns.difference(&found.columns).map(|column| format!("{column} is not there")));
    all.extend(found.keys.symmetric_difference(&moved.keys).map(|column| format!("{column} is of one key alone")));
    all
}

#[test]
fn every_column_of_the_folder_is_known() {
    let folders = Folders::new();
    drop(folder(&folders.dir("data")));
    let conn = rusqlite::Connection::open(folders.dir("data").join("store.db")).unwrap();
    let sql = "SELECT s.name || '.' || c.name, c.pk > 0 FROM sqlite_schema s JOIN pragma_table_info(s.name) c \
        WHERE s.type = 'table'";
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let all: Vec<(String, bool)> = rows.collect::<Result<_, _>>().unwrap();
    let keys = all.iter().filter(|(_, is_key)| *is_key).map(|(column, _)| column.clone()).collect();
    let columns = all.into_iter().map(|(column, _)| column).collect();
    assert_eq!(differences(Catalog { columns, keys }), [""; 0]);

    let mut statement = conn.prepare("SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%'").unwrap();
    let found: BTreeSet<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let ever = TABLES.iter().filter(|table| table.numbering == Numbering::Ever);
    assert_eq!(found, ever.map(|table| table.name.to_owned()).collect(), "whose numbers are never given twice");
    let meta: Vec<String> = texts(&conn, "SELECT key FROM meta ORDER BY key");
    assert_eq!(meta, ["epoch", "kind"], "all of it is given to the target");
}

fn texts(conn: &rusqlite::Connection, sql: &str) -> Vec<String> {
    conn.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_column_of_the_database_is_known() {
    let url = server().database();
    drop(database(&url));
    let lines = |sql: &str| -> BTreeSet<String> { server().run(sql, name(&url)).lines().map(str::to_owned).collect() };
    let columns =
        lines("SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'");
    let keys = lines(
        "SELECT k.table_name || '.' || k.column_name FROM information_schema.key_column_usage k \
         JOIN information_schema.table_constraints c USING (constraint_name, table_name) \
         WHERE c.constraint_type = 'PRIMARY KEY' AND k.table_schema = 'public'",
    );
    assert_eq!(differences(Catalog { columns: columns.clone(), keys: keys.clone() }), [""; 0]);
    let mut with_more = Catalog { columns, keys };
    with_more.columns.extend(["labels.id".to_owned(), "events.label".to_owned()]);
    assert_eq!(differences(with_more).len(), 2, "what a later version adds is seen");
    let numbered = lines("SELECT table_name FROM information_schema.columns WHERE is_identity = 'YES'");
    let known = TABLES.iter().filter(|table| table.numbering != Numbering::None);
    assert_eq!(numbered, known.map(|table| table.name.to_owned()).collect(), "whose rows have numbers of their own");
    assert_eq!(
        lines("SELECT key FROM meta").len(),
        4,
        "epoch, kind, lived_on, setup: all of it is given to the target"
    );
}
