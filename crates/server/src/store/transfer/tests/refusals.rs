//! What is not moved, what is not served, and what is said of it.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Folders, database, folder, name, refused, run, run_for, run_through, server, to_database, to_folder};
use crate::store::contract::world::{World, says};
use crate::store::transfer::{TransferError, TransferPhase, TransferPlace};
use crate::store::{
    DataKind, DatabaseError, OpenError, PostgresConfig, PostgresStore, SqliteConfig, SqliteStore, Store, backup,
    look_at,
};

fn open_folder(dir: &std::path::Path) -> Result<(), OpenError> {
    SqliteStore::open(SqliteConfig::new(dir, DataKind::Dev)).map(drop)
}

fn open_database(url: &str) -> Result<(), DatabaseError> {
    PostgresStore::open(PostgresConfig::new(url, DataKind::Dev)).map(drop)
}

fn look(url: &str) -> Result<Option<u32>, DatabaseError> {
    let config = PostgresConfig::new(url, DataKind::Dev);
    std::thread::scope(|scope| scope.spawn(|| look_at(&config)).join().unwrap()).map(|(found, _)| found)
}

async fn say(store: &Arc<dyn Store>, key: &str) {
    store.append_message(says("vera", "c", key, key)).await.unwrap();
}

/// A folder with a few messages.
async fn filled(folders: &Folders, name: &str) -> std::path::PathBuf {
    let dir = folders.dir(name);
    let store = folder(&dir);
    World::new(Arc::clone(&store)).await;
    for n in 0..120 {
        say(&store, &format!("k{n}")).await;
    }
    dir
}

#[tokio::test]
async fn nobody_serves_a_part_and_nobody_mixes() {
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let there = to_database(&data, &url);
    assert!(matches!(run_for(&there, 10), Err(TransferError::Stopped)));
    assert!(matches!(open_database(&url), Err(DatabaseError::Unfinished)), "a part is not served");
    let seen = look(&url);
    assert!(matches!(seen, Err(DatabaseError::Unfinished)), "{seen:?}");
    // Nor moved on.
    let error = refused(&to_folder(&url, &folders.dir("further")));
    assert!(matches!(error, TransferError::Database(DatabaseError::Unfinished)), "{error}");
    let another = filled(&folders, "another").await;
    let error = refused(&to_database(&another, &url));
    assert!(matches!(error, TransferError::OtherSource { .. }), "{error}");
    let versions = "value::jsonb -> 'versions' -> 0";
    server().run(
        &format!("UPDATE meta SET value = replace(value, ({versions})::text || ',', '0,') WHERE key = 'transfer'"),
        name(&url),
    );
    let error = refused(&there);
    assert!(matches!(error, TransferError::OtherProgram { .. }), "{error}");
    run_through(&super::Transfer { start_over: true, ..there.clone() });
    open_database(&url).unwrap();
    let error = refused(&there);
    assert!(matches!(error, TransferError::NotEmpty { .. }), "{error}");
    // Of an unfinished one alone something is thrown away.
    let error = refused(&super::Transfer { start_over: true, ..there });
    assert!(matches!(error, TransferError::NotEmpty { .. }), "{error}");

    let target = folders.dir("target");
    let back = to_folder(&url, &target);
    assert!(matches!(run_for(&back, 10), Err(TransferError::Stopped)));
    assert!(matches!(open_folder(&target), Err(OpenError::Unfinished { .. })), "a part is not served");
    assert!(backup(&target, &folders.dir("copy"), |_| {}).is_err(), "nor copied");
    run_through(&back);
    open_folder(&target).unwrap();
    assert!(matches!(refused(&back), TransferError::NotEmpty { .. }));
    std::fs::create_dir(folders.dir("photos")).unwrap();
    std::fs::write(folders.dir("photos").join("cat.png"), "").unwrap();
    assert!(matches!(refused(&to_folder(&url, &folders.dir("photos"))), TransferError::NotEmpty { .. }));
    // Secrets of a server and the traces of an empty store are no content.
    std::fs::create_dir(folders.dir("ready")).unwrap();
    std::fs::write(folders.dir("ready").join("visitor-secret"), "own_secret").unwrap();
    open_folder(&folders.dir("ready")).unwrap();
    run_through(&to_folder(&url, &folders.dir("ready")));
}

