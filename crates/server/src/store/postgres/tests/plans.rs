//! No statement of the running store walks a table.

use std::sync::Arc;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::dialect::translate;
use super::super::session::Session;
use super::super::target::Target;
use super::super::{PostgresConfig, PostgresStore, bulk, search};
use super::{config, server};
use crate::store::contract::world::{World, id, query, says, site, touch, user, website_row};
use crate::store::sql::link::Sql;
use crate::store::sql::statements;
use crate::store::{ConversationQuery, Store};

/// These sort no more than the few rows of one visitor, one organization or one group, or what is deleted at once.
const SORTED: &[&str] = &[
    "CONVERSATIONS_OF_VISITOR",
    "VISITOR_WEBSITES",
    "LOCK_SITES",
    "LOCK_SITES_AT_ONCE",
    "LOCK_THREADS",
    "LOCK_THREADS_AT_ONCE",
    "LOCK_PEOPLE",
    "LOCK_PEOPLE_AT_ONCE",
    "LOCK_CONVERSATIONS",
    "RETIRE_CONVERSATIONS",
    "CLEAR_CONVERSATIONS",
    "CLEAR_VISITORS",
    "HOOKS",
    "SITES_OF_ORGANIZATION",
    "CLAIM",
    "CLEAN_WEBHOOK",
];

/// Enough for an index to be worth its while.
const FILL: &str = "
    INSERT INTO organizations (public_id, name, created_at) SELECT 'o' || n, 'o', 0 FROM generate_series(1, 200) n;
    INSERT INTO websites (organization, public_id, name, questions, allowed_domains, typing_preview, unseen_after, created_at)
        SELECT id, 'a', 'a', '[]', '[]', 'off', 0, 0 FROM organizations;
    INSERT INTO people (organization, kind, public_id, website, first_seen_at, last_seen_at)
        SELECT 1 + n % 200, 0, 'v' || n, 1 + n % 200, 0, 0 FROM generate_series(1, 4000) n;
    INSERT INTO conversations (organization, public_id, website, visitor, status, created_at, last_activity_at,
        visitor_activity_at, team_head, visitor_head)
        SELECT organization, 'c' || id, website, id, id % 4, id, id, id, 5, 5 FROM people;
    INSERT INTO events (website, event_offset, conversation, team_seq, visitor_seq, at, kind, public_id, sender, key, words)
        SELECT c.website, c.id * 5 + n, c.id, n, n, n, 1, 'm' || n, c.visitor, 'k' || n,
            array_to_tsvector(ARRAY[c.website || 'pword' || c.id])
        FROM conversations c CROSS JOIN generate_series(1, 5) n;
    INSERT INTO webhooks (public_id, organization, url, secret, events, created_at)
        SELECT 'h' || id, id, 'u', 's', 63, 0 FROM organizations;
    INSERT INTO deliveries (webhook, event, website, place, at, queued_at, next_at, status, last_at)
        SELECT 1 + n % 200, 0, 1, n, n, n, n, n % 4, n FROM generate_series(1, 4000) n;
    INSERT INTO seen (conversation, person, team_seq, visitor_seq, at) SELECT id, visitor, 1, 1, 0 FROM conversations;
    INSERT INTO unseen (conversation, unseen_by, since_seq, due_at) SELECT id, 0, 1, id FROM conversations;
    ANALYZE;
    -- As each transaction of the store has it.
    SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;";

async fn plan(client: &Client, name: &str, sql: &str, types: &str, count: usize) -> Vec<String> {
    client
        .batch_execute(&format!("PREPARE statement{types} AS {sql}"))
        .await
        .unwrap_or_else(|e| panic!("{name}: {e:?}"));
    let values = vec!["NULL"; count].join(", ");
    let values = if count == 0 { String::new() } else { format!("({values})") };
    let rows = client.simple_query(&format!("EXPLAIN EXECUTE statement{values}")).await.unwrap();
    client.batch_execute("DEALLOCATE statement").await.unwrap();
    let line = |message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0).map(str::to_owned)
    };
    rows.into_iter().filter_map(line).collect()
}

#[tokio::test]
async fn a_long_page_takes_no_more_journeys_than_a_short_one() {
    let store = PostgresStore::open(PostgresConfig { readers: 1, ..config(&server().database()) }).unwrap();
    let store = Arc::new(store);
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    for n in 0..30 {
        world.append(says("vera", &format!("c{n}"), "k", "hello")).await;
        world.append(says(&format!("v{n}"), &format!("d{n}"), "k", "hello")).await;
    }
    let journeys = async || {
        let told = |conn: &dyn Sql| Ok(conn.as_any().downcast_ref::<Session>().unwrap().journeys());
        store.readers.call(told).await.unwrap()
    };
    for search in [Vec::new(), vec!["hello".to_owned()]] {
        let mut counts = Vec::new();
        for limit in [2, 30, 30] {
            let before = journeys().await;
            let page = world.list(ConversationQuery { search: search.clone(), limit, ..query() }).await;
            assert_eq!(page.items.len(), limit);
            counts.push(journeys().await - before);
        }
        // A statement may be prepared at first.
        assert!(counts[2] <= counts[0] && counts[2] < 12, "{search:?}: {counts:?}");
    }
    let before = journeys().await;
    let visitors: Vec<_> = (0..30).map(|n| id(&format!("v{n}"))).collect();
    let open = store.open_conversations_of(site("o", "a"), visitors).await.unwrap();
    assert!(open.iter().all(|(_, open)| open.len() == 1));
    assert!(journeys().await - before < 8);
}

