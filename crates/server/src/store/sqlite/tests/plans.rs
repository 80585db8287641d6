//! No statement of the running store walks a table.

use std::sync::Arc;

use rusqlite::types::Null;
use rusqlite::{Connection, StatementStatus};

use super::{Dir, raw};
use crate::store::contract::world::{World, query, replies, says, team, user};
use crate::store::sql::{lists, statements};
use crate::store::sqlite::connection;
use crate::store::sqlite::session::{Session, search};
use crate::store::{ConversationQuery, Store};

/// These sort the few rows of one visitor.
const SORTED: &[&str] = &["CONVERSATIONS_OF_VISITOR", "VISITOR_WEBSITES"];

#[test]
fn no_statement_walks_a_table() {
    let dir = Dir::new();
    drop(dir.open());
    let conn = connection::reader(&dir.path().join("data").join(connection::FILE)).unwrap();
    let mut walks = Vec::new();
    for (name, sql) in statements::ALL.iter().chain(search::ALL) {
        let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let params = vec![Null; plan.parameter_count()];
        let lines = plan.query_map(rusqlite::params_from_iter(params), |row| row.get::<_, String>(3)).unwrap();
        for line in lines {
            let line = line.unwrap();
            // What the full-text index finds by words (`M1`) or by row (`=`) is called a scan too.
            let is_found = ["0:M1", "0:="].iter().any(|by| line == format!("SCAN search VIRTUAL TABLE INDEX {by}"));
            // So are the numbers of one parameter, and the few rows that another part of the statement has found.
            let is_found = is_found || ["SCAN k VIRTUAL TABLE INDEX 1:", "SCAN u"].contains(&line.as_str());
            let is_sorted = line.contains("TEMP B-TREE") && !SORTED.contains(name);
            if (line.contains("SCAN") && !is_found) || is_sorted {
                walks.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(walks.is_empty(), "{walks:#?}");
}

/// How many statements a connection has run.
fn run(conn: &Connection) -> i32 {
    let count = |sql: &'static str| conn.prepare_cached(sql).unwrap().get_status(StatementStatus::Run);
    statements::ALL.iter().chain(search::ALL).map(|(_, sql)| count(sql)).sum()
}

#[tokio::test]
async fn a_long_page_takes_no_more_statements_than_a_short_one() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    for n in 0..30 {
        world.append(says("vera", &format!("c{n}"), "k", "hello")).await;
        world.append(replies("anna", &format!("c{n}"), "k", "hello")).await;
    }
    for search in [Vec::new(), vec!["hello".to_owned()]] {
        let mut counts = Vec::new();
        for limit in [2, 30] {
            let query = ConversationQuery { search: search.clone(), limit, ..query() };
            counts.push(
                store
                    .readers
                    .call(move |conn| {
                        let own = &conn.as_any().downcast_ref::<Session>().unwrap().conn;
                        let before = run(own);
                        let page = lists::page(conn, &query)?;
                        Ok((page.items.len() == limit, run(own) - before))
                    })
                    .await
                    .unwrap(),
            );
        }
        assert!(counts.iter().all(|(is_whole, _)| *is_whole) && counts[0] == counts[1], "{search:?}: {counts:?}");
        assert!(counts[0].1 <= 12, "{counts:?}");
    }
}

/// How often statements of a connection were planned anew.
fn planned_anew(conn: &Connection) -> Vec<(&'static str, i32)> {
    let count = |sql: &'static str| conn.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare);
    let counts = statements::ALL.iter().chain(search::ALL).map(|(name, sql)| (*name, count(sql)));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn statements_are_planned_once() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    for n in 0..10 {
        world.append(says("vera", &format!("c{n}"), "k", &format!("word{n}"))).await;
        world.append(replies("anna", &format!("c{n}"), "k", &format!("word{n}"))).await;
        world.seen(team(), user("anna"), &format!("c{n}"), n).await;
        world.identify(Some("vera"), "ext").await;
        let found = ConversationQuery { search: vec![format!("word{n}")], ..query() };
        world.list(found).await;
        world.list(query()).await;
    }
    let writer = store.writer.call(|write| Ok(planned_anew(raw(write)))).await.unwrap();
    assert!(writer.is_empty(), "{writer:?}");
    let reader = store
        .readers
        .call(|conn| Ok(planned_anew(&conn.as_any().downcast_ref::<Session>().unwrap().conn)))
        .await
        .unwrap();
    assert!(reader.is_empty(), "{reader:?}");
}