#[tokio::test]
async fn a_source_that_has_changed_does_not_become_half_of_each() {
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let there = to_database(&data, &url);
    // In the middle of the events, and after all of it was moved.
    for batches in [10, 16] {
        assert!(matches!(run_for(&there, batches), Err(TransferError::Stopped)));
        let store = folder(&data);
        say(&store, &format!("late-{batches}")).await;
        drop(store);
        assert!(matches!(refused(&there), TransferError::SourceChanged { .. }));
        assert!(matches!(
            run_for(&super::Transfer { start_over: true, ..there.clone() }, 10),
            Err(TransferError::Stopped)
        ));
    }
    run_through(&there);
    let store = database(&url);
    say(&store, "on").await;
    drop(store);
    // The other way.
    let back = to_folder(&url, &folders.dir("back"));
    assert!(matches!(run_for(&back, 12), Err(TransferError::Stopped)));
    let store = database(&url);
    say(&store, "late").await;
    drop(store);
    assert!(matches!(refused(&back), TransferError::SourceChanged { .. }));
    run_through(&super::Transfer { start_over: true, ..back });
}

#[tokio::test]
async fn a_target_that_differs_is_told_and_stays_unfinished() {
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let there = to_database(&data, &url);
    let spoil = |sql: &str| {
        let report = run(&there, |progress| {
            if progress.phase == TransferPhase::Comparing && progress.table == "organizations" {
                server().run(sql, name(&url));
            }
            ControlFlow::Continue(())
        });
        let report = report.unwrap();
        assert!(!report.is_same());
        assert!(matches!(open_database(&url), Err(DatabaseError::Unfinished)));
        let wrong = report.tables.iter().find(|table| !table.is_same()).unwrap();
        wrong.table
    };
    assert_eq!(spoil("UPDATE events SET at = at + 1 WHERE id = 77"), "events");
    assert_eq!(
        spoil(
            "UPDATE events SET at = at - 1 WHERE id = 77; UPDATE seen SET name = 'x'; DELETE FROM unseen; \
        UPDATE events SET words = NULL WHERE id = 5"
        ),
        "search"
    );
    let fresh = super::Transfer { start_over: true, ..there.clone() };
    run_through(&fresh);
}

