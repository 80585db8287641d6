//! A source whose index does not lead to all of its rows.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::{Folders, LOOKS, folder, server, to_database};
use crate::store::contract::world::{World, says};
use crate::store::transfer::row::Cell;
use crate::store::transfer::side::{Life, Side, Source};
use crate::store::transfer::tables::Table;
use crate::store::transfer::{Run, TransferError};
use crate::store::{DataKind, DatabaseError, OpenError, PostgresConfig, PostgresStore, postgres, sqlite};

/// Does not find the third event by its key.
struct Damaged(sqlite::TransferSource);

impl Side for Damaged {
    fn place(&self) -> &str {
        self.0.place()
    }

    fn hold(&mut self) -> Result<(), TransferError> {
        self.0.hold()
    }

    fn read(
        &mut self,
        table: &'static Table,
        after: Option<&[Cell]>,
        limit: usize,
    ) -> Result<Vec<Vec<Cell>>, TransferError> {
        let mut rows = self.0.read(table, after, limit)?;
        rows.retain(|row| table.name != "events" || row[0].int() != Some(3));
        Ok(rows)
    }

    fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        self.0.count(table)
    }

    fn last_number(&mut self, table: &'static Table) -> Result<i64, TransferError> {
        self.0.last_number(table)
    }
}

impl Source for Damaged {
    fn life(&self) -> &Life {
        self.0.life()
    }

    fn leave(&mut self, epoch: &str) -> Result<(), TransferError> {
        self.0.leave(epoch)
    }
}

#[tokio::test]
async fn rows_that_are_not_found_by_their_key_are_missed() {
    let (folders, url) = (Folders::new(), server().database());
    let dir = folders.dir("data");
    let world = World::new(folder(&dir)).await;
    for n in 0..5 {
        world.append(says("vera", "c", &format!("k{n}"), "hello")).await;
    }
    drop(world);
    let moved = |dir: &Path, url: &str| {
        let mut source = Damaged(open_source(dir));
        let mut target = postgres::TransferTarget::open(url, DataKind::Dev)?;
        let what = to_database(dir, url);
        let mut progress = |_| ControlFlow::Continue(());
        Run { transfer: &what, source: &mut source, target: &mut target, progress: &mut progress }.run()
    };
    let error = std::thread::scope(|scope| scope.spawn(|| moved(&dir, &url)).join().unwrap()).unwrap_err();
    let is_told =
        matches!(&error, TransferError::Damaged { reason, .. } if reason.contains("events has 6 rows, and 5"));
    assert!(is_told, "{error}");
    let served = PostgresStore::open(PostgresConfig::new(&url, DataKind::Dev)).map(drop);
    assert!(matches!(served, Err(DatabaseError::Unfinished)), "{served:?}");
}

/// It may be locked for a moment, as in [`folder`].
fn open_source(dir: &Path) -> sqlite::TransferSource {
    for _ in 0..LOOKS {
        match sqlite::TransferSource::open(dir) {
            Err(TransferError::Folder(OpenError::Locked { .. })) => std::thread::sleep(Duration::from_millis(20)),
            opened => return opened.unwrap_or_else(|error| panic!("{error}")),
        }
    }
    panic!("{} stays locked", dir.display());
}