#[tokio::test]
async fn a_large_website_is_deleted_by_few_statements() {
    const COUNT: u64 = 12_000;
    let url = server().database();
    let store = Arc::new(PostgresStore::open(config(&url)).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "k", "hello")).await;
    let fill = format!(
        "INSERT INTO people (organization, kind, public_id, website, first_seen_at, last_seen_at)
            SELECT organization, 0, 'v' || n, website, 0, 0 FROM people, generate_series(1, {COUNT}) n;
         INSERT INTO conversations (organization, public_id, website, visitor, status, created_at, last_activity_at,
            visitor_activity_at, team_head, visitor_head)
            SELECT organization, 'c' || id, website, id, 0, 0, 0, 0, 7, 6 FROM people WHERE public_id <> 'vera';
         INSERT INTO seen (conversation, person, team_seq, visitor_seq, at) SELECT id, visitor, 1, 1, 0 FROM conversations;
         INSERT INTO unseen (conversation, unseen_by, since_seq, due_at) SELECT id, 1, 1, 0 FROM conversations;
         INSERT INTO events (website, event_offset, conversation, team_seq, visitor_seq, at, kind, public_id, sender, key)
            SELECT website, id + 10, id, 1, 1, 0, 1, 'm', visitor, 'k' FROM conversations WHERE public_id <> 'c';"
    );
    let name = url.rsplit('/').next().unwrap();
    server().run(&fill, name);
    let journeys = async || {
        let told = |conn: &dyn Sql| Ok(conn.as_any().downcast_ref::<Session>().unwrap().journeys());
        store.writer.call(move |write| told(write.conn)).await.unwrap()
    };
    let before = journeys().await;
    store.delete_website(site("o", "a")).await.unwrap();
    let taken = journeys().await - before;
    // Each kind of row in portions, one look behind the last, and each statement may be prepared first.
    assert!(taken < 40, "{taken}");
    let left = "SELECT concat_ws(' ', (SELECT count(*) FROM people), (SELECT count(*) FROM conversations), \
        (SELECT count(*) FROM seen), (SELECT count(*) FROM unseen), (SELECT count(*) FROM events))";
    assert_eq!(server().run(left, name), "0 0 0 0 0");
    let retired = "SELECT count(*) FROM retired WHERE channel LIKE 'conversation:%' AND head = 8 AND visitor_head = 7";
    assert_eq!(server().run(retired, name), COUNT.to_string());
}

#[tokio::test]
async fn a_log_in_takes_no_more_journeys_for_many_websites_than_for_one() {
    let store = Arc::new(PostgresStore::open(config(&server().database())).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    let names: Vec<String> = (0..300).map(|n| format!("w{n}")).collect();
    for name in &names {
        world.store.create_website(website_row(site("o", name))).await.unwrap();
    }
    let journeys = async || {
        let told = |conn: &dyn Sql| Ok(conn.as_any().downcast_ref::<Session>().unwrap().journeys());
        store.writer.call(move |write| told(write.conn)).await.unwrap()
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut counts = Vec::new();
    for websites in [&names[..1], &names[..2], &names[..], &names[..]] {
        let before = journeys().await;
        store.touch_person(touch(user("anna"), websites, 1)).await.unwrap();
        counts.push(journeys().await - before);
    }
    // A statement may be prepared at first.
    assert!(counts[2] <= counts[1] && counts[3] <= counts[1], "{counts:?}");
    for name in names {
        assert_eq!(store.members(site("o", name)).await.unwrap().len(), 1);
    }
}

fn parameters(sql: &str) -> usize {
    (1..30).take_while(|n| sql.contains(&format!("${n}"))).count()
}

#[tokio::test]
async fn no_statement_walks_a_table() {
    let url = server().database();
    drop(PostgresStore::open(config(&url)).unwrap());
    let client = Target::parse(&url).unwrap().connect().await.unwrap();
    client.batch_execute(FILL).await.unwrap();
    let mut all: Vec<(&str, String, String)> = Vec::new();
    for (name, sql) in statements::ALL {
        all.push((name, translate(sql), String::new()));
    }
    let of_search: &[(&str, &str, &[Type])] = &[
        ("MESSAGES", search::MESSAGES, &[Type::TEXT]),
        ("VISITORS", search::VISITORS, &[Type::TEXT]),
        ("INDEX_MESSAGES", search::INDEX_MESSAGES, &[Type::INT8_ARRAY, Type::TEXT_ARRAY]),
        ("INDEX_VISITORS", search::INDEX_VISITORS, &[Type::INT8_ARRAY, Type::TEXT_ARRAY]),
    ];
    for (name, sql, types) in bulk::ALL.iter().chain(of_search) {
        let types: Vec<_> = types
            .iter()
            .map(|of| of.name().strip_prefix('_').map_or(of.name().to_owned(), |of| format!("{of}[]")))
            .collect();
        let types = if types.is_empty() { String::new() } else { format!(" ({})", types.join(", ")) };
        all.push((name, translate(sql), types));
    }
    let mut walks = Vec::new();
    for (name, sql, types) in &all {
        for line in plan(&client, name, sql, types, parameters(sql)).await {
            let is_sorted = line.trim_start().trim_start_matches("-> ").trim().starts_with("Sort  (");
            if line.contains("Seq Scan") || (is_sorted && !SORTED.contains(name)) {
                walks.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(walks.is_empty(), "{walks:#?}");
}
