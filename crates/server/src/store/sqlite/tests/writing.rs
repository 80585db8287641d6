//! The group commit and the bounds.

use std::sync::Arc;
use std::sync::mpsc::channel;

use super::Dir;
use crate::store::contract::world::{World, conv, org, replies, says, team};
use crate::store::sqlite::{SqliteConfig, SqliteStore};
use crate::store::{Store, StoreError};

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
    let (go, gate) = channel::<()>();
    let (entered, has_entered) = channel();
    let blocked = store.writer.call(move |_| {
        entered.send(()).unwrap();
        gate.recv().unwrap();
        Ok(())
    });
    has_entered.recv().unwrap();
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
