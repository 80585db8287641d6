//! On a real PostgreSQL server, which the tests start themselves.

mod failures;
mod nodes;
mod opening;
mod plans;
mod races;
mod reaching;

use std::sync::{Arc, OnceLock};

use cossistant_testkit::{Postgres, PostgresOptions};

use super::{DataKind, PostgresConfig, PostgresStore};
use crate::store::MemoryStore;
use crate::store::contract::{Opened, contract_tests, random};

/// One server for all tests that do not hurt it. It need not be durable, so it is fast.
pub(super) fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| PostgresOptions::new().setting("fsync=off").setting("full_page_writes=off").start())
}

fn config(url: &str) -> PostgresConfig {
    PostgresConfig::new(url, DataKind::Dev)
}

fn open() -> Opened {
    let store = PostgresStore::open(config(&server().database())).unwrap();
    Opened { store: Arc::new(store), _guard: Box::new(()) }
}

contract_tests!(super::open);

#[tokio::test]
async fn answers_are_those_of_the_store_in_memory() {
    let seeds = match std::env::var("STORE_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=4).collect::<Vec<u64>>(),
    };
    for seed in seeds {
        // Every other one as it is behind a pool that cannot prepare.
        let url = server().database();
        let store = PostgresStore::open(PostgresConfig { is_prepared: seed % 2 == 0, ..config(&url) }).unwrap();
        let opened = Opened { store: Arc::new(store), _guard: Box::new(()) };
        let memory = Arc::new(MemoryStore::new(opened.store.epoch().await.unwrap()));
        random::same_answers(Arc::clone(&opened.store), memory, seed, 40).await;
    }
}