#[tokio::test]
async fn places_where_somebody_is_are_refused() {
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let there = to_database(&data, &url);
    let store = folder(&data);
    let error = refused(&there);
    assert!(matches!(error, TransferError::Folder(OpenError::Locked { .. })), "{error}");
    drop(store);

    // A server that is not seen cannot write meanwhile, nor can one start; another transfer cannot either.
    run_through(&there);
    let store = database(&url);
    say(&store, "before").await;
    let back = to_folder(&url, &folders.dir("back"));
    let mut was_tried = false;
    let report = run(&back, |_| {
        if !std::mem::replace(&mut was_tried, true) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let said = runtime.block_on(store.append_message(says("vera", "c", "meanwhile", "x")));
            assert!(matches!(said, Err(crate::store::StoreError::Unavailable(_))), "{said:?}");
            assert!(matches!(open_database(&url), Err(DatabaseError::InTransfer)));
            let other = to_folder(&url, &folders.dir("other"));
            assert!(matches!(refused(&other), TransferError::AnotherRuns { .. }));
        }
        ControlFlow::Continue(())
    });
    assert!(report.unwrap().is_same() && was_tried);
    // Nor does it go on beside the target.
    let said = store.append_message(says("vera", "c", "after", "x")).await;
    assert!(matches!(said, Err(crate::store::StoreError::Unavailable(_))), "{said:?}");

    // One that lives is seen whatever its name is, since it looks every second.
    drop(store);
    let store = database(&format!("{url}?application_name=eu-1"));
    let looking = tokio::spawn(async move {
        loop {
            store.heads(Vec::new()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    let back = to_folder(&url, &folders.dir("another"));
    let error = tokio::task::spawn_blocking(move || refused(&back)).await.unwrap();
    looking.abort();
    assert!(matches!(error, TransferError::InUse { .. }), "{error}");
}

/// Nodes that are started again and again, as their keepers do, wait for a transfer and do not hinder it.
#[tokio::test]
async fn nodes_that_start_meanwhile_do_not_keep_it_from_its_end() {
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let (there, url) = (to_database(&data, &url), &*url);
    std::thread::scope(|scope| {
        let mut starts = Vec::new();
        let report = run(&there, |progress| {
            if progress.phase == TransferPhase::Comparing && starts.is_empty() {
                starts.extend((0..5).map(|_| scope.spawn(move || open_database(url))));
                std::thread::sleep(std::time::Duration::from_millis(500));
            }
            ControlFlow::Continue(())
        });
        assert!(report.unwrap().is_same());
        for start in starts {
            let started = start.join().unwrap();
            assert!(matches!(started, Ok(()) | Err(DatabaseError::InTransfer)), "{started:?}");
        }
    });
}

#[tokio::test]
async fn data_of_another_version_life_or_kind_is_refused() {
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let there = to_database(&data, &url);
    run_through(&there);
    let run_sql = |sql: &str| server().run(sql, name(&url));
    let back = to_folder(&url, &folders.dir("back"));
    run_sql("UPDATE meta SET value = 'elsewhere' WHERE key = 'lived_on'");
    assert!(matches!(refused(&back), TransferError::OtherLife { .. }));
    run_sql("INSERT INTO migrations (version, checksum) VALUES (99, '')");
    let error = refused(&back);
    assert!(matches!(error, TransferError::Database(DatabaseError::NewerVersion { found: 99, .. })), "{error}");
    run_sql("DELETE FROM migrations WHERE version > 1");
    assert!(matches!(refused(&back), TransferError::OlderVersion { found: 1, .. }));
    run_sql("UPDATE meta SET value = 'production' WHERE key = 'kind'");
    let error = refused(&to_database(&data, &url));
    assert!(matches!(error, TransferError::Database(DatabaseError::WrongKind { .. })), "{error}");
    let nothing = refused(&to_folder(&server().database(), &folders.dir("back")));
    assert!(matches!(nothing, TransferError::NothingThere { .. }), "{nothing}");
    let nothing = refused(&to_database(&folders.dir("nowhere"), &server().database()));
    assert!(matches!(nothing, TransferError::NothingThere { .. }) && !folders.dir("nowhere").exists(), "{nothing}");

    let conn = rusqlite::Connection::open(data.join("store.db")).unwrap();
    conn.execute("DELETE FROM migrations WHERE version > 2", []).unwrap();
    let fresh = server().database();
    assert!(matches!(refused(&to_database(&data, &fresh)), TransferError::OlderVersion { found: 2, .. }));
    conn.execute("INSERT INTO migrations (version, checksum, applied_at) VALUES (99, x'', '')", []).unwrap();
    let error = refused(&to_database(&data, &fresh));
    assert!(matches!(error, TransferError::Folder(OpenError::NewerVersion { found: 99, .. })), "{error}");
    assert_eq!(look(&fresh).unwrap(), None, "nothing was made");
}

#[tokio::test]
async fn a_pool_may_stand_between() {
    let pool = server().pool(4);
    let folders = Folders::new();
    let (data, url) = (filled(&folders, "data").await, server().database());
    let by_pool = pool.url(name(&url));
    assert!(matches!(run_for(&to_database(&data, &by_pool), 9), Err(TransferError::Stopped)));
    run_through(&to_database(&data, &by_pool));
    run_through(&to_folder(&by_pool, &folders.dir("back")));
}

#[test]
fn two_places_of_one_kind_are_no_transfer() {
    let url = || TransferPlace::Database("postgres://u:secret@h/d".to_owned());
    let dir = || TransferPlace::Folder("x".into());
    for (from, to) in [(url(), url()), (dir(), dir())] {
        let what = super::Transfer { from, to, ..to_database(std::path::Path::new("x"), "") };
        assert!(!format!("{what:?}").contains("secret"));
        let error = refused(&what);
        assert!(error.is_usage(), "{error}");
    }
}
