//! A disk that is full.

use std::sync::Arc;

use super::{Dir, raw};
use crate::store::contract::world::{World, conv, org, replies, says, team};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// Lets the database grow to so many pages; 0 for as many as it likes.
async fn allow(store: &SqliteStore, pages: u32) {
    let pages = if pages == 0 { 1_073_741_823 } else { pages };
    let sql = format!("PRAGMA max_page_count = {pages}");
    store.writer.call(move |write| Ok(raw(write).query_row(&sql, [], |_| Ok(()))?)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    // No lower than what is there: the limit is the present size then.
    allow(&store, 1).await;
    let text = "word ".repeat(2000);
    let calls: Vec<_> = (0..64).map(|n| store.append_message(replies("anna", "c", &format!("k{n}"), &text))).collect();
    let mut stored = Vec::new();
    for (n, call) in calls.into_iter().enumerate() {
        match call.await {
            Ok(appended) => stored.push((n, appended.team_seq)),
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(stored.len() < 64, "the disk was not full");
    let head = store.conversation(org("o"), team(), conv("c")).await.unwrap().team_head;
    assert_eq!(head, 2 + stored.len() as u64, "what was refused is not there, and what was answered is");
    let refused = store.append_message(replies("anna", "c", "more", &text)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    allow(&store, 0).await;
    for n in 0..64 {
        let again = store.append_message(replies("anna", "c", &format!("k{n}"), &text)).await.unwrap();
        assert_eq!(again.duplicate, stored.iter().any(|(index, _)| *index == n));
    }
    let head = store.conversation(org("o"), team(), conv("c")).await.unwrap().team_head;
    assert_eq!(head, 66);
}

#[tokio::test]
async fn the_writer_outlives_a_panic_and_a_broken_transaction() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    let before = store.append_message(says("vera", "c", "k1", "hello"));
    let panics = store.writer.call(|_| -> Result<(), _> { panic!("a fault in an operation") });
    let after = store.append_message(says("vera", "c", "k2", "hello"));
    assert!(before.await.is_ok());
    assert!(matches!(panics.await, Err(StoreError::Corrupt(_))));
    assert_eq!(after.await.unwrap().team_seq, 3);
    // The database itself gives up the transaction in the middle of a group: nothing of the group may be answered.
    let first = store.append_message(says("vera", "c", "k3", "hello"));
    let breaks = store.writer.call(|write| {
        raw(write).execute_batch("ROLLBACK")?;
        Err::<(), _>(StoreError::NotFound.into())
    });
    let last = store.append_message(says("vera", "c", "k4", "hello"));
    let (first, breaks, last) = (first.await, breaks.await, last.await);
    // The three were queued at once, but the writer may have taken the first alone.
    if first.is_err() {
        assert!(matches!(first, Err(StoreError::Unavailable(_))));
    }
    assert!(breaks.is_err());
    let stored = u64::from(first.is_ok()) + u64::from(last.is_ok());
    assert_eq!(world.conversation(team(), "c").await.unwrap().team_head, 3 + stored);
    assert!(world.store.append_message(says("vera", "c", "k5", "hello")).await.is_ok());
}

#[tokio::test]
async fn an_error_of_the_disk_opens_the_connection_anew() {
    let dir = Dir::new();
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    let cache_size = || store.writer.call(|write| Ok(raw(write).query_row("PRAGMA cache_size", [], |row| row.get(0))?));
    let before: i64 = cache_size().await.unwrap();
    let set = store.writer.call(|write| Ok(raw(write).pragma_update(None, "cache_size", -77)?));
    set.await.unwrap();
    assert_eq!(cache_size().await, Ok(-77));
    let failed = store.writer.call(|_| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        Err::<(), _>(rusqlite::Error::SqliteFailure(code, None).into())
    });
    assert!(matches!(failed.await, Err(StoreError::Unavailable(_))));
    assert_eq!(cache_size().await, Ok(before), "the old connection is still in use");
    assert_eq!(world.append(says("vera", "c", "k", "hello")).await.team_seq, 2);
}
