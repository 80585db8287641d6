//! Opening, closing, copies.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ffi};

use super::Dir;
use crate::store::contract::world::{World, conv, org, replies, says, site, team};
use crate::store::sqlite::{connection, schema};
use crate::store::{
    Audience, BackupError, BackupProgress, DataKind, OpenError, SqliteConfig, SqliteStore, Store, backup, restore,
};

async fn furnished(dir: &Dir, messages: usize) -> SqliteStore {
    let store = Arc::new(dir.open());
    let world = World::new(Arc::clone(&store) as Arc<dyn Store>).await;
    world.append(says("vera", "c", "first", "hello")).await;
    let calls: Vec<_> = (0..messages)
        .map(|n| store.append_message(replies("anna", "c", &format!("k{n}"), &format!("text number {n}"))))
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    drop(world);
    Arc::into_inner(store).unwrap()
}

async fn head(store: &SqliteStore) -> u64 {
    store.conversation(org("o"), team(), conv("c")).await.unwrap().team_head
}

#[tokio::test]
async fn what_was_stored_is_there_after_reopening() {
    let dir = Dir::new();
    let store = furnished(&dir, 20).await;
    let epoch = store.epoch().await.unwrap();
    assert_eq!((epoch.len(), u128::from_str_radix(&epoch, 16).is_ok()), (32, true));
    let before = store.conversation_events(org("o"), conv("c"), Audience::Team, 0, 99, 99).await.unwrap();
    drop(store);
    let store = dir.open();
    assert_eq!(store.epoch().await.unwrap(), epoch);
    let after = store.conversation_events(org("o"), conv("c"), Audience::Team, 0, 99, 99).await.unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert!(store.append_message(replies("anna", "c", "k1", "text number 1")).await.unwrap().duplicate);
    assert_eq!(store.append_message(replies("anna", "c", "new", "x")).await.unwrap().team_seq, 23);
}

