//! No statement of the running store walks a table.

use rusqlite::types::Null;

use super::Dir;
use crate::store::sqlite::{connection, statements};

/// These sort the few rows of one visitor.
const SORTED: &[&str] = &["CONVERSATIONS_OF_VISITOR", "VISITOR_WEBSITES"];

#[test]
fn no_statement_walks_a_table() {
    let dir = Dir::new();
    drop(dir.open());
    let conn = connection::reader(&dir.path().join("data").join(connection::FILE)).unwrap();
    let mut walks = Vec::new();
    for (name, sql) in statements::ALL {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let params = vec![Null; plan.parameter_count()];
        let lines = plan.query_map(rusqlite::params_from_iter(params), |row| row.get::<_, String>(3)).unwrap();
        for line in lines {
            let line = line.unwrap();
            // What the full-text index finds by words (`M1`) or by row (`=`) is called a scan too.
            let is_found = ["0:M1", "0:="].iter().any(|by| line == format!("SCAN search VIRTUAL TABLE INDEX {by}"));
            let is_sorted = line.contains("TEMP B-TREE") && !SORTED.contains(name);
            if (line.contains("SCAN") && !is_found) || is_sorted {
                walks.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(walks.is_empty(), "{walks:#?}");
}
