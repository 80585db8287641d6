//! What becomes of a source: it is as it was, and is another store from then on.

use std::ops::ControlFlow;
use std::path::Path;

use super::{Folders, database, folder, name, refused, run, run_through, server, to_database, to_folder};
use crate::store::contract::world::{World, says};
use crate::store::transfer::{TransferError, TransferPhase};

/// A folder with a few messages, and its epoch.
async fn filled(dir: &Path) -> String {
    let store = folder(dir);
    let epoch = store.epoch().await.unwrap();
    let world = World::new(store).await;
    for n in 0..20 {
        world.append(says("vera", "c", &format!("k{n}"), "hello")).await;
    }
    epoch
}

fn epoch_of(dir: &Path) -> String {
    let conn = rusqlite::Connection::open(dir.join("store.db")).unwrap();
    conn.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_source_that_was_left_has_all_but_its_epoch() {
    let (folders, url, other) = (Folders::new(), server().database(), server().database());
    let data = folders.dir("data");
    let epoch = filled(&data).await;
    let first = run_through(&to_database(&data, &url));
    let left = epoch_of(&data);
    assert_ne!(left, epoch);
    let log = data.join("store.db-wal");
    assert!(!log.exists(), "it is all in one file, as a server leaves it");
    assert_eq!(folder(&data).epoch().await.unwrap(), left, "whoever is served there again loads anew");
    // What is moved from there later is not taken for the first.
    let second = run_through(&to_database(&data, &other));
    assert_eq!((&first.epoch, &second.epoch), (&epoch, &left));
    assert_eq!(first.tables, second.tables, "nothing else was touched");

    let back = run_through(&to_folder(&url, &folders.dir("back")));
    assert_eq!((&back.epoch, &back.tables), (&epoch, &first.tables));
    let left = database(&url).epoch().await.unwrap();
    assert!(left != epoch && left != second.epoch);
    assert_eq!(run_through(&to_folder(&url, &folders.dir("again"))).tables, first.tables);
}

/// One that is not the same is not left.
#[tokio::test]
async fn a_source_stays_in_its_life_until_all_of_it_is_there() {
    let (folders, url) = (Folders::new(), server().database());
    let data = folders.dir("data");
    let epoch = filled(&data).await;
    let report = run(&to_database(&data, &url), |progress| {
        if progress.phase == TransferPhase::Comparing {
            server().run("UPDATE events SET at = at + 1 WHERE id = 7", name(&url));
        }
        ControlFlow::Continue(())
    });
    assert!(!report.unwrap().is_same());
    assert_eq!(epoch_of(&data), epoch);
}

/// It may end between leaving the source and completing the target.
#[tokio::test]
async fn a_source_that_was_just_left_is_recognized() {
    let (folders, url) = (Folders::new(), server().database());
    let data = folders.dir("data");
    let epoch = filled(&data).await;
    let there = to_database(&data, &url);
    // A name that is taken keeps the last transaction from its end.
    let spoil = "ALTER TABLE people ADD CONSTRAINT people_alias_of_fkey CHECK (true)";
    let mut is_spoilt = false;
    let error = run(&there, |progress| {
        if progress.phase == TransferPhase::Comparing && !std::mem::replace(&mut is_spoilt, true) {
            server().run(spoil, name(&url));
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(error, Err(TransferError::Failed { .. })), "{error:?}");
    let left = epoch_of(&data);
    assert_ne!(left, epoch, "it was left");
    server().run("ALTER TABLE people DROP CONSTRAINT people_alias_of_fkey", name(&url));
    let report = run_through(&there);
    assert_eq!((report.epoch, report.rows), (epoch.clone(), 0), "nothing was moved again");
    assert_eq!(database(&url).epoch().await.unwrap(), epoch);
    assert_eq!(epoch_of(&data), left);
    let error = refused(&there);
    assert!(matches!(error, TransferError::NotEmpty { .. }), "{error}");
}
