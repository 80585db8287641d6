//! What becomes of a source: it is as it was, and is another store from then on.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::{Folders, database, folder, name, refused, run, run_through, server, to_database, to_folder};
use crate::store::contract::world::{World, says};
use crate::store::transfer::row::Cell;
use crate::store::transfer::side::{Life, MARK, Side, Source};
use crate::store::transfer::tables::Table;
use crate::store::transfer::{Run, TransferError, TransferPhase};
use crate::store::{DataKind, postgres, sqlite};

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

/// Keeps what the target's folder would have after a loss of power at the moment in which the source is left: the file
/// without its log, which nobody has asked the disk for.
struct Watched {
    source: postgres::TransferSource,
    file: PathBuf,
    kept: PathBuf,
}

impl Side for Watched {
    fn place(&self) -> &str {
        self.source.place()
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        self.source.hold()
    }

    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        self.source.read(table, after, limit)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        self.source.count(table)
    }

    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError> {
        self.source.last_number(table)
    }
}

impl Source for Watched {
    fn life(&self) -> &Life {
        self.source.life()
    }

    fn leave(&mut self, epoch: &str) -> Result<(), TransferError> {
        std::fs::copy(&self.file, &self.kept).unwrap();
        self.source.leave(epoch)
    }
}

#[tokio::test]
async fn a_source_is_left_for_what_is_on_the_disk() {
    let (folders, url) = (Folders::new(), server().database());
    let store = database(&url);
    let epoch = store.epoch().await.unwrap();
    let world = World::new(store).await;
    for n in 0..20 {
        world.append(says("vera", "c", &format!("k{n}"), "hello")).await;
    }
    drop(world);
    let (back, kept) = (folders.dir("back"), folders.dir("kept.db"));
    let moved = || {
        let source = postgres::TransferSource::open(&url)?;
        let mut source = Watched { source, file: back.join("store.db"), kept: kept.clone() };
        let mut target = sqlite::TransferTarget::open(&back, DataKind::Dev)?;
        let what = to_folder(&url, &back);
        let mut progress = |_| ControlFlow::Continue(());
        Run { transfer: &what, source: &mut source, target: &mut target, progress: &mut progress }.run()
    };
    let report = std::thread::scope(|scope| scope.spawn(moved).join().unwrap()).unwrap();
    assert!(report.is_same());
    let conn = rusqlite::Connection::open(&kept).unwrap();
    let count: i64 = conn.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 21, "all rows");
    let of = |key: &str| -> String {
        conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).unwrap()
    };
    assert!(of(MARK).contains(&epoch), "the mark, by which it is gone on with");
    assert_eq!(of("epoch"), epoch);
}
