//! What holds for this backend alone.

mod disk;
mod hooks;
mod opening;
mod plans;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

use rusqlite::Connection;

use super::session::Session;
use super::{DataKind, SqliteConfig, SqliteStore};
use crate::store::contract::{Opened, contract_tests, random};
use crate::store::sql::writer::Write;
use crate::store::{MemoryStore, StoreFuture};

/// A directory of its own, gone when dropped.
#[derive(Debug)]
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("cossistant-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn config(&self) -> SqliteConfig {
        SqliteConfig::new(self.0.join("data"), DataKind::Production)
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.config()).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Makes the writer stand still until the returned sender is used or dropped, so that what is queued meanwhile is one
/// group.
fn hold(store: &SqliteStore) -> (Sender<()>, StoreFuture<()>) {
    let (go, gate) = channel::<()>();
    let (entered, has_entered) = channel();
    let held = store.writer.call(move |_| {
        entered.send(()).unwrap();
        // Dropped is as good as told.
        let _go = gate.recv();
        Ok(())
    });
    has_entered.recv().unwrap();
    (go, held)
}

/// The connection that an operation writes on.
fn raw<'w>(write: &'w Write<'_>) -> &'w Connection {
    &write.conn.as_any().downcast_ref::<Session>().unwrap().conn
}

fn open() -> Opened {
    let dir = Dir::new();
    Opened { store: Arc::new(dir.open()), _guard: Box::new(dir) }
}

contract_tests!(super::open);

#[tokio::test]
async fn answers_are_those_of_the_store_in_memory() {
    let seeds = match std::env::var("STORE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=8).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        let opened = open();
        let memory = Arc::new(MemoryStore::new(opened.store.epoch().await.unwrap()));
        random::same_answers(Arc::clone(&opened.store), memory, seed, 40).await;
    }
}