#[tokio::test]
async fn dropping_answers_what_waits() {
    let dir = Dir::new();
    let store = furnished(&dir, 0).await;
    let calls: Vec<_> = (0..500).map(|n| store.append_message(replies("anna", "c", &format!("k{n}"), "x"))).collect();
    drop(store);
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(head(&dir.open()).await, 502);
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let dir = Dir::new();
    let store = dir.open();
    match SqliteStore::open(dir.config()) {
        Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(store);
    drop(dir.open());
}

#[tokio::test]
async fn a_directory_is_of_one_kind() {
    let dir = Dir::new();
    drop(dir.open());
    let dev = SqliteConfig { kind: DataKind::Dev, ..dir.config() };
    let error = SqliteStore::open(dev).unwrap_err();
    assert!(matches!(error, OpenError::WrongKind { found: DataKind::Production, wanted: DataKind::Dev }), "{error}");
    drop(dir.open());
}

#[tokio::test]
async fn newer_and_strange_data_is_refused_untouched() {
    let dir = Dir::new();
    drop(dir.open());
    let path = dir.config().dir.join(connection::FILE);
    let sql = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    sql("INSERT INTO migrations VALUES (7, x'00', datetime())");
    let error = SqliteStore::open(dir.config()).unwrap_err();
    assert!(matches!(error, OpenError::NewerVersion { found: 7, known: schema::VERSION, .. }), "{error}");
    assert!(error.to_string().contains(" 7,"), "{error}");
    assert!(error.to_string().contains(&dir.config().dir.display().to_string()), "{error}");
    assert!(error.to_string().contains(&format!("to {}:", schema::VERSION)), "{error}");
    sql("DELETE FROM migrations WHERE version = 7; UPDATE migrations SET checksum = x'00'");
    let error = SqliteStore::open(dir.config()).unwrap_err();
    assert!(matches!(error, OpenError::ChangedMigration { version: 1 }), "{error}");
    sql("DROP TABLE migrations");
    let error = SqliteStore::open(dir.config()).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    let other = Dir::new();
    std::fs::create_dir(&other.config().dir).unwrap();
    let path = other.config().dir.join(connection::FILE);
    std::fs::write(&path, "this is no database, whatever its name may say, and it is to stay as it is").unwrap();
    assert!(matches!(SqliteStore::open(other.config()), Err(OpenError::Corrupt { .. })));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is"));
}

#[test]
fn what_the_disk_refuses_is_no_damage() {
    let told =
        |code| OpenError::reading(Path::new("store.db"))(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    for code in [ffi::SQLITE_IOERR_READ, ffi::SQLITE_IOERR_LOCK, ffi::SQLITE_FULL] {
        assert!(matches!(told(code), OpenError::Io { .. }), "{code}");
    }
    for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR] {
        assert!(matches!(told(code), OpenError::Corrupt { .. }), "{code}");
    }
}

#[tokio::test]
async fn data_of_the_first_version_is_brought_to_this_one() {
    let dir = Dir::new();
    let store = furnished(&dir, 5).await;
    let (epoch, before) = (store.epoch().await.unwrap(), head(&store).await);
    drop(store);
    let conn = Connection::open(dir.config().dir.join(connection::FILE)).unwrap();
    let undo = "DROP TABLE retired; DROP TABLE webhooks; DROP TABLE deliveries; DROP TABLE unseen;
        DELETE FROM migrations WHERE version > 1";
    conn.execute_batch(undo).unwrap();
    drop(conn);
    let store = dir.open();
    assert_eq!((store.epoch().await.unwrap(), head(&store).await), (epoch, before));
    let appended = store.append_message(replies("anna", "c", "new", "x")).await.unwrap();
    assert_eq!(appended.team_seq, before + 1);
    store.delete_website(site("o", "a")).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_a_live_store_is_of_one_moment() {
    let dir = Dir::new();
    let store = Arc::new(furnished(&dir, 300).await);
    let copy = dir.path().join("copy");
    let writing = Arc::clone(&store);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writes = tokio::spawn(async move {
        let mut n = 0;
        while stopped.try_recv().is_err() {
            writing.append_message(replies("anna", "c", &format!("later{n}"), "x")).await.unwrap();
            n += 1;
        }
    });
    // The first write proves that the writing has begun.
    while head(&store).await < 303 {
        tokio::task::yield_now().await;
    }
    let (from, to) = (dir.config().dir, copy.clone());
    let reports = tokio::task::spawn_blocking(move || {
        let mut reports: Vec<BackupProgress> = Vec::new();
        backup(&from, &to, |progress| reports.push(progress)).unwrap();
        reports
    });
    let reports = reports.await.unwrap();
    stop.send(()).unwrap();
    writes.await.unwrap();
    let last = reports.last().unwrap();
    assert_eq!(last.done, last.total);
    assert!(last.total > 10);
    assert!(matches!(backup(&dir.config().dir, &copy, |_| ()), Err(BackupError::Exists(_))));
    let (epoch, live_head) = (store.epoch().await.unwrap(), head(&store).await);

    let restored = dir.path().join("restored");
    restore(&copy, &restored, false).unwrap();
    let again = SqliteStore::open(SqliteConfig::new(&restored, DataKind::Production)).unwrap();
    assert_ne!(again.epoch().await.unwrap(), epoch);
    let copied_head = head(&again).await;
    assert!((303..=live_head).contains(&copied_head), "{copied_head} of {live_head}");
    let events = again.conversation_events(org("o"), conv("c"), Audience::Team, 0, u64::MAX, 100_000).await.unwrap();
    assert_eq!(events.len() as u64, copied_head);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing beside the copy is left behind: {left:?}");
}

#[tokio::test]
async fn a_copy_is_its_owners_alone() {
    let dir = Dir::new();
    let store = furnished(&dir, 5).await;
    let (copy, part) = (dir.path().join("copy"), dir.path().join("copy.part"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    // What another attempt left behind.
    std::fs::write(&part, "").unwrap();
    std::fs::set_permissions(&part, Permissions::from_mode(0o644)).unwrap();
    let mut modes = Vec::new();
    backup(store.dir(), &copy, |_| {
        let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let written = entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("copy"));
        modes.extend(written.map(|path| mode(&path)));
    })
    .unwrap();
    assert!(!modes.is_empty() && modes.iter().all(|mode| *mode == 0o600), "while it is written: {modes:?}");
    assert_eq!(mode(&copy), 0o600);

    std::fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
    let restored = dir.path().join("restored");
    restore(&copy, &restored, false).unwrap();
    assert_eq!((mode(&restored), mode(&restored.join("store.db"))), (0o700, 0o600));
}

#[tokio::test]
async fn restoring_overwrites_only_by_force_and_nothing_damaged() {
    let dir = Dir::new();
    let store = furnished(&dir, 5).await;
    let copy = dir.path().join("copy");
    backup(store.dir(), &copy, |_| ()).unwrap();
    assert!(matches!(restore(&copy, store.dir(), true), Err(OpenError::Locked { .. })));
    store.append_message(replies("anna", "c", "later", "x")).await.unwrap();
    let epoch = store.epoch().await.unwrap();
    drop(store);
    let data = dir.config().dir;
    assert!(matches!(restore(&copy, &data, false), Err(OpenError::NotEmpty(_))));
    assert_eq!(head(&dir.open()).await, 8);

    let kept = dir.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    for secret in ["admin-key", "visitor-secret", "lock"] {
        std::fs::write(kept.join(secret), secret).unwrap();
    }
    restore(&copy, &kept, false).unwrap();
    assert_eq!(std::fs::read_to_string(kept.join("admin-key")).unwrap(), "admin-key", "secrets stay as they are");
    std::fs::remove_file(kept.join("store.db")).unwrap();
    std::fs::write(kept.join("notes.txt"), "x").unwrap();
    assert!(matches!(restore(&copy, &kept, false), Err(OpenError::NotEmpty(_))));

    let damaged = dir.path().join("damaged");
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    assert!(matches!(restore(&damaged, &data, true), Err(OpenError::Corrupt { .. })));
    assert!(matches!(restore(&dir.path().join("none"), &data, true), Err(OpenError::Corrupt { .. })));
    assert_eq!(head(&dir.open()).await, 8, "what was there stays");

    restore(&copy, &data, true).unwrap();
    let store = dir.open();
    assert_eq!(head(&store).await, 7);
    assert_ne!(store.epoch().await.unwrap(), epoch);
}

const CHILD_DIR: &str = "COSSISTANT_STORE_TEST_DIR";

/// Runs in a process of its own, which [`a_killed_process_loses_nothing_that_it_answered`] kills.
#[tokio::test]
async fn child_that_writes_until_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let store = Arc::new(SqliteStore::open(SqliteConfig::new(dir, DataKind::Production)).unwrap());
    let mut writers = Vec::new();
    for writer in 0..16 {
        let store = Arc::clone(&store);
        writers.push(tokio::spawn(async move {
            for n in 0.. {
                let append = replies("anna", "c", &format!("w{writer}-{n}"), "x");
                let appended = store.append_message(append).await.unwrap();
                println!("acked w{writer}-{n} {}", appended.team_seq);
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_answered() {
    let dir = Dir::new();
    drop(furnished(&dir, 0).await);
    for round in 0..3_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "store::sqlite::tests::opening::child_that_writes_until_killed"])
            .env(CHILD_DIR, dir.config().dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
        tokio::time::sleep(Duration::from_millis(600 + 170 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let output = reading.join().unwrap();
        // The last line may be cut off.
        let whole = output.rfind('\n').map_or("", |end| &output[..end]);
        let acked: Vec<_> = whole.lines().filter_map(|line| line.strip_prefix("acked ")).collect();
        assert!(!acked.is_empty(), "nothing was written in time");

        let store = dir.open();
        let events =
            store.conversation_events(org("o"), conv("c"), Audience::Team, 0, u64::MAX, 1_000_000).await.unwrap();
        let seqs: Vec<_> = events.iter().map(|event| event.team_seq).collect();
        assert_eq!(seqs, (1..=events.len() as u64).collect::<Vec<_>>());
        assert_eq!(head(&store).await, events.len() as u64);
        for line in acked {
            let (request, seq) = line.split_once(' ').unwrap();
            let again = store.append_message(replies("anna", "c", request, "x")).await.unwrap();
            assert!(again.duplicate, "{request} was answered and is lost");
            if round == 0 {
                assert_eq!(again.team_seq.to_string(), seq);
            }
        }
    }
}
