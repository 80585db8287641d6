//! Both ways, between real databases.

mod catalog;
mod content;
mod damaged;
mod left;
mod refusals;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cossistant_testkit::{Postgres, PostgresOptions, unique};

use super::{Transfer, TransferError, TransferPlace, TransferProgress, TransferReport, transfer};
use crate::store::{DataKind, OpenError, PostgresConfig, PostgresStore, SqliteConfig, SqliteStore, Store};

/// One server for all tests. It need not be durable, so it is fast.
fn server() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| PostgresOptions::new().setting("fsync=off").setting("full_page_writes=off").start())
}

/// The name of a database in its address.
fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// Folders that go with the test.
struct Folders(PathBuf);

impl Folders {
    fn new() -> Self {
        let home = std::env::temp_dir().join(unique("cossistant-transfer"));
        std::fs::create_dir(&home).unwrap();
        Self(home)
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// For how often somebody else's lock is looked at: a process that another test starts has all open files of this one
/// for a moment.
const LOOKS: usize = 20;

fn folder(dir: &Path) -> Arc<dyn Store> {
    for _ in 0..LOOKS {
        match SqliteStore::open(SqliteConfig::new(dir, DataKind::Dev)) {
            Err(OpenError::Locked { .. }) => std::thread::sleep(Duration::from_millis(20)),
            opened => return Arc::new(opened.unwrap()),
        }
    }
    panic!("{} stays locked", dir.display());
}

fn database(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(PostgresConfig::new(url, DataKind::Dev)).unwrap())
}

/// What a test takes for the words of a message: those of its text alone.
fn search_text(content: &str) -> String {
    let content: serde_json::Value = serde_json::from_str(content).unwrap();
    content["text"].as_str().unwrap_or_default().to_owned()
}

fn to_database(from: &Path, to: &str) -> Transfer {
    Transfer {
        from: TransferPlace::Folder(from.to_owned()),
        to: TransferPlace::Database(to.to_owned()),
        batch: 50,
        start_over: false,
        search_text,
    }
}

fn to_folder(from: &str, to: &Path) -> Transfer {
    Transfer {
        from: TransferPlace::Database(from.to_owned()),
        to: TransferPlace::Folder(to.to_owned()),
        ..to_database(to, from)
    }
}

/// Runs beside the runtime of the test.
fn run(
    what: &Transfer,
    mut progress: impl FnMut(TransferProgress) -> ControlFlow<()> + Send,
) -> Result<TransferReport, TransferError> {
    let mut looks = 0;
    std::thread::scope(|scope| {
        let transfer = || loop {
            match transfer(what, &mut progress) {
                Err(TransferError::Folder(OpenError::Locked { .. })) if looks < LOOKS => {
                    looks += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                done => return done,
            }
        };
        scope.spawn(transfer).join().unwrap()
    })
}

fn run_through(what: &Transfer) -> TransferReport {
    let report = run(what, |_| ControlFlow::Continue(())).unwrap();
    assert!(report.is_same(), "{report:#?}");
    report
}

/// Stops after so many batches.
fn run_for(what: &Transfer, batches: usize) -> Result<TransferReport, TransferError> {
    let mut left = batches;
    run(what, |_| {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

fn refused(what: &Transfer) -> TransferError {
    run(what, |_| ControlFlow::Continue(())).unwrap_err()
}
