//! The group commit and the bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use super::{Dir, hold};
use crate::store::contract::world::{World, conv, org, query, replies, says, team};
use crate::store::sql::messages;
use crate::store::sqlite::checkpoint::PAGES;
use crate::store::sqlite::{SqliteConfig, SqliteStore};
use crate::store::{ConversationQuery, MessagePage, Store, StoreError};

#[tokio::test]
async fn writes_that_wait_share_a_commit() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let before = store.write_counts();
    let mut writers = Vec::new();
    for writer in 0..64 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            for n in 0..10 {
                store.append_message(replies("anna", "c", &format!("w{writer}-{n}"), "x")).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let after = store.write_counts();
    assert_eq!(after.operations - before.operations, 640);
    let commits = after.commits - before.commits;
    assert!(commits <= 160, "{commits} commits for 640 operations");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let dir = Dir::new();
    let config = SqliteConfig { waiting_writes_max: 4, waiting_reads_max: 4, readers: 1, ..dir.config() };
    let store = Arc::new(SqliteStore::open(config).unwrap());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    // The writer and the reader stand still until told to go on.
    let (go, blocked) = hold(&store);
    let calls: Vec<_> = (0..10).map(|n| store.append_message(replies("anna", "c", &format!("k{n}"), "x"))).collect();
    let (go_reading, reading_gate) = channel::<()>();
    let (entered, has_entered) = channel();
    let blocked_read = store.readers.call(move |_| {
        entered.send(()).unwrap();
        reading_gate.recv().unwrap();
        Ok(())
    });
    has_entered.recv().unwrap();
    let reads: Vec<_> = (0..10).map(|_| store.conversation(org("o"), team(), conv("c"))).collect();
    go.send(()).unwrap();
    go_reading.send(()).unwrap();
    blocked.await.unwrap();
    blocked_read.await.unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Unavailable(_)))).count();
    assert_eq!((refused, answers.len()), (6, 10));
    assert!(answers[..4].iter().all(Result::is_ok), "the first came first");
    let mut refused = 0;
    for read in reads {
        refused += usize::from(matches!(read.await, Err(StoreError::Unavailable(_))));
    }
    assert_eq!(refused, 6);
    assert_eq!(world.conversation(team(), "c").await.unwrap().team_head, 6);
}

#[tokio::test]
async fn an_operation_that_fails_after_it_wrote_is_undone_alone() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let before = store.write_counts();
    let (go, held) = hold(&store);
    let first = store.append_message(replies("anna", "c", "k1", "one"));
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let fails = store.writer.call(move |write| {
        counted.fetch_add(1, Ordering::Relaxed);
        messages::append(write, &replies("anna", "c", "k2", "never"))?;
        Err::<(), _>(StoreError::Forbidden("on second thoughts").into())
    });
    let second = store.append_message(replies("anna", "c", "k3", "three"));
    let again = store.append_message(replies("anna", "c", "k1", "one"));
    drop(go);
    held.await.unwrap();
    assert!(matches!(fails.await, Err(StoreError::Forbidden(_))));
    let (first, second, again) = (first.await.unwrap(), second.await.unwrap(), again.await.unwrap());
    assert_eq!((first.team_seq, second.team_seq), (3, 4), "the places are dense");
    assert!(again.duplicate && again.message == first.message);
    assert_eq!(first.events[0].offset + 1, second.events[0].offset);
    assert_eq!(runs.load(Ordering::Relaxed), 2, "once with all, once with a savepoint of its own");
    let after = store.write_counts();
    assert_eq!((after.operations - before.operations, after.commits - before.commits), (5, 2));
    assert_eq!(world.conversation(team(), "c").await.unwrap().team_head, 4);
    let never = store.append_message(replies("anna", "c", "k2", "now")).await.unwrap();
    assert!(!never.duplicate, "nothing of the first attempt is left");
    let found = |text: &str| world.listed(ConversationQuery { search: vec![text.to_owned()], ..query() });
    assert_eq!(found("never").await, Vec::<String>::new(), "its words are not found");
    assert_eq!(found("three").await, ["c"]);
}

#[tokio::test]
async fn an_operation_that_fails_before_it_wrote_costs_the_others_nothing() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let (go, held) = hold(&store);
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let first = store.writer.call(move |write| {
        counted.fetch_add(1, Ordering::Relaxed);
        messages::append(write, &replies("anna", "c", "k1", "one"))
    });
    let unknown = store.append_message(replies("anna", "nowhere", "k2", "two"));
    let other = store.append_message(replies("anna", "c", "k1", "other"));
    drop(go);
    held.await.unwrap();
    assert_eq!(first.await.unwrap().team_seq, 3);
    assert_eq!(unknown.await.unwrap_err(), StoreError::NotFound);
    assert!(matches!(other.await, Err(StoreError::Conflict(_))));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_log_stays_small_while_writes_go_on() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    let text = "x".repeat(3_000);
    let mut logged = 0;
    // Enough for several checkpoints, each in the middle of writing.
    for round in 0..120 {
        let calls = (0..100).map(|n| store.append_message(says("vera", "c", &format!("k{round}-{n}"), &text)));
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        logged = logged.max(std::fs::metadata(dir.config().dir.join("store.db-wal")).unwrap().len());
    }
    let pages = logged / 4_096;
    assert!(pages >= u64::from(PAGES), "{pages} pages: there was no checkpoint to be made");
    assert!(pages <= 3 * u64::from(PAGES), "{pages} pages");
    drop((world, store));
    let store = dir.open();
    let newest = MessagePage { before: None, after: None, limit: 1 };
    let (newest, _) = store.messages(org("o"), team(), conv("c"), newest).await.unwrap();
    // The first event is the conversation's own.
    assert_eq!(newest.first().map(|event| event.team_seq), Some(1 + 120 * 100));
}
